package peers

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/relaytest"
)

// The provider switches IMAP off for a mailbox, and on again; sending goes on:
//
//	our client --> relayd --587--> Postfix of acme --> Postfix of the world
//	                 +--IMAPS, sign-in refused--x Dovecot
func TestAccountWithoutIMAP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS), set("sent.idle_timeout", "1s"))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.connect(jane, home)

	home.refuseIMAP(jane, true)
	id := r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", "no copy"))
	m := r.await(id, func(m *api.MessageDetail) bool { return m.Copy.Reason != "" })
	if outcomes(m) != "bob@b.example delivered" || m.Copy.Status != "pending" {
		t.Errorf("%s, copy %+v", outcomes(m), m.Copy)
	}
	r.awaitEvent("account degraded", "address", jane.address())
	if out := r.do("account", "show", jane.address()); !strings.Contains(out, "degraded") {
		t.Errorf("the account reads\n%s", out)
	}
	if out := r.do("explain", "--submitter", crm, "--from", jane.address()); !strings.Contains(out, "account.degraded") {
		t.Errorf("explain says\n%s", out)
	}
	second := r.submit(jane.address(), []string{"bob@b.example"}, mail(jane.address(), "bob@b.example", "no copy either"))
	mx.about("bob@b.example", "no copy either")

	home.refuseIMAP(jane, false)
	r.do("queue", "retry", id, second)
	for id, subject := range map[string]string{id: "no copy", second: "no copy either"} {
		if m := r.await(id, done); m.Copy.Status != "filed" {
			t.Errorf("%s: copy %+v", subject, m.Copy)
		}
		about(t, subject, func() []letter { return home.folder(jane, "Sent") })
		mx.about("bob@b.example", subject) // once
	}
	r.awaitEvent("account restored", "address", jane.address())
}

// refuseIMAP switches IMAP off for a mailbox or on again, and waits until Dovecot
// knows.
func (p *provider) refuseIMAP(who person, refuse bool) {
	p.w.t.Helper()
	list := ""
	if refuse {
		list = who.login + ":"
	}
	relaytest.WriteFile(p.w.t, p.refused, list)
	doveadm := relaytest.Need(p.w.t, "doveadm")
	soon(p.w.t, func() bool {
		err := exec.Command(doveadm, "-c", p.dovecot.Path("dovecot.conf"), "auth", "test", "-x", "service=imap", who.login, who.password).Run()
		return (err != nil) == refuse
	})
}
