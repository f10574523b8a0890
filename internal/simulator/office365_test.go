package simulator_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator"
)

func TestOffice365SignIn(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	token := s.IssueToken(jane, smtpSend, imapAccess)
	program(t, s, &xoauth2{user: jane, token: token})
	c := reader(t, s)
	if err := c.Authenticate(&xoauth2{user: jane, token: token}); err != nil {
		t.Errorf("IMAP: %v", err)
	}
	if uses := usesOf(t, c); len(uses) != 0 {
		t.Errorf("it marks folders: %v", uses)
	}
	if err := reader(t, s).Authenticate(&xoauth2{user: "shared@acme.example", token: token}); err != nil {
		t.Errorf("shared mailbox: %v", err)
	}
	if err := reader(t, s).Authenticate(&xoauth2{user: john, token: s.OAuth().IssueAppToken("https://outlook.office365.com/.default")}); err != nil {
		t.Errorf("application: %v", err)
	}
	bad := &xoauth2{user: jane, token: "made-up"}
	reply(t, program(t, s, nil).Auth(bad), 535, "5.7.3", "Authentication unsuccessful")
	imapRefused(t, reader(t, s).Authenticate(bad), "", "AUTHENTICATE failed")
	if bad.challenge != "" {
		t.Errorf("a challenge before the refusal: %q", bad.challenge)
	}
	var e *smtp.SMTPError
	if err := program(t, s, nil).Auth(sasl.NewPlainClient("", jane, appPassword)); !errors.As(err, &e) || e.Code != 504 {
		t.Errorf("AUTH PLAIN: %v", err)
	}
	imapRefused(t, reader(t, s).Login(jane, appPassword).Wait(), "", "AUTHENTICATE failed")
	s.SMTPAuthDisabled(true)
	reply(t, program(t, s, nil).Auth(&xoauth2{user: jane, token: token}), 535, "5.7.139", "SmtpClientAuthentication is disabled for the Tenant")
	s.SMTPAuthDisabled(false)
	program(t, s, &xoauth2{user: jane, token: token})
	s.RevokeConsent(jane)
	reply(t, program(t, s, nil).Auth(&xoauth2{user: jane, token: token}), 535, "5.7.3", "")
}

func TestOffice365RefusesForeignFrom(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	c := program(t, s, &xoauth2{user: jane, token: s.IssueToken(jane, smtpSend)})
	reply(t, submit(t, c, jane, mailOf("boss@other.example")), 554, "5.2.252", "SendAsDenied; jane@acme.example not allowed to send as boss@other.example")
	reply(t, submit(t, c, "boss@other.example", mailOf(jane)), 554, "5.2.252", "SendAsDenied")
	if err := submit(t, c, jane, mailOf("shared@acme.example")); err != nil {
		t.Errorf("for a shared mailbox: %v", err)
	}
	if n := len(messages(t, s, jane, "Sent Items")); n != 1 {
		t.Errorf("%d copies in the mailbox that signed in", n)
	}
	if n := len(messages(t, s, "shared@acme.example", "Sent Items")); n != 0 {
		t.Errorf("%d copies in the shared mailbox", n)
	}
}

func TestOffice365TakesThreeConnections(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	token := s.IssueToken(jane, smtpSend)
	var open []*smtp.Client
	for range 4 {
		open = append(open, program(t, s, &xoauth2{user: jane, token: token}))
	}
	reply(t, submit(t, open[3], jane, mailOf(jane)), 432, "4.3.2", "Concurrent connections limit exceeded")
	for _, c := range open[:3] {
		if err := submit(t, c, jane, mailOf(jane)); err != nil {
			t.Error(err)
		}
	}
	if err := open[0].Quit(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return submit(t, open[3], jane, mailOf(jane)) == nil })
}

func TestOutlookComReplacesMessageID(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.OutlookCom())
	c := program(t, s, &xoauth2{user: jane, token: s.IssueToken(jane, smtpSend)})
	if err := c.Mail(jane, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt(john, nil); err != nil {
		t.Fatal(err)
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	answer, err := w.CloseWithResponse()
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(answer.StatusText, "2.0.0 OK "), " ")
	sent := messages(t, s, jane, "Sent")
	if len(sent) != 1 || !strings.HasSuffix(id, ".prod.outlook.com>") || !bytes.Contains(sent[0].Content, []byte("Message-ID: "+id+"\r\n")) {
		t.Errorf("answer %q, Sent %+v", answer.StatusText, sent)
	}
	if bytes.Contains(sent[0].Content, []byte("<1@acme.example>")) {
		t.Error("the old Message-ID is still there")
	}
}
