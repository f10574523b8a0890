package upstream_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// TestDeliver holds the dialogues of one attempt on one connection: a row is the
// script behind the sign-in and what becomes of the two recipients.
func TestDeliver(t *testing.T) {
	t.Parallel()
	two := envelope("r1@b.example", "r2@b.example")
	const three = "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
	for name, c := range map[string]struct{ script, want string }{
		"both accepted": {two + three + content + "S: 250 2.0.0 queued" + bye, "delivered | delivered"},
		"one refused": {two + "S: 250 ok\nS: 550 5.1.1 who\nS: 250 ok\nS: 354 go" + content + "S: 250 ok" + bye,
			"failed recipient.unknown | delivered"},
		"one later": {two + "S: 250 ok\nS: 250 ok\nS: 450 4.2.1 later\nS: 354 go" + content + "S: 250 ok" + bye,
			"delivered | deferred recipient.later"},
		"both refused": {two + "S: 250 ok\nS: 550 5.1.1 who\nS: 550 5.1.1 who\nS: 554 no\nC: RSET\nS: 250 ok" + bye,
			"failed recipient.unknown | failed recipient.unknown"},
		"the message is refused": {two + three + content + "S: 550 5.7.1 spam" + bye,
			"failed message.content | failed message.content"},
		"the message is refused for now": {two + three + content + "S: 451 4.3.0 busy" + bye,
			"deferred default.temporary | deferred default.temporary"},
		"MAIL is refused": {two + "S: 554 5.0.0 no\nS: 503 no\nS: 503 no\nS: 503 no" + bye,
			"failed default.message_permanent | failed default.message_permanent"},
		"a quota rests the lane": {two + "S: 554 5.7.0 Your hourly sending limit has been reached\nS: 503 no\nS: 503 no\nS: 503 no" + bye,
			"deferred quota.word | deferred quota.word | slow quota.word"},
		"a quota at the second recipient": {two + "S: 250 ok\nS: 250 ok\nS: 550 5.7.0 daily sending limit\nS: 354 go" + content + "S: 250 ok" + bye,
			"delivered | deferred quota.word | slow quota.word"},
		"530 at MAIL parks": {two + "S: 530 5.7.0 sign in\nS: 503 no\nS: 503 no\nS: 503 no" + bye,
			"deferred auth.password | deferred auth.password | park auth.password"},
		"a foreign sender is held": {two + "S: 553 5.7.1 Sender address rejected: not owned by user\nS: 503 no\nS: 503 no\nS: 503 no" + bye,
			"held sender.denied | held sender.denied"},
		"U11: 421 after the dot is an answer": {two + three + content + "S: 421 4.3.2 closing",
			"deferred connection.closing | deferred connection.closing"},
		"U11: no answer after the dot": {two + three + content,
			"unknown outcome.unknown | unknown outcome.unknown"},
		"no SMTP after the dot": {two + three + content + "S: 2xx great",
			"unknown outcome.unknown | unknown outcome.unknown"},
		"one refused, then nothing after the dot": {two + "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 who\nS: 354 go" + content,
			"unknown outcome.unknown | failed recipient.unknown"},
		"closed before the dot": {two + "S: 250 ok\nS: 250 ok",
			"deferred connection.lost | deferred connection.lost"},
		"421 in the middle": {two + "S: 250 ok\nS: 250 ok\nS: 421 4.7.0 too fast",
			"deferred quota.rate | deferred quota.rate | slow quota.rate"},
		"an answer ahead of its time": {two + `S<< "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 done\r\n"` + "\nend",
			"deferred connection.lost | deferred connection.lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := janes(t, nil, signIn+c.script)
			del := delivery(2)
			a := w.check(t, del, c.want)
			if a.Peer.Host != "127.0.0.1" || !strings.HasPrefix(a.Peer.Addr, "127.0.0.1:") || a.Peer.TLS != "" {
				t.Errorf("the peer is %+v", a.Peer)
			}
		})
	}
}

