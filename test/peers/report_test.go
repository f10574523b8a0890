package peers

import (
	"context"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// One of two recipients is refused, on both routes:
//
//	our client --> relayd --AUTH as jane--> Postfix of acme, which knows no nobody@acme.example
//	                 |--IMAPS--> Dovecot: the DSN in jane's INBOX
//	                 |--25--> Postfix of the world, which knows no nobody@b.example
//	                 +--25--> the DSN for robot@robots.example
func TestOneRecipientIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS))
	r.organisation("Acme", "acme.example", "--domain", "robots.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.connect(jane, home)

	throughAccount := r.submit(jane.address(), []string{"bob@b.example", "nobody@acme.example"}, mail(jane.address(), "bob@b.example", "half"))
	m := r.await(throughAccount, done)
	if want := "bob@b.example delivered, nobody@acme.example failed"; outcomes(m) != want || m.Route.Kind != "account" {
		t.Errorf("%s by the route %s", outcomes(m), m.Route.Kind)
	}
	if got := mx.about("bob@b.example", "half"); got.body != "The body of half.\r\n" {
		t.Errorf("bob got %q", got.body)
	}
	dsn := eventually(t, func() []letter { return home.inbox(jane) })
	if len(dsn) != 1 {
		t.Fatalf("%d messages in the INBOX", len(dsn))
	}
	checkReport(t, dsn[0], jane.address(), "nobody@acme.example", "mail.acme.example")
	if report := r.reportFor(jane.address()); report.Route.Kind != "inbox" {
		t.Errorf("the report took the route %s", report.Route.Kind)
	}
	about(t, "half", func() []letter { return home.folder(jane, "Sent") })

	direct := r.submit("robot@robots.example", []string{"nobody@b.example", "carol@b.example"}, mail("robot@robots.example", "carol@b.example", "other half"))
	m = r.await(direct, done)
	if want := "nobody@b.example failed, carol@b.example delivered"; outcomes(m) != want || m.Route.Kind != "direct" {
		t.Errorf("%s by the route %s", outcomes(m), m.Route.Kind)
	}
	mx.about("carol@b.example", "other half")
	dsn = eventually(t, func() []letter { return mx.mail("robot@robots.example") })
	checkReport(t, dsn[0], "robot@robots.example", "nobody@b.example", "mx.b.example")
	if report := r.reportFor("robot@robots.example"); report.Route.Kind != "direct" || report.ReturnPath != "" {
		t.Errorf("the report from <%s> took the route %s", report.ReturnPath, report.Route.Kind)
	}
	if n := len(mx.mail("robot@robots.example")) + len(mx.mail("bob@b.example")) + len(mx.mail("carol@b.example")); n != 3 {
		t.Errorf("%d messages at the MX, want 3", n)
	}
}

// checkReport checks a DSN as its readers do (RFC 3464).
func checkReport(t *testing.T, dsn letter, to, failed, peer string) {
	t.Helper()
	if kind := dsn.header.Get("Content-Type"); !strings.HasPrefix(kind, "multipart/report; report-type=delivery-status") {
		t.Errorf("the report is %s", kind)
	}
	if !strings.Contains(dsn.header.Get("To"), to) || dsn.header.Get("Auto-Submitted") != "auto-replied" {
		t.Errorf("the report's header is\n%s", dsn.head)
	}
	for _, line := range []string{
		"Final-Recipient: rfc822; " + failed, "Action: failed", "Status: 5.1.1",
		"Remote-MTA: dns; " + peer, "Reporting-MTA: dns; relay.acme.example", "Diagnostic-Code: smtp; 550 5.1.1",
	} {
		if !strings.Contains(dsn.body, "\r\n"+line) {
			t.Errorf("the report has no line %q:\n%s", line, dsn.body)
		}
	}
	if n := strings.Count(dsn.body, "Final-Recipient:"); n != 1 {
		t.Errorf("the report is about %d recipients", n)
	}
}

// reportFor is the one message that relayd itself made for an address.
func (r *relayd) reportFor(address string) api.Message {
	r.t.Helper()
	return eventually(r.t, func() []api.Message {
		page, err := r.api.Messages(context.Background(), apiclient.Filter{"recipient": address})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, m := range page.Items {
			if m.Kind == "report" && m.Status == "done" {
				return []api.Message{m}
			}
		}
		return nil
	})[0]
}
