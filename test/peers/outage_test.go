package peers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// The provider's Postfix is down for a while:
//
//	our client --> relayd --x  Postfix of acme --> Postfix of the world
//	                 +--IMAPS--> Dovecot, jane's Sent
func TestProviderIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.connect(jane, home)

	home.Stop()
	var ids []string
	for i := range 5 {
		ids = append(ids, r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", fmt.Sprint("patient ", i))))
	}
	for _, id := range ids {
		m := r.await(id, deferred)
		if !strings.Contains(m.Recipients[0].Reply, "refused") || m.Hold != nil {
			t.Errorf("the message waits with %q, hold %v", m.Recipients[0].Reply, m.Hold)
		}
	}
	if out := r.do("queue", "status"); !strings.HasPrefix(out, "5 messages wait") {
		t.Errorf("queue status says %s", out)
	}
	home.Start()
	r.do(append([]string{"queue", "retry"}, ids...)...)
	for i, id := range ids {
		m := r.await(id, done)
		if outcomes(m) != "bob@b.example delivered" || m.Copy.Status != "filed" {
			t.Errorf("%s, copy %s", outcomes(m), m.Copy.Status)
		}
		subject := fmt.Sprint("patient ", i)
		mx.about("bob@b.example", subject)
		about(t, subject, func() []letter { return home.folder(jane, "Sent") })
	}
	if arrived, filed := len(mx.mail("bob@b.example")), len(home.folder(jane, "Sent")); arrived != 5 || filed != 5 {
		t.Errorf("%d arrived and %d filed, want 5 each", arrived, filed)
	}
	if n := len(home.inbox(jane)); n != 0 {
		t.Errorf("jane got %d reports", n)
	}
}

// IMAP is down for a while, sending is not:
//
//	our client --> relayd --587--> Postfix of acme --> Postfix of the world
//	                 +--993--x gate --> Dovecot, jane's Sent
func TestSentCopyIsFiledLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	gate := w.newGate(home.dovecot.IMAPS)
	r := w.startRelayd()
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.do("user", "create", jane.address())
	r.doWith(jane.password+"\n", "account", "create", jane.address(), "--password-stdin", "--verify",
		"--smtp", "mail.acme.example:587", "--smtp-login", jane.login, "--imap", "imap.acme.example:993", "--imap-login", jane.login)

	gate.shut()
	id := r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", "copied late"))
	mx.about("bob@b.example", "copied late")
	m := r.await(id, func(m *api.MessageDetail) bool { return m.Copy.Status == "pending" && m.Copy.Attempts > 0 })
	if outcomes(m) != "bob@b.example delivered" || !strings.Contains(m.Copy.Reason, "refused") {
		t.Errorf("%s, the copy waits because of %q", outcomes(m), m.Copy.Reason)
	}
	if n := len(home.folder(jane, "Sent")); n != 0 {
		t.Fatalf("%d copies went through a shut gate", n)
	}
	gate.openUp()
	r.do("queue", "retry", id)
	m = r.await(id, done)
	if m.Copy.Status != "filed" || count(m, "attempt") != 1 {
		t.Errorf("copy %+v, %d attempts to deliver", m.Copy, count(m, "attempt"))
	}
	if filed := about(t, "copied late", func() []letter { return home.folder(jane, "Sent") }); filed.flags != "S" {
		t.Errorf("filed with the flags %q", filed.flags)
	}
	mx.about("bob@b.example", "copied late") // once, still
	if sent := strings.Count(home.Log(), "from=<jane@acme.example>, size="); sent != 2 {
		t.Errorf("the provider took %d messages, want the loop mail and one more", sent)
	}
}

// The password is changed at the provider, and later in relayd:
//
//	our client --> relayd --587, 535--> Postfix of acme --auth--> Dovecot
func TestPasswordChangesAtTheProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS), set("upstream.idle_timeout", "1s"))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.connect(jane, home)

	jane.password = "the second secret of jane"
	home.changePassword(jane)
	id := r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", "held"))
	m := r.await(id, held)
	if m.Hold.Rule != "account.parked" || !strings.Contains(m.Hold.Reason, "535 5.7.8") || m.Recipients[0].Attempts != 0 {
		t.Errorf("held by %s: %s, after %d attempts", m.Hold.Rule, m.Hold.Reason, m.Recipients[0].Attempts)
	}
	second := r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", "held at once"))
	r.await(second, held)
	for _, want := range []string{id, second, "bob@b.example", "held", "needs attention"} {
		if out := r.do("queue", "list", "--held"); !strings.Contains(out, want) {
			t.Errorf("queue list --held has no %q:\n%s", want, out)
		}
	}
	if out := r.do("account", "list", "--state", "parked"); !strings.Contains(out, jane.address()) || !strings.Contains(out, "535 5.7.8") {
		t.Errorf("account list --state parked says\n%s", out)
	}
	if refused := strings.Count(home.Log(), "SASL PLAIN authentication failed") + strings.Count(home.Log(), "SASL LOGIN authentication failed"); refused != 1 {
		t.Errorf("%d sign-ins were refused, want 1", refused)
	}

	out := r.doWith(jane.password+"\n", "account", "update", jane.address(), "--password-stdin", "--verify")
	if !strings.Contains(out, "jane@acme.example is verified") {
		t.Errorf("account update --verify said\n%s", out)
	}
	for id, subject := range map[string]string{id: "held", second: "held at once"} {
		if m := r.await(id, done); outcomes(m) != "bob@b.example delivered" || m.Copy.Status != "filed" {
			t.Errorf("%s: %s, copy %s", subject, outcomes(m), m.Copy.Status)
		}
		mx.about("bob@b.example", subject)
		about(t, subject, func() []letter { return home.folder(jane, "Sent") })
	}
	if n := len(home.inbox(jane)); n != 0 {
		t.Errorf("jane got %d reports", n)
	}
}