// TestNoSignIn: what happens before MAIL concerns the account, and not the message.
func TestNoSignIn(t *testing.T) {
	t.Parallel()
	greeting := strings.Split(signIn, "S: 235")[0]
	for name, c := range map[string]struct{ script, want string }{
		"wrong password":   {greeting + "S: 535 5.7.8 no\nend", "deferred auth.password | park auth.password"},
		"too many logins":  {greeting + "S: 454 4.7.0 later\nend", "deferred auth.too_many_logins | slow auth.too_many_logins"},
		"no mechanism":     {"S: 220 mx\nC~ EHLO\nS: 250 AUTH X\nend", "deferred auth.no_mechanism | park auth.no_mechanism"},
		"no service":       {"S: 554 5.3.2 no\nend", "deferred default.account_permanent | park default.account_permanent"},
		"busy":             {"S: 421 4.3.2 full", "deferred connect.busy | slow connect.busy"},
		"closed":           {"", "deferred connect.unreachable"},
		"U2: not SMTP":     {"S<< \"220 " + strings.Repeat("x", 5000) + "\"\nend", "deferred connect.unreachable"},
		"U1: endless":      {"S<< \"" + strings.Repeat(`220-x\r\n`, 200) + "\"\nend", "deferred connect.unreachable"},
		"closed at AUTH":   {greeting, "deferred connection.lost"},
		"503 at AUTH":      {greeting + "S: 503 5.5.1 what\nend", "deferred connection.sequence"},
		"5xx to everybody": {greeting + "S: 554 5.7.0 blocked\nend", "deferred default.account_permanent | park default.account_permanent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := janes(t, nil, c.script).check(t, delivery(1), c.want)
			if a.Trouble != nil && a.Trouble.Version != 1 {
				t.Errorf("trouble of version %d", a.Trouble.Version)
			}
		})
	}
}

// TestTLS: mode and certificate are checked before anything secret leaves.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca, stranger := smtpwiretest.NewCA(t), smtpwiretest.NewCA(t)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	good := ca.Certificate("127.0.0.1", later)
	clear := strings.Replace(signIn, "S: 250-PIPELINING", "S: 250-STARTTLS\n\tS: 250-PIPELINING", 1)
	clear = strings.Split(clear, "C: AUTH")[0] + "C: STARTTLS\nS: 220 go\n"
	for name, c := range map[string]struct {
		mode   relay.TLSMode
		ca     *smtpwiretest.CA
		cert   string // host of the certificate
		until  time.Time
		script string
		want   string
	}{
		"implicit":            {relay.TLSImplicit, ca, "127.0.0.1", later, "tls\n" + signIn + accepted + bye, "delivered"},
		"STARTTLS":            {relay.TLSStartTLS, ca, "127.0.0.1", later, clear + "tls\n" + strings.TrimPrefix(signIn, "\n\tS: 220 mx.example") + accepted + bye, "delivered"},
		"U10: wrong name":     {relay.TLSImplicit, ca, "mx.example", later, "tls fails", "deferred tls.certificate | park tls.certificate"},
		"U10: expired":        {relay.TLSImplicit, ca, "127.0.0.1", earlier, "tls fails", "deferred tls.certificate | park tls.certificate"},
		"U10: self-signed":    {relay.TLSStartTLS, stranger, "127.0.0.1", later, clear + "tls fails", "deferred tls.certificate | park tls.certificate"},
		"U9: STARTTLS hidden": {relay.TLSStartTLS, ca, "127.0.0.1", later, strings.Split(signIn, "C: AUTH")[0] + "end", "deferred tls.stripped | park tls.stripped"},
		"U9: STARTTLS refused": {relay.TLSStartTLS, ca, "127.0.0.1", later, strings.Replace(clear, "S: 220 go", "S: 454 4.7.0 not now\nend", 1),
			"deferred default.temporary"},
		"U8: injected": {relay.TLSStartTLS, ca, "127.0.0.1", later, strings.Replace(clear, "S: 220 go", `S<< "220 go\r\n250 x\r\n"`, 1) + "end",
			"deferred tls.handshake"},
		"a mode that nobody knows": {relay.TLSMode("maybe"), ca, "127.0.0.1", later, strings.Split(signIn, "C: AUTH")[0] + "end", "deferred tls.stripped | park tls.stripped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert := good
			if c.ca != ca || c.cert != "127.0.0.1" || !c.until.Equal(later) {
				cert = c.ca.Certificate(c.cert, c.until)
			}
			cred := account("jane", smtpwiretest.Serve(t, cert, c.script))
			cred.Account.SMTP.TLS = c.mode
			w := newWorld(t, func(o *upstream.Options) { o.Roots = ca.Pool() }, cred)
			a := w.check(t, delivery(1), c.want)
			if c.want == "delivered" && !strings.HasPrefix(a.Peer.TLS, "TLS 1.3 ") {
				t.Errorf("the peer is %+v", a.Peer)
			}
		})
	}
}

