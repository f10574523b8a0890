package simulator_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator"
)

const (
	appPassword = "abcd efgh ijkl mnop"
	googleMail  = "https://mail.google.com/"
	smtpSend    = "https://outlook.office.com/SMTP.Send"
	imapAccess  = "https://outlook.office.com/IMAP.AccessAsUser.All"
)

func startAs(t *testing.T, how simulator.Personality) *simulator.Simulator {
	t.Helper()
	return start(t, simulator.Options{Personality: how, Accounts: []simulator.Account{
		{Address: jane, Password: appPassword, Aliases: []string{"jane.doe@acme.example"}},
		{Address: john, Password: "web password"},
		{Address: "shared@acme.example", Password: "zzzz zzzz zzzz zzzz", Delegates: []string{jane}},
	}})
}

// xoauth2 is XOAUTH2 as mail programs do it: an empty line ends a refusal.
type xoauth2 struct {
	user, token string
	challenge   string // what the server said to it
	initial     bool   // sends the token with AUTH
}

func (x *xoauth2) Start() (string, []byte, error) {
	if x.initial {
		return "XOAUTH2", x.response(), nil
	}
	return "XOAUTH2", nil, nil
}

func (x *xoauth2) response() []byte {
	return []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01")
}

func (x *xoauth2) Next(challenge []byte) ([]byte, error) {
	if len(challenge) == 0 {
		return x.response(), nil
	}
	x.challenge = string(challenge)
	return []byte{}, nil
}

// oauthBearer is OAUTHBEARER with the answer to a refusal that go-sasl's client
// does not give.
type oauthBearer struct {
	sasl.Client
	challenge string
}

func (o *oauthBearer) Next(challenge []byte) ([]byte, error) {
	o.challenge = string(challenge)
	return []byte{1}, nil
}

func newOAuthBearer(user, token string) *oauthBearer {
	return &oauthBearer{Client: sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: user, Token: token, Host: "mail.example", Port: 587})}
}

// reply checks the reply code and the beginning of its text.
func reply(t *testing.T, err error, code int, enhanced, text string) {
	t.Helper()
	var e *smtp.SMTPError
	if !errors.As(err, &e) {
		t.Errorf("answer %v, want %d %s %s", err, code, enhanced, text)
		return
	}
	got := textOf(e.EnhancedCode)
	if e.Code != code || got != enhanced || !strings.Contains(e.Message, text) {
		t.Errorf("answer %d %s %s, want %d %s %s", e.Code, got, e.Message, code, enhanced, text)
	}
}

func textOf(code smtp.EnhancedCode) string {
	if code == smtp.NoEnhancedCode || code == smtp.EnhancedCodeNotSet {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", code[0], code[1], code[2])
}

// reader is a mail program that is connected to the mailboxes.
func reader(t *testing.T, s *simulator.Simulator) *imapclient.Client {
	t.Helper()
	c, err := imapclient.DialTLS(s.IMAPSAddr().String(), &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.Roots(), ServerName: "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func mailOf(from string, more ...string) string {
	return "From: " + from + "\r\nTo: john@acme.example\r\nSubject: hello\r\nMessage-ID: <1@acme.example>\r\n" + strings.Join(more, "") + "\r\nHello.\r\n"
}

func submit(t *testing.T, c *smtp.Client, from, content string) error {
	t.Helper()
	return c.SendMail(from, []string{john}, strings.NewReader(content))
}

func imapRefused(t *testing.T, err error, code imap.ResponseCode, text string) {
	t.Helper()
	var e *imap.Error
	if !errors.As(err, &e) || e.Type != imap.StatusResponseTypeNo || e.Code != code || !strings.Contains(e.Text, text) {
		t.Errorf("answer %v, want NO [%s] %s", err, code, text)
	}
}

func usesOf(t *testing.T, c *imapclient.Client) map[imap.MailboxAttr]string {
	t.Helper()
	found, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	uses := map[imap.MailboxAttr]string{}
	for _, f := range found {
		for _, attr := range f.Attrs {
			uses[attr] = f.Mailbox
		}
	}
	return uses
}

func TestSendingLimit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		how            simulator.Personality
		token          string
		code           int
		enhanced, text string
	}{
		{simulator.Gmail(), googleMail, 550, "5.4.5", "Daily user sending limit exceeded"},
		{simulator.Office365(), smtpSend, 554, "5.2.0", "SubmissionQuotaExceededException"},
	} {
		s := startAs(t, test.how)
		if err := s.SetLimit(jane, 1); err != nil {
			t.Fatal(err)
		}
		c := program(t, s, &xoauth2{user: jane, token: s.IssueToken(jane, test.token)})
		if err := submit(t, c, jane, mailOf(jane)); err != nil {
			t.Fatal(err)
		}
		reply(t, submit(t, c, jane, mailOf(jane)), test.code, test.enhanced, test.text)
		if err := s.SetLimit(jane, -1); err != nil {
			t.Fatal(err)
		}
		if err := submit(t, c, jane, mailOf(jane)); err != nil {
			t.Errorf("after the limit was lifted: %v", err)
		}
		if n := len(s.Outbox()); n != 2 {
			t.Errorf("%d messages were sent", n)
		}
	}
}

