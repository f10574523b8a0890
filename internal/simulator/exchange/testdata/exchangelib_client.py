"""Drives the simulated Exchange with python3-exchangelib, a client that knows nothing of it.

It signs in, asks Autodiscover, sends with send_and_save, finds the message in Sent by its
Message-ID and in the recipient's inbox, reads it, and deletes it. The environment says where and
how: SIM_URL, SIM_AUTH, SIM_LOGIN, SIM_PASSWORD, SIM_MODE; REQUESTS_CA_BUNDLE holds the authority.
"""

import os
import sys
import uuid

from exchangelib import BASIC, DELEGATE, IMPERSONATION, NTLM, Account, Configuration, Credentials, Mailbox, Message
from exchangelib.autodiscover.properties import Autodiscover
from exchangelib.errors import ErrorSendAsDenied, ErrorServerBusy, UnauthorizedError
from exchangelib.protocol import Protocol

JANE, BOB = "jane@acme.example", "bob@acme.example"


def check(what, holds):
    if not holds:
        sys.exit(f"failed: {what}")


def connect(login, address, access_type=DELEGATE, password=os.environ["SIM_PASSWORD"]):
    auth = {"NTLM": NTLM, "basic": BASIC, "automatic": None}[os.environ["SIM_AUTH"]]
    config = Configuration(
        service_endpoint=os.environ["SIM_URL"] + "/EWS/Exchange.asmx",
        credentials=Credentials(login, password),
        auth_type=auth,
    )
    return Account(primary_smtp_address=address, config=config, autodiscover=False, access_type=access_type)


def discover(account):
    session = account.protocol.get_session()
    try:
        answer = session.post(
            os.environ["SIM_URL"] + "/autodiscover/autodiscover.xml", data=Autodiscover.payload(email=JANE)
        )
    finally:
        account.protocol.release_session(session)
    found = Autodiscover.from_bytes(answer.content)
    found.raise_errors()
    check("Autodiscover's address", found.response.protocol.ews_url == account.protocol.service_endpoint)
    check("Autodiscover's mailbox", found.response.autodiscover_smtp_address == JANE)
    check("Autodiscover's version", found.response.version.build.major_version == account.version.build.major_version)


def send_whole(account, message_id):
    lines = [
        f"From: Jane <{JANE}>",
        f"To: Bob <{BOB}>",
        "Bcc: jane@acme.example",
        "Subject: From a foreign client",
        f"Message-ID: {message_id}",
        "Date: Sat, 21 Nov 2026 10:00:00 +0000",
        "",
        "Hello, <world> & everybody.",
        "",
    ]
    content = "\r\n".join(lines).encode()
    Message(account=account, folder=account.sent, mime_content=content).send_and_save()
    return content


def find_one(folder, **what):
    found = list(folder.filter(**what))
    check(f"one message with {what} in {folder.name}, not {len(found)}", len(found) == 1)
    return found[0]


def be_put_off():
    jane = connect(os.environ["SIM_LOGIN"], JANE)
    try:
        jane.root
        check("a busy server", False)
    except ErrorServerBusy as e:
        check(f"the time to wait, not {e.back_off}", e.back_off == 30)
    check("the same again, later", jane.root.id)
    print("all done")


def main():
    if os.environ["SIM_MODE"] == "busy":
        return be_put_off()
    impersonated = os.environ["SIM_MODE"] == "impersonation"
    jane = connect(os.environ["SIM_LOGIN"], JANE, IMPERSONATION if impersonated else DELEGATE)
    check("the folder's name", jane.sent.name == "Sent Items")
    check("the folder below the top", jane.root / "Top of Information Store" / "Inbox" == jane.inbox)
    if not impersonated:
        discover(jane)

    # A whole message, as a relay sends it.
    message_id = f"<{uuid.uuid4()}@acme.example>"
    content = send_whole(jane, message_id)
    copy = find_one(jane.sent, message_id=message_id)
    check("the copy's bytes", copy.mime_content == content)
    check("the copy's subject", copy.subject == "From a foreign client")
    check("the copy's recipient", [m.email_address for m in copy.to_recipients] == [BOB])
    check("no other with that subject", jane.sent.filter(subject__icontains="a FOREIGN client").count() == 1)
    check("nothing by another id", not jane.sent.filter(message_id="<nobody@acme.example>").exists())

    bob = connect(r"EXAMPLE\bob", BOB)
    received = find_one(bob.inbox, message_id=message_id)
    check("the sender", received.author.email_address == JANE)
    check("no Bcc for Bob", b"Bcc:" not in received.mime_content)
    check("a Bcc for Jane", jane.inbox.filter(message_id=message_id).count() == 1)

    # A message of properties, as a program makes it that knows no MIME; several pages of them.
    Message(
        account=jane, folder=jane.sent, subject="Größe", body="Hallo\nBob", to_recipients=[Mailbox(email_address=BOB)]
    ).send_and_save()
    made = find_one(bob.inbox, subject="Größe")
    check("the text", made.body.replace("\r\n", "\n") == "Hallo\nBob")
    for n in range(5):
        Message(account=jane, folder=jane.drafts, subject=f"Draft {n}", body="-").save()
    drafts = jane.drafts.all().order_by("subject")
    drafts.page_size = 2
    check("all drafts", [d.subject for d in drafts] == [f"Draft {n}" for n in range(5)])
    check("the draft's id", jane.drafts.get(subject="Draft 3").id)

    # Nobody sends as somebody else.
    try:
        Message(account=jane, author=BOB, to_recipients=[BOB], subject="As Bob", body="-").send()
        check("Jane may not be Bob", False)
    except ErrorSendAsDenied:
        pass
    try:
        connect(r"EXAMPLE\bob", BOB, password="wrong").sent
        check("a wrong password", False)
    except UnauthorizedError:
        pass

    check("one name resolved", [m.email_address for m in jane.protocol.resolve_names([BOB])] == [BOB])
    if jane.version.build.major_version >= 14:
        check("time zones", [z.id for z in jane.protocol.get_timezones()] == ["UTC"])

    # A draft that is sent later, and both ways to delete.
    draft = jane.drafts.get(subject="Draft 3")
    draft.delete()
    check("one draft less", jane.drafts.all().count() == 4)
    later = Message(account=jane, folder=jane.drafts, subject="Later", body="-", to_recipients=[BOB])
    later.save()
    later.send()
    check("the draft is gone", not jane.drafts.filter(subject="Later").exists())
    check("its copy in Sent", jane.sent.filter(subject="Later").count() == 1)
    find_one(bob.inbox, subject="Later").move_to_trash()
    find_one(bob.trash, subject="Later")
    copy.delete()
    received.delete()
    check("the copy is gone", not jane.sent.filter(message_id=message_id).exists())
    check("Bob's is gone", not bob.inbox.filter(message_id=message_id).exists())
    Protocol.clear_cache()
    print("all done")


main()