// TestTLSTooOld: TLS 1.0 needs a person (U10).
func TestTLSTooOld(t *testing.T) {
	t.Parallel()
	ca := smtpwiretest.NewCA(t)
	s := smtpwiretest.Serve(t, ca.Certificate("127.0.0.1", time.Now().Add(time.Hour)), "tls fails")
	s.OnlyTLS10()
	cred := account("jane", s)
	cred.Account.SMTP.TLS = relay.TLSImplicit
	w := newWorld(t, func(o *upstream.Options) { o.Roots = ca.Pool() }, cred)
	w.check(t, delivery(1), "deferred tls.too_old | park tls.too_old")
}

// TestPlainNeedsPermission: mode none reaches only what the operator lists, and no
// octet leaves before.
func TestPlainNeedsPermission(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.AllowPlain = nil }, "end")
	w.check(t, delivery(1), "deferred connect.address_refused | park connect.address_refused")
}

// TestNotReached: nobody listens.
func TestNotReached(t *testing.T) {
	t.Parallel()
	w := janes(t, nil)
	w.accounts.change("jane", func(c *relay.Credentials) { c.Account.SMTP.Port = 1 })
	a := w.check(t, delivery(1), "deferred connect.unreachable")
	if got := a.Results[0].Reply.String(); got != "local: refused" {
		t.Error(got)
	}
}

// TestCredentials: an account that is gone or cannot be read.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := janes(t, nil)
	del := delivery(1)
	del.Route.Account = "nobody"
	w.check(t, del, "deferred local.account_gone | park local.account_gone")
	w.accounts.err = errNo
	a := w.check(t, delivery(1), "deferred local.credentials | slow local.credentials")
	if a.Trouble.Pause <= 0 {
		t.Error("the lane does not rest")
	}
}

// TestNullSender: a report never goes through a person's account.
func TestNullSender(t *testing.T) {
	t.Parallel()
	del := delivery(1)
	del.Message.Envelope.ReturnPath = relay.Address{}
	janes(t, nil).check(t, del, "deferred local.null_sender")
}

// TestSplit: a message for more recipients than one transaction takes goes in
// parts, and a server that takes fewer gets fewer.
func TestSplit(t *testing.T) {
	t.Parallel()
	w := janes(t, func(o *upstream.Options) { o.MaxRecipients = 3 }, signIn+
		envelope("r1@b.example", "r2@b.example", "r3@b.example")+
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 354 go\n"+content+"S: 250 ok\n"+
		envelope("r3@b.example", "r4@b.example")+
		"S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"+content+"S: 250 ok\n"+
		envelope("r5@b.example")+"S: 250 ok\nS: 250 ok\nS: 354 go\n"+content+"S: 250 ok"+bye)
	del := delivery(5)
	var recorded [][]int
	del.BeforeDot = func(_ context.Context, r []int) error {
		recorded = append(recorded, r)
		return nil
	}
	w.check(t, del, "delivered | delivered | delivered | delivered | delivered")
	if want := [][]int{{0, 1}, {2, 3}, {4}}; !slices.EqualFunc(recorded, want, slices.Equal) {
		t.Errorf("recorded %v, want %v", recorded, want)
	}
}

