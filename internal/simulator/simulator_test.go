package simulator_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
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
	jane = "jane@acme.example"
	john = "john@acme.example"
)

func start(t *testing.T, o simulator.Options) *simulator.Simulator {
	t.Helper()
	if o.Accounts == nil {
		o.Accounts = []simulator.Account{{Address: jane, Password: "jane's"}, {Address: john, Login: "john", Password: "john's"}}
	}
	s, err := simulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// program is a mail program: a foreign SMTP client that is signed in.
func program(t *testing.T, s *simulator.Simulator, mechanism sasl.Client) *smtp.Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.SubmissionAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := smtp.NewClientStartTLS(conn, &tls.Config{RootCAs: s.Roots(), ServerName: "mail.example"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if mechanism != nil {
		if err := client.Auth(mechanism); err != nil {
			t.Fatalf("sign in: %v", err)
		}
	}
	return client
}

const letter = "From: jane@acme.example\r\nTo: john@acme.example\r\nSubject: hello\r\nMessage-ID: <1@acme.example>\r\n\r\nHello.\r\n"

func send(t *testing.T, c *smtp.Client, from string, to ...string) error {
	t.Helper()
	return c.SendMail(from, to, strings.NewReader(letter))
}

func messages(t *testing.T, s *simulator.Simulator, address, folder string) []simulator.Message {
	t.Helper()
	found, err := s.Messages(t.Context(), address, folder)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestMailBetweenAccounts(t *testing.T) {
	t.Parallel()
	for name, mechanism := range map[string]sasl.Client{
		"plain": sasl.NewPlainClient("", jane, "jane's"),
		"login": &loginClient{jane, "jane's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, simulator.Options{})
			if err := send(t, program(t, s, mechanism), jane, john); err != nil {
				t.Fatal(err)
			}
			inbox := messages(t, s, john, "INBOX")
			if len(inbox) != 1 || !bytes.HasSuffix(inbox[0].Content, []byte(letter)) || inbox[0].Seen {
				t.Errorf("John's INBOX: %+v", inbox)
			}
			if sent := messages(t, s, jane, "Sent"); len(sent) != 0 {
				t.Errorf("a plain provider filed %d messages in Sent", len(sent))
			}
			outbox := s.Outbox()
			if len(outbox) != 1 || outbox[0].User != jane || !outbox[0].TLS || string(outbox[0].Content) != letter {
				t.Errorf("outbox: %+v", outbox)
			}
		})
	}
}

// loginClient is AUTH LOGIN as mail programs do it.
type loginClient struct{ login, password string }

func (l *loginClient) Start() (string, []byte, error) { return "LOGIN", nil, nil }

func (l *loginClient) Next(challenge []byte) ([]byte, error) {
	if bytes.EqualFold(challenge, []byte("Username:")) {
		return []byte(l.login), nil
	}
	return []byte(l.password), nil
}

func TestProviderThatFilesSent(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{Personality: simulator.Personality{FilesSent: true, SentFolder: "Gesendete Elemente"}})
	if err := send(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, john); err != nil {
		t.Fatal(err)
	}
	sent := messages(t, s, jane, "Gesendete Elemente")
	if len(sent) != 1 || !sent[0].Seen || string(sent[0].Content) != letter {
		t.Errorf("Sent: %+v", sent)
	}
}

func TestProviderThatRewrites(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{Personality: simulator.Personality{ReplaceFrom: "<other@acme.example>", ReplaceID: "<2@mail.example>"}})
	folded := strings.Replace(letter, "From: jane", "From:\r\n jane", 1) + "From: in the body\r\n"
	if err := program(t, s, sasl.NewPlainClient("", jane, "jane's")).SendMail(jane, []string{john}, strings.NewReader(folded)); err != nil {
		t.Fatal(err)
	}
	want := "From: <other@acme.example>\r\nTo: john@acme.example\r\nSubject: hello\r\nMessage-ID: <2@mail.example>\r\n\r\nHello.\r\nFrom: in the body\r\n"
	if inbox := messages(t, s, john, "INBOX"); len(inbox) != 1 || !bytes.HasSuffix(inbox[0].Content, []byte("\r\n"+want)) {
		t.Errorf("INBOX: %+v", inbox)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	c := program(t, s, sasl.NewPlainClient("", jane, "jane's"))
	for _, test := range []struct {
		name, from, to string
		code           int
	}{
		{"another's address as sender", john, john, 553},
		{"nobody at an own domain", jane, "nobody@acme.example", 550},
	} {
		var refusal *smtp.SMTPError
		if err := send(t, c, test.from, test.to); !errors.As(err, &refusal) || refusal.Code != test.code {
			t.Errorf("%s: %v, want %d", test.name, err, test.code)
		}
		if err := c.Reset(); err != nil {
			t.Fatal(err)
		}
	}
	var refusal *smtp.SMTPError
	if err := program(t, s, nil).Mail(jane, nil); !errors.As(err, &refusal) || refusal.Code != 530 {
		t.Errorf("MAIL without AUTH: %v", err)
	}
	wrong := program(t, s, nil)
	if err := wrong.Auth(sasl.NewPlainClient("", jane, "john's")); !errors.As(err, &refusal) || refusal.Code != 535 {
		t.Errorf("wrong password: %v", err)
	}
	if len(s.Outbox()) != 0 {
		t.Errorf("something was sent")
	}
}

func TestMailForElsewhereGoesToTheMX(t *testing.T) {
	t.Parallel()
	mx, err := simulator.StartMX(t.Context(), simulator.MXOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mx.Close)
	s := start(t, simulator.Options{Forward: mx.Take})
	if err := send(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, john, "bob@world.example"); err != nil {
		t.Fatal(err)
	}
	got := mx.Received()
	if len(got) != 1 || got[0].To[0] != "bob@world.example" || len(got[0].To) != 1 || !bytes.HasSuffix(got[0].Content, []byte(letter)) {
		t.Errorf("MX: %+v", got)
	}
	if n := len(messages(t, s, john, "INBOX")); n != 1 {
		t.Errorf("John has %d messages", n)
	}
}

func TestMXOverSMTP(t *testing.T) {
	t.Parallel()
	mx, err := simulator.StartMX(t.Context(), simulator.MXOptions{Domains: []string{"world.example"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(mx.Close)
	conn, err := net.Dial("tcp", mx.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := smtp.NewClient(conn)
	defer c.Close()
	changed := mx.Changed()
	if err := c.SendMail("a@b.example", []string{"bob@world.example"}, strings.NewReader(letter)); err != nil {
		t.Fatal(err)
	}
	<-changed
	if got := mx.Received(); len(got) != 1 || string(got[0].Content) != letter || got[0].TLS {
		t.Errorf("received %+v", got)
	}
	var refusal *smtp.SMTPError
	if err := c.SendMail("a@b.example", []string{"bob@other.example"}, strings.NewReader(letter)); !errors.As(err, &refusal) || refusal.Code != 550 {
		t.Errorf("foreign domain: %v", err)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		fault  simulator.Fault
		code   int // 0: the connection breaks
		stored int
	}{
		{"refused recipient", simulator.Fault{At: simulator.AtRcpt, Who: john, Reply: "452 4.2.2 Mailbox full"}, 452, 0},
		{"refused content", simulator.Fault{At: simulator.AtData, Reply: "554 5.7.1 Spam"}, 554, 0},
		{"lost before it was stored", simulator.Fault{At: simulator.AtData, Hangup: true}, 0, 0},
		{"lost after it was stored", simulator.Fault{At: simulator.AfterData, Hangup: true}, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, simulator.Options{})
			test.fault.Times = 1
			s.Inject(test.fault)
			err := send(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, john)
			var refusal *smtp.SMTPError
			if errors.As(err, &refusal) != (test.code != 0) || err == nil {
				t.Errorf("answer: %v, want %d", err, test.code)
			} else if refusal != nil && refusal.Code != test.code {
				t.Errorf("answer: %v, want %d", err, test.code)
			}
			if n := len(messages(t, s, john, "INBOX")); n != test.stored {
				t.Errorf("%d messages stored, want %d", n, test.stored)
			}
			if err := send(t, program(t, s, sasl.NewPlainClient("", jane, "jane's")), jane, john); err != nil {
				t.Errorf("the fault struck more than once: %v", err)
			}
		})
	}
}

func TestFoldersTellTheirUse(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	c, err := imapclient.DialTLS(s.IMAPSAddr().String(), &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.Roots(), ServerName: "localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login("john", "john's").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Create("Mine", &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttrArchive}}).Wait(); err != nil {
		t.Fatal(err)
	}
	found, err := c.List("", "*", nil).Collect()
	if err != nil {
		t.Fatal(err)
	}
	uses := map[string]imap.MailboxAttr{}
	for _, f := range found {
		uses[f.Mailbox] = ""
		if len(f.Attrs) > 0 {
			uses[f.Mailbox] = f.Attrs[0]
		}
	}
	if uses["Sent"] != imap.MailboxAttrSent || uses["Mine"] != imap.MailboxAttrArchive || uses["INBOX"] != "" || len(uses) != 6 {
		t.Errorf("folders: %v", uses)
	}
}

func TestPasswordChange(t *testing.T) {
	t.Parallel()
	s := start(t, simulator.Options{})
	if err := s.SetPassword(jane, "new"); err != nil {
		t.Fatal(err)
	}
	program(t, s, sasl.NewPlainClient("", jane, "new"))
	if err := program(t, s, nil).Auth(sasl.NewPlainClient("", jane, "jane's")); err == nil {
		t.Error("the old password still opens")
	}
	if len(messages(t, s, jane, "INBOX")) != 0 {
		t.Error("the mailbox is not empty")
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"0.0.0.0", "192.0.2.1", "::", "localhost", ""} {
		o := simulator.Options{Host: host}
		s, err := simulator.Start(t.Context(), o)
		if err == nil {
			s.Close()
		}
		if (err == nil) != (host == "") {
			t.Errorf("listen on %q: %v", host, err)
		}
	}
}

func TestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := simulator.Start(ctx, simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	address := s.IMAPAddr().String()
	cancel()
	s.Close()
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}
