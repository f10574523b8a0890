package maillog

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

var (
	someID   = relay.ID{1, 2, 3}
	reportID = relay.ID{4, 5, 6}
	jane     = relay.Address{Local: "jane", Domain: "acme.example"}
	rcpt     = relay.Address{Local: "bob", Domain: "far.example"}
	addr     = netip.MustParseAddrPort("192.0.2.7:4711")
	who      = relay.Client{Addr: addr, Hello: "crm.acme.example", Listener: "submission", TLS: "TLS 1.3"}
	acct     = &relay.Account{ID: "acc1", Address: jane, StateReason: "the password is wrong", Card: relay.Card{SentFolder: "Sent"}}
	message  = &relay.Message{
		ID: someID, Submitter: "crm", From: jane, HeaderID: "<1@acme.example>", Size: 4096,
		Envelope: relay.Envelope{ReturnPath: jane, Recipients: []relay.Recipient{{Address: rcpt}}},
	}
	epoch = time.Unix(0, 0).UTC()
)

// events is one call of every method with the line that it must write. The lines
// are what operators build searches on: they change only on purpose.
var events = map[string]struct {
	call func(*Log)
	want string
}{
	"ConnectionRefused":  {func(l *Log) { l.ConnectionRefused("submission", addr, "connections_per_address") }, `WARN connection refused listener=submission client=192.0.2.7:4711 reason=connections_per_address`},
	"ConnectionBroken":   {func(l *Log) { l.ConnectionBroken("submission", addr, "idle_timeout") }, `INFO connection broken off listener=submission client=192.0.2.7:4711 reason=idle_timeout`},
	"SignedIn":           {func(l *Log) { l.SignedIn(who, "crm", "crm-login") }, `INFO signed in listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3 submitter=crm login=crm-login`},
	"SignInFailed":       {func(l *Log) { l.SignInFailed(who, "cr\r\nm", "no such login") }, `WARN sign-in failed listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3 login=cr m reason=no such login`},
	"Refused":            {func(l *Log) { l.Refused(who, "crm", jane, relay.Refuse(550, relay.Enhanced{5, 7, 1}, "no")) }, `INFO refused listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3 submitter=crm return_path=jane@acme.example reply=550 5.7.1 no`},
	"Accepted":           {func(l *Log) { l.Accepted(who, message, 1500*time.Microsecond) }, `INFO accepted message=04106000000000000000000000 listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3 submitter=crm from=jane@acme.example return_path=jane@acme.example message_id=<1@acme.example> size=4096 recipients=1 took_ms=1.5`},
	"Repeated":           {func(l *Log) { l.Repeated(who, someID) }, `INFO repeated submission message=04106000000000000000000000 listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3`},
	"Attempted":          {attempt, `WARN attempt message=04106000000000000000000000 to=bob@far.example outcome=deferred route=account account=acc1 peer=smtp.acme.example tls=TLS 1.2 reply=451 4.7.1 later rule=rcpt.greylisted took_ms=2000 | WARN trouble message=04106000000000000000000000 route=account account=acc1 rule=slow reply=421 busy pause_ms=60000`},
	"Held":               {func(l *Log) { l.Held(message, &relay.Hold{Reason: "parked", Rule: "account.parked", Account: "acc1"}) }, `WARN held message=04106000000000000000000000 rule=account.parked reason=parked account=acc1 by=`},
	"Released":           {func(l *Log) { l.Released(message, "ops") }, `INFO released message=04106000000000000000000000 by=ops`},
	"Cancelled":          {func(l *Log) { l.Cancelled(message, "ops") }, `WARN cancelled message=04106000000000000000000000 by=ops`},
	"Copied":             {func(l *Log) { l.Copied(message, &relay.Copy{Status: relay.CopyFiled, Account: "acc1", Folder: "Sent"}) }, `INFO sent copy message=04106000000000000000000000 account=acc1 sent_copy=filed folder=Sent reason=`},
	"Reported":           {func(l *Log) { l.Reported(message, relay.ReportFailure, reportID) }, `INFO reported message=04106000000000000000000000 report=` + reportID.String() + ` kind=failure`},
	"Done":               {func(l *Log) { l.Done(message, doneState()) }, `INFO done message=04106000000000000000000000 delivered=1 failed=1 cancelled=1 sent_copy=filed took_ms=1000`},
	"AccountVerified":    {func(l *Log) { l.AccountVerified(acct, "ops") }, `INFO account verified account=acc1 address=jane@acme.example by=ops folder=Sent files_sent=false`},
	"AccountNotVerified": {func(l *Log) { l.AccountNotVerified(acct, "ops", "password", "wrong") }, `WARN account not verified account=acc1 address=jane@acme.example by=ops field=password reason=wrong`},
	"AccountParked":      {func(l *Log) { l.AccountParked(acct, "auth.password_wrong", epoch) }, `ERROR account parked account=acc1 address=jane@acme.example rule=auth.password_wrong reason=the password is wrong retry_at=1970-01-01T00:00:00.000Z`},
	"AccountDegraded":    {func(l *Log) { l.AccountDegraded(acct) }, `WARN account degraded account=acc1 address=jane@acme.example reason=the password is wrong`},
	"AccountRestored":    {func(l *Log) { l.AccountRestored(acct, "") }, `INFO account restored account=acc1 address=jane@acme.example by=`},
	"CredentialUsed":     {func(l *Log) { l.CredentialUsed(acct, "send", "smtp.acme.example:587") }, `INFO credential used account=acc1 address=jane@acme.example purpose=send peer=smtp.acme.example:587`},
	"NoticeMade":         {func(l *Log) { l.NoticeMade("owner", someID, "org1", "acc1") }, `INFO notice made message=04106000000000000000000000 kind=owner organisation=org1 account=acc1`},
	"WebhookCalled":      {called, `INFO webhook called webhook=wh1 event=account.parked status=204 attempt=1 | WARN webhook called webhook=wh1 event=account.parked status=500 attempt=2 error=answered 500`},
	"WebhookGivenUp":     {func(l *Log) { l.WebhookGivenUp("wh1", "account.parked", 10) }, `ERROR webhook given up webhook=wh1 event=account.parked attempts=10`},
	"WebhookDisabled":    {func(l *Log) { l.WebhookDisabled("wh1") }, `WARN webhook disabled webhook=wh1`},
	"WebhookDropped":     {func(l *Log) { l.WebhookDropped("wh1", "account.parked", "more than 10000 calls wait") }, `WARN webhook event dropped webhook=wh1 event=account.parked reason=more than 10000 calls wait`},
	"WebhookLost":        {func(l *Log) { l.WebhookLost("account.parked", "acc1", errors.New("disk")) }, `ERROR webhook event lost event=account.parked account=acc1 error=disk`},
	"Started":            {func(l *Log) { l.Started("v1", "/var/lib/relayd") }, `INFO started version=v1 data_dir=/var/lib/relayd`},
	"Listening":          {func(l *Log) { l.Listening("submission", "main", "127.0.0.1:2587", "starttls") }, `INFO listening kind=submission listener=main addr=127.0.0.1:2587 mode=starttls`},
	"Replayed":           {func(l *Log) { l.Replayed(10, 1000, time.Second) }, `INFO queue replayed messages=10 bytes=1000 took_ms=1000`},
	"Reloaded":           {func(l *Log) { l.Reloaded() }, `INFO configuration reloaded`},
	"ReloadFailed":       {func(l *Log) { l.ReloadFailed(errors.New("line 3")) }, `ERROR configuration not reloaded error=line 3`},
	"NoToken":            {func(l *Log) { l.NoToken() }, `INFO no token yet remedy=the API at an address asks for one; make it on this machine with: relayd token create NAME`},
	"DialRefused":        {func(l *Log) { l.DialRefused("localhost:25", "not public") }, `WARN dial refused peer=localhost:25 reason=not public`},
	"Fault":              {func(l *Log) { l.Fault("spool", someID, errors.New("disk")) }, `ERROR fault message=04106000000000000000000000 step=spool error=disk`},
	"AccountStepDown": {func(l *Log) {
		l.AccountStepDown(&relay.Account{ID: "acc1", Address: jane}, relay.Rung{Way: relay.WaySMTP, Rule: "auth.disabled", Reason: "off", RetryAt: epoch})
	}, `WARN account steps down account=acc1 address=jane@acme.example way=smtp rule=auth.disabled reason=off retry_at=1970-01-01T00:00:00.000Z`},
	"AccountQuota": {func(l *Log) {
		l.AccountQuota(&relay.Account{ID: "acc1", Address: jane}, "quota.daily.gmail", time.Hour)
	},
		`WARN account quota used up account=acc1 address=jane@acme.example rule=quota.daily.gmail pause_ms=3600000`},
	"ConsentObtained": {func(l *Log) { l.ConsentObtained(&relay.Grant{ID: "acc1", Address: "jane@acme.example", App: "app1"}) },
		`INFO consent obtained account=acc1 address=jane@acme.example app=app1`},
	"ConsentEnded": {func(l *Log) {
		l.ConsentEnded(&relay.Grant{ID: "acc1", Address: "jane@acme.example", App: "app1"}, relay.Reply{Code: 400, Text: "invalid_grant"})
	}, `ERROR consent ended account=acc1 address=jane@acme.example app=app1 reply=400 invalid_grant`},
	"TokenFailed": {func(l *Log) { l.TokenFailed("acc1", "app1", relay.Reply{Code: 503}) },
		`WARN no access token account=acc1 app=app1 reply=503`},
	"Draining": {func(l *Log) { l.Draining("SIGTERM") }, `INFO draining reason=SIGTERM`},
	"Drained":  {func(l *Log) { l.Drained(3, time.Second) }, `INFO drained waiting=3 took_ms=1000`},
}

