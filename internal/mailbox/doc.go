// Package mailbox is relayd's hand in a person's mailbox: a small IMAP client
// (RFC 3501, RFC 9051) that can do what the Sent copy and the verification of an
// account need, and nothing else.
//
// What it can do is the whole of this list: see which folders exist, find the
// Sent folder or make it, find a message by one header field, read header fields,
// put a message in, and take out messages that it is told by UID. It never reads a
// body, never touches other messages, and never sends EXPUNGE without UIDs,
// because that would also remove what the owner has marked in another program.
//
// One session:
//  1. dial, and read the greeting: one line, of bounded length, that is no PREAUTH;
//  2. secure: TLS from the first octet, or STARTTLS with nothing buffered behind
//     its answer; mode "none" only towards addresses that the caller permits;
//  3. sign in by AUTHENTICATE PLAIN or LOGIN, or with an access token by OAUTHBEARER or
//     XOAUTH2, and ask for the capabilities again;
//  4. work: each operation has a context, a deadline and a budget of octets for
//     its answers. What breaks one of them ends the session;
//  5. Close.
//
// The protocol itself is go-imap's. It sets no limit to what a server sends, no
// deadline to answers and knows no context, so it never sees the network: it reads
// and writes through the wire of this package, which does.
//
// Every error is an [*Error] that says at which step it happened and what the
// server said.
package mailbox