// TestSplitEnds: a server that finds even one recipient too many is tried later.
func TestSplitEnds(t *testing.T) {
	t.Parallel()
	none := func(to ...string) string {
		return envelope(to...) + "S: 250 ok\n" + strings.Repeat("S: 452 4.5.3 too many\n", len(to)) + "S: 554 no\nC: RSET\nS: 250 ok\n"
	}
	w := janes(t, nil, signIn+none("r1@b.example", "r2@b.example")+none("r1@b.example")+none("r2@b.example")+bye)
	w.check(t, delivery(2), "deferred recipient.too_many | deferred recipient.too_many")
}

// TestRestAfterRefusal: recipients that were not yet named share the fate of the
// message, but nothing of theirs is unknown.
func TestRestAfterRefusal(t *testing.T) {
	t.Parallel()
	one := envelope("r1@b.example") + "S: 250 ok\nS: 250 ok\nS: 354 go\n" + content
	for name, c := range map[string]struct{ script, want string }{
		"refused": {one + "S: 550 5.7.1 spam" + bye, "failed message.content | failed message.content"},
		"unknown": {one, "unknown outcome.unknown | deferred local.not_reached"},
		"slow":    {one + "S: 421 4.7.0 slower", "deferred quota.rate | deferred quota.rate | slow quota.rate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := janes(t, func(o *upstream.Options) { o.MaxRecipients = 1 }, signIn+c.script)
			w.check(t, delivery(2), c.want)
		})
	}
}

// TestSomeOfTheRecipients: a Delivery names a part of the envelope by its indexes.
func TestSomeOfTheRecipients(t *testing.T) {
	t.Parallel()
	w := janes(t, nil, signIn+envelope("r3@b.example", "r1@b.example")+"S: 250 ok\nS: 550 5.1.1 no\nS: 250 ok\nS: 354 go\n"+content+"S: 250 ok"+bye)
	del := delivery(3)
	del.Recipients = []int{2, 0}
	del.BeforeDot = func(_ context.Context, r []int) error {
		if !slices.Equal(r, []int{0}) {
			t.Errorf("recorded %v", r)
		}
		return nil
	}
	w.check(t, del, "failed recipient.unknown | delivered")
}

// TestImpossible: what this peer can never take fails at once, with the right code.
func TestImpossible(t *testing.T) {
	t.Parallel()
	w := janes(t, nil, strings.Replace(signIn, "S: 250-PIPELINING", "S: 250-SIZE 10", 1)+bye)
	a := w.check(t, delivery(1), "failed message.impossible")
	if got := a.Results[0].Reply; got.Enhanced != (relay.Enhanced{5, 3, 4}) || got.Code != 0 || a.Results[0].Hint == "" {
		t.Errorf("%+v", a.Results[0])
	}
}

// TestNotRecorded: what could not be made durable is not sent.
func TestNotRecorded(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"DATA":       signIn + envelope("r1@b.example", "r2@b.example") + "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 no\nS: 354 go\nend",
		"one flight": chunking + "end",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			del := delivery(2)
			del.BeforeDot = func(context.Context, []int) error { return errNo }
			want := "deferred local.broken_off | deferred local.broken_off | aborted local.broken_off"
			if name == "DATA" {
				want = "deferred local.broken_off | failed recipient.unknown | aborted local.broken_off"
			}
			janes(t, nil, script).check(t, del, want)
		})
	}
}

// TestOneFlight: a small message needs one round trip, and the record comes first.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	w := janes(t, nil, chunking+`
		C: MAIL FROM:<jane@a.example>
		C: RCPT TO:<r1@b.example>
		C: RCPT TO:<r2@b.example>
		C: BDAT 18 LAST
		C: Subject: x
		C:
		C: hi
		S: 250 ok
		S: 550 5.1.1 no
		S: 250 ok
		S: 250 ok`+bye)
	del, recorded := delivery(2), 0
	del.BeforeDot = func(_ context.Context, r []int) error { recorded += len(r); return nil }
	w.check(t, del, "failed recipient.unknown | delivered")
	if recorded != 2 {
		t.Errorf("%d recipients were recorded", recorded)
	}
}