func called(l *Log) {
	l.WebhookCalled("wh1", "account.parked", 204, 1, nil)
	l.WebhookCalled("wh1", "account.parked", 500, 2, errors.New("answered 500"))
}

func attempt(l *Log) {
	l.Attempted(message, relay.Route{Kind: relay.RouteAccount, Account: "acc1"}, &relay.Attempt{
		Started: epoch, Ended: epoch.Add(2 * time.Second),
		Peer: relay.Peer{Host: "smtp.acme.example", TLS: "TLS 1.2"},
		Results: []relay.Result{{
			Outcome: relay.Deferred, Rule: "rcpt.greylisted",
			Reply: relay.Reply{Code: 451, Enhanced: relay.Enhanced{4, 7, 1}, Text: "later"},
		}},
		Trouble: &relay.Trouble{Kind: relay.TroubleSlow, Pause: time.Minute, Rule: "slow", Reply: relay.Reply{Code: 421, Text: "busy"}},
	})
}

func doneState() *relay.State {
	return &relay.State{
		Recipients: []relay.RecipientState{{Outcome: relay.Delivered}, {Outcome: relay.Failed}, {Outcome: relay.Cancelled}},
		Copy:       relay.Copy{Status: relay.CopyFiled},
	}
}

// capture gives a Log and the lines that it wrote, without their times.
func capture() (*Log, func() string) {
	var b bytes.Buffer
	h := slog.NewTextHandler(&b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	l := New(slog.New(h))
	l.now = func() time.Time { return message.Accepted.Add(time.Second) }
	return l, func() string {
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		for i, line := range lines {
			line = strings.NewReplacer("level=", "", "msg=", "", `"`, "").Replace(line)
			lines[i] = line
		}
		return strings.Join(lines, " | ")
	}
}

func TestEveryEventReadsTheSame(t *testing.T) {
	t.Parallel()
	for name, e := range events {
		l, lines := capture()
		e.call(l)
		if got := lines(); got != e.want {
			t.Errorf("%s wrote\n %s\nwant\n %s", name, got, e.want)
		}
	}
}

func TestEveryMethodHasAnEvent(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[*Log]()
	for i := range typ.NumMethod() {
		if name := typ.Method(i).Name; events[name].call == nil {
			t.Errorf("method %s has no line in the table", name)
		}
	}
}

// Text from outside can neither begin a new line nor change how a line reads.
func TestHostileTextStaysInItsField(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	l := New(slog.New(slog.NewJSONHandler(&b, nil)))
	hostile := "x\r\n{\"msg\":\"accepted\"}\u202e\x1b[2J" + strings.Repeat("y", 5000)
	l.SignInFailed(relay.Client{Addr: addr, Hello: hostile, Listener: "submission"}, hostile, hostile)
	if n := strings.Count(b.String(), "\n"); n != 1 {
		t.Fatalf("%d lines were written", n)
	}
	var fields map[string]any
	if err := json.Unmarshal(b.Bytes(), &fields); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		s, _ := v.(string)
		if len(s) > relay.MaxReplyText+8 || strings.ContainsAny(s, "\r\n\x1b\u202e") {
			t.Errorf("field %s kept %q", k, s)
		}
	}
}

func TestRefusedTellsTheCauseToTheOperatorOnly(t *testing.T) {
	t.Parallel()
	l, lines := capture()
	l.Refused(who, "", relay.Address{}, relay.Fault(errors.New("disk /dev/sda1 broke")))
	want := `WARN refused listener=submission client=192.0.2.7:4711 hello=crm.acme.example tls=TLS 1.3 submitter= return_path=<> reply=451 4.3.0 Local error, please try again later error=disk /dev/sda1 broke`
	if got := lines(); got != want {
		t.Errorf("wrote\n %s\nwant\n %s", got, want)
	}
}

func TestFaultWithoutMessage(t *testing.T) {
	t.Parallel()
	l, lines := capture()
	l.Fault("listen", relay.ID{}, nil)
	if got, want := lines(), "ERROR fault step=listen error="; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestNilLoggerDiscards(t *testing.T) {
	t.Parallel()
	for _, e := range events {
		e.call(New(nil))
	}
}