// waitFor asks again until it is so.
func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !so() {
		if time.Now().After(deadline) {
			t.Fatal("it did not become so")
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestLocalisedFolders(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Localised())
	c := reader(t, s)
	if err := c.Login(jane, appPassword).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range found {
		names = append(names, f.Mailbox)
		if len(f.Attrs) != 0 {
			t.Errorf("%s is marked %v", f.Mailbox, f.Attrs)
		}
	}
	slices.Sort(names)
	if want := []string{"Entwürfe", "Gelöschte Elemente", "Gesendete Elemente", "INBOX", "Junk-E-Mail"}; !slices.Equal(names, want) {
		t.Errorf("folders %q, want %q", names, want)
	}
	if caps, err := c.Capability().Wait(); err != nil || caps.Has(imap.CapSpecialUse) {
		t.Errorf("capabilities %v, %v", caps, err)
	}
}

func TestZohoFilesLate(t *testing.T) {
	t.Parallel()
	how := simulator.Zoho()
	how.SentDelay = 50 * time.Millisecond
	how.FilesTwice = true
	s := startAs(t, how)
	c := program(t, s, sasl.NewPlainClient("", jane, appPassword))
	reply(t, submit(t, c, "boss@other.example", mailOf(jane)), 553, "", "Relaying disallowed as boss@other.example")
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	reply(t, submit(t, c, jane, mailOf("boss@other.example")), 553, "", "Relaying disallowed as boss@other.example")
	begun := time.Now()
	if err := submit(t, c, jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(messages(t, s, jane, "Sent")) == 2 })
	if took := time.Since(begun); took < how.SentDelay {
		t.Errorf("it came after %v", took)
	}
}

func TestDelayedCopyEndsWithTheProvider(t *testing.T) {
	t.Parallel()
	how := simulator.Zoho()
	how.SentDelay = time.Hour
	s := startAs(t, how)
	if err := submit(t, program(t, s, sasl.NewPlainClient("", jane, appPassword)), jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	s.Close() // waits for the goroutine that waits for the hour
}

func TestPersonalitiesByName(t *testing.T) {
	t.Parallel()
	for _, name := range simulator.PersonalityNames() {
		if p, err := simulator.PersonalityNamed(name); err != nil || p.Name != name {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if _, err := simulator.PersonalityNamed("hotmail"); err == nil || !strings.Contains(err.Error(), "office365") {
		t.Errorf("unknown name: %v", err)
	}
}

func TestSlowProvider(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Plain())
	s.Inject(simulator.Fault{At: simulator.AtData, Times: 1, Delay: 30 * time.Millisecond})
	begun := time.Now()
	if err := submit(t, program(t, s, sasl.NewPlainClient("", jane, appPassword)), jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begun); took < 30*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// TestMessagesMeetNoFault: what a test looks at is not what it injects.
func TestMessagesMeetNoFault(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	for _, at := range []simulator.Place{simulator.AtIMAPDial, simulator.AtLogin} {
		s.Inject(simulator.Fault{At: at, Hangup: true})
	}
	if n := len(messages(t, s, jane, "INBOX")); n != 0 {
		t.Errorf("%d messages", n)
	}
}
