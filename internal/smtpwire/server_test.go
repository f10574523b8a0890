package smtpwire

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire/wiretest"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

// fakeSession notes what it is asked. Its answers are chosen by addresses.
type fakeSession struct {
	mu     sync.Mutex
	calls  []string
	bodies []string
	data   func(content io.Reader) error // nil takes everything
}

func (s *fakeSession) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *fakeSession) noted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, "; ")
}

func (s *fakeSession) Hello(c relay.Client, extended bool) {
	s.note("hello %s %v tls=%v", c.Hello, extended, c.TLS != "")
}

func (s *fakeSession) Auth(_ context.Context, name string) (ServerMechanism, error) {
	s.note("auth %s", name)
	return &fakeMechanism{}, nil
}

// fakeMechanism takes one response: "good", "bad" or anything else.
type fakeMechanism struct{}

func (*fakeMechanism) Next(response []byte) ([]byte, bool, error) {
	switch string(response) {
	case "good":
		return nil, true, nil
	case "bad":
		return nil, false, relay.Refuse(535, relay.Enhanced{5, 7, 8}, "Authentication failed")
	case "":
		if response == nil {
			return []byte("say it"), false, nil
		}
	case "panic":
		panic("in the mechanism")
	}
	return nil, false, errors.New("internal text of a mechanism")
}

func (s *fakeSession) Mail(_ context.Context, from Sender) error {
	s.note("mail %+v", from)
	return answerTo(from.Address)
}

func (s *fakeSession) Rcpt(_ context.Context, r relay.Recipient) error {
	s.note("rcpt %s notify=%d orcpt=%q", r.Address, r.Notify, r.ORcpt)
	return answerTo(r.Address)
}

func answerTo(a relay.Address) error {
	switch a.Local {
	case "refused":
		return fmt.Errorf("wrapped: %w", relay.Refuse(550, relay.Enhanced{5, 7, 1}, "Not yours"))
	case "fault":
		return errors.New("open /var/spool/secret: disk on fire")
	case "full":
		return relay.Refuse(452, relay.Enhanced{4, 3, 1}, "No room")
	case "panic":
		panic("in the session")
	}
	return nil
}

var fakeID = relay.ID{1, 2, 3}

func (s *fakeSession) Data(_ context.Context, content io.Reader) (relay.ID, error) {
	if s.data != nil {
		return fakeID, s.data(content)
	}
	body, err := io.ReadAll(content)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.calls = append(s.calls, "cut")
		return fakeID, fmt.Errorf("read content: %w", err)
	}
	s.calls = append(s.calls, "taken")
	s.bodies = append(s.bodies, string(body))
	return fakeID, nil
}

func (s *fakeSession) Acknowledged(id relay.ID) {
	if id == fakeID {
		s.note("acknowledged")
	}
}
func (s *fakeSession) Refused(err *relay.Error) { s.note("refused %d", err.Code) }
func (s *fakeSession) Reset()                   { s.note("reset") }
func (s *fakeSession) Close()                   { s.note("close") }

// served is one connection to a server and what came of it.
type served struct {
	*wiretest.Client
	session *fakeSession
	conn    *ServerConn
	cancel  context.CancelFunc
	done    chan error
	log     *bytes.Buffer
}

func testTLS(t testing.TB) *tls.Config {
	t.Helper()
	k, err := tlsconf.Open(tlsconf.Options{Dir: t.TempDir(), Hosts: []string{"relay.example"}})
	if err != nil {
		t.Fatal(err)
	}
	return k.Server()
}

func serve(t *testing.T, o ServerOptions) *served {
	t.Helper()
	o.Hostname = "relay.example"
	o.Mechanisms = []string{"PLAIN"}
	if o.Mode != ModePlain {
		o.TLS = testTLS(t)
	}
	s := &served{session: &fakeSession{}, done: make(chan error, 1), log: &bytes.Buffer{}}
	o.Log = slog.New(slog.NewTextHandler(s.log, nil))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s.Client = wiretest.Dial(t, ln.Addr().String())
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s.conn = NewServer(o).Conn(nc, relay.Client{Listener: "test"}, s.session)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	t.Cleanup(cancel)
	go func() { s.done <- s.conn.Serve(ctx) }()
	return s
}

// wait gives what Serve returned.
func (s *served) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(wiretest.Patience):
		t.Fatal("Serve did not end")
		return nil
	}
}

// inPlain is the mode in which a dialog needs neither TLS nor a sign-in.
func inPlain() ServerOptions { return ServerOptions{Mode: ModePlain} }

const (
	greeted   = "S: 220 relay.example ESMTP\nC: EHLO client.example\nS: 250 \n"
	secured   = greeted + "C: STARTTLS\nS: 220 \nTLS\nC: EHLO client.example\nS: 250 \n"
	signedIn  = secured + "C: AUTH PLAIN Z29vZA==\nS: 235 2.7.0\n"
	addressed = "C: MAIL FROM:<a@b.example>\nS: 250 2.1.0\nC: RCPT TO:<c@d.example>\nS: 250 2.1.5\n"
	queuedAs  = "S: 250 2.0.0 queued as "
	quits     = "C: QUIT\nS: 221 2.0.0\nEND\n"
)

// dialogCase is one dialog and what the session was asked meanwhile.
type dialogCase struct {
	name   string
	opts   ServerOptions
	dialog string
	calls  string // what the session must have noted, in this order
	never  string // what it must not have
}

// runDialogs runs each case over a socket of its own.
func runDialogs(t *testing.T, cases []dialogCase) {
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.opts)
			s.Run(tt.dialog)
			s.Conn().Close()
			s.wait(t) //nolint:errcheck // how it ended is in the dialog
			got := s.session.noted()
			if !strings.Contains(got, tt.calls) {
				t.Errorf("the session was asked: %s; want %s", got, tt.calls)
			}
			if tt.never != "" && strings.Contains(got, tt.never) {
				t.Errorf("the session was asked: %s; must never be %s", got, tt.never)
			}
		})
	}
}

// TestBasics shows a message and what is offered where.
func TestBasics(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "one message", opts: inPlain(), dialog: greeted + addressed +
			"C: DATA\nS: 354 \nR: \"From: a@b\\r\\n\\r\\n..x\\r\\n.\\r\\n\"\n" + queuedAs + fakeID.String() + "\n" + quits,
			calls: "hello client.example true tls=false; mail {Address:a@b.example Size:0 EightBit:false SMTPUTF8:false Ret:0 EnvID:}; rcpt c@d.example notify=0 orcpt=\"\"; taken; reset; acknowledged; close"},
		{name: "extensions in clear", dialog: greeted + "S+ STARTTLS\nS+ PIPELINING\nS- AUTH\nS- CHUNKING\nS- SIZE\n" + quits},
		{name: "extensions under TLS", dialog: secured + "S- STARTTLS\nS+ AUTH PLAIN\nS+ SIZE 52428800\nS+ 8BITMIME\nS+ SMTPUTF8\nS+ CHUNKING\nS+ DSN\nS+ ENHANCEDSTATUSCODES\nS+ RCPTMAX=1000\nS- XOAUTH2\nS- CRAM\n"},
		{name: "extensions in plaintext mode", opts: inPlain(), dialog: greeted + "S- STARTTLS\nS- AUTH\nS+ CHUNKING\n" +
			"C: AUTH PLAIN Z29vZA==\nS: 502 5.5.1\nC: STARTTLS\nS: 502 5.5.1\n"},
		{name: "HELO has no extensions", opts: inPlain(), dialog: "S: 220\nC: HELO x\nS: 250 relay.example\nS- PIPELINING\n" +
			"C: MAIL FROM:<a@b.example> SIZE=1\nS: 555 5.5.4\nC: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<c@d.example> NOTIFY=NEVER\nS: 555 5.5.4\nC: RCPT TO:<c@d.example>\nS: 250\nC: BDAT 1 LAST\nS: 502 5.5.1\nEND\n"},
	})
}

// TestProtocolStates is attack class 2: a command is obeyed only in the states where it may come.
func TestProtocolStates(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "P1 octets behind STARTTLS", dialog: greeted + "R: \"STARTTLS\\r\\nNOOP\\r\\n\"\nS: 554 5.5.0\nEND\n"},
		{name: "P2 handshake fails", dialog: greeted + "C: STARTTLS\nS: 220 \nR: \"MAIL FROM:<a@b.example>\\r\\nRCPT TO:<c@d.example>\\r\\n\"\nEND\n", never: "mail"},
		{name: "P3 nothing from before TLS counts", dialog: greeted + "C: STARTTLS\nS: 220\nTLS\nC: AUTH PLAIN Z29vZA==\nS: 503 5.5.1\n"},
		{name: "before TLS nearly nothing exists", dialog: greeted +
			"C: AUTH PLAIN Z29vZA==\nS: 530 5.7.0\nC: MAIL FROM:<a@b.example>\nS: 530 5.7.0\nC: RCPT TO:<c@d.example>\nS: 530 5.7.0\n" +
			"C: DATA\nS: 530 5.7.0\nC: VRFY x\nS: 530 5.7.0\nC: NOOP\nS: 250 2.0.0\nC: RSET\nS: 250 2.0.0\nC: XYZ\nS: 500 5.5.2\n" + quits,
			calls: "hello client.example true tls=false; close"},
		{name: "BDAT before TLS", dialog: greeted + "R: \"BDAT 6\\r\\nNOOP\\r\\n\"\nS: 502 5.5.1\nEND\n"},
		{name: "P4 whole dialogue at once", opts: inPlain(), dialog: "R: \"EHLO x\\r\\nMAIL FROM:<a@b.example>\\r\\nRCPT TO:<c@d.example>\\r\\nDATA\\r\\n\"\nS: 220\nS: 554 5.5.0\nEND\n", never: "mail"},
		{name: "P4 message before the 354", opts: inPlain(), dialog: greeted + addressed + "R: \"DATA\\r\\nFrom: a@b\\r\\n\\r\\n.\\r\\n\"\nS: 554 5.5.0\nEND\n", never: "taken"},
		{name: "P5 AUTH and MAIL in one segment", dialog: secured + "R: \"AUTH PLAIN YmFk\\r\\nMAIL FROM:<a@b.example>\\r\\n\"\nS: 535 5.7.8\nS: 530 5.7.0\n", never: "mail"},
		{name: "P6 BDAT with an error, then DATA", opts: inPlain(), dialog: greeted + addressed +
			"R: \"BDAT 3\\r\\na\\nb\"\nS: 554 5.6.0\nEND\n", never: "taken"},
		{name: "P6 refused chunk, then DATA", opts: inPlain(), dialog: greeted +
			"R: \"BDAT 3\\r\\nabc\"\nS: 503 5.5.1\nC: DATA\nS: 503 5.5.1\n" + quits},
		{name: "P6 DATA between chunks", opts: inPlain(), dialog: greeted + addressed +
			"R: \"BDAT 3\\r\\nabc\"\nS: 250 2.0.0\nC: DATA\nS: 503 5.5.1\nC: MAIL FROM:<a@b.example>\nS: 503 5.5.1\nR: \"BDAT 2 LAST\\r\\n\\r\\n\"\n" + queuedAs + "\n" + quits, calls: "taken; reset"},
		{name: "P7 UTF-8 without SMTPUTF8", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<ö@x.example>\nS: 553 5.6.7\nC: DATA\nS: 503\nC: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<c@ö.example>\nS: 553 5.6.7\n", never: "rcpt"},
		{name: "SMTPUTF8", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<ö@ö.example> SMTPUTF8 BODY=8BITMIME\nS: 250\nC: RCPT TO:<jos\u0301@d.example>\nS: 250\n",
			calls: "mail {Address:ö@xn--nda.example Size:0 EightBit:true SMTPUTF8:true"},
		{name: "P8 BDAT without MAIL", opts: inPlain(), dialog: greeted + "R: \"BDAT 20 LAST\\r\\nMAIL FROM:<a@b.ex>\\r\\nNOOP\\r\\n\"\nS: 503 5.5.1\nS: 250 2.0.0\n" + quits, never: "mail"},
		{name: "P8 BDAT before AUTH", dialog: secured + "R: \"BDAT 20 LAST\\r\\nMAIL FROM:<a@b.ex>\\r\\nNOOP\\r\\n\"\nS: 530 5.7.0\nS: 250 2.0.0\n" + quits, never: "mail"},
		{name: "large BDAT before AUTH", dialog: secured + "C: BDAT 1000000\nS: 530 5.7.0\nEND\n"},
		{name: "P9 overflow", opts: inPlain(), dialog: greeted + addressed + "C: BDAT 18446744073709551615\nS: 501 5.5.4\nEND\n"},
		{name: "P9 negative", opts: inPlain(), dialog: greeted + addressed + "C: BDAT -1\nS: 501 5.5.4\nEND\n"},
		{name: "P9 huge", opts: inPlain(), dialog: greeted + addressed + "C: BDAT 4294967296\nS: 552 5.3.4\nEND\n"},
		{name: "P9 bad word", opts: inPlain(), dialog: greeted + addressed + "C: BDAT 1 FIRST\nS: 501 5.5.4\nEND\n"},
		{name: "P10 MAIL twice", opts: inPlain(), dialog: greeted + addressed + "C: MAIL FROM:<x@b.example>\nS: 503 5.5.1\n", never: "x@b"},
		{name: "P10 RCPT before MAIL", opts: inPlain(), dialog: greeted + "C: RCPT TO:<c@d.example>\nS: 503 5.5.1\n", never: "rcpt"},
		{name: "P10 DATA without RCPT", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: DATA\nS: 503 5.5.1\n"},
		{name: "P10 AUTH twice", dialog: signedIn + "C: AUTH PLAIN Z29vZA==\nS: 503 5.5.1\n"},
		{name: "P10 AUTH inside a transaction", dialog: signedIn + addressed + "C: AUTH PLAIN Z29vZA==\nS: 503 5.5.1\nC: DATA\nS: 354\n"},
		{name: "P10 STARTTLS inside TLS", dialog: secured + "C: STARTTLS\nS: 503 5.5.1\n"},
		{name: "P10 STARTTLS after AUTH", dialog: signedIn + "C: STARTTLS\nS: 503 5.5.1\n"},
		{name: "MAIL before EHLO", opts: inPlain(), dialog: "S: 220\nC: MAIL FROM:<a@b.example>\nS: 503 5.5.1\n"},
		{name: "P11 parameters", opts: inPlain(), dialog: greeted +
			"C: MAIL FROM:<a@b.example> FOO=1\nS: 555 5.5.4\nC: MAIL FROM:<a@b.example> SIZE=1 SIZE=2\nS: 501 5.5.4\n" +
			"C: MAIL FROM:<a@b.example> SIZE=-1\nS: 501 5.5.4\nC: MAIL FROM:<a@b.example> BODY=7BIT BODY=7BIT\nS: 501 5.5.4\n" +
			"C: MAIL FROM:<a@b.example> AUTH=<x>\nS: 501 5.5.4\nC: MAIL FROM:<a@b.example> BODY=BINARYMIME\nS: 501 5.5.4\n" +
			"C: MAIL FROM:<a@b.example> MT-PRIORITY=1\nS: 555\nC: MAIL FROM:<a@b.example> SMTPUTF8=1\nS: 501\nC: MAIL FROM:<a@b.example> SIZE=\nS: 501\n" +
			"C: MAIL FROM:<a@b.example>SIZE=1\nS: 501\nC: MAIL FROM:<a@b.example> RET=ALL\nS: 501\nC: MAIL FROM:<a@b.example> ENVID=+3g\nS: 501\n", never: "mail"},
		{name: "DSN parameters", opts: inPlain(), dialog: greeted + "C: mail from:<a@b.example> size=100 ret=hdrs envid=QQ+2B1 auth=<> body=8bitmime\nS: 250\n" +
			"C: rcpt to:<c@d.example> notify=success,delay orcpt=rfc822;c+2Bx@d.example\nS: 250\nC: RCPT TO:<e@d.example> NOTIFY=NEVER,DELAY\nS: 501\nC: RCPT TO:<e@d.example> ORCPT=x\nS: 501\n",
			calls: "mail {Address:a@b.example Size:100 EightBit:true SMTPUTF8:false Ret:2 EnvID:QQ+1}; rcpt c@d.example notify=10 orcpt=\"rfc822;c+x@d.example\""},
		{name: "P12 GET", opts: inPlain(), dialog: "S: 220\nC: GET / HTTP/1.1\nS: 500 5.5.2\nEND\n"},
		{name: "P12 POST", dialog: "S: 220\nC: POST / HTTP/1.1\nS: 500 5.5.2\nEND\n"},
		{name: "P12 CONNECT", dialog: "S: 220\nC: CONNECT x:25 HTTP/1.1\nS: 500 5.5.2\nEND\n"},
		{name: "P12 ClientHello", dialog: "S: 220\nR: \"\\x16\\x03\\x01\\x02\\x00\\x01\"\nS: 500 5.5.2\nEND\n"},
		{name: "P13 bare LF", opts: inPlain(), dialog: "S: 220\nR: \"EHLO x\\n\"\nS: 500 5.5.2\nEND\n", never: "hello"},
		{name: "bare CR in a command", opts: inPlain(), dialog: "S: 220\nR: \"NOOP\\rX\\r\\n\"\nS: 500 5.5.2\n"},
		{name: "P14 malformed responses", opts: ServerOptions{MaxAuthFailures: 100}, dialog: secured +
			"C: AUTH PLAIN !!!\nS: 501 5.5.2\nC: AUTH PLAIN =\nS: 501 5.5.2\nC: AUTH PLAIN ====\nS: 501 5.5.2\nC: AUTH PLAIN AA==\nS: 501 5.5.2\n" +
			"C: AUTH PLAIN\nS: 334 c2F5IGl0\nC: *\nS: 501 5.7.0\nC: AUTH PLAIN\nS: 334\nC: \nS: 501 5.5.2\nC: AUTH\nS: 501\nC: AUTH XOAUTH2 x\nS: 504 5.5.4\nC: AUTH CRAM-MD5\nS: 504\nC: AUTH OAUTHBEARER x\nS: 504\nC: AUTH PLAIN Z29vZA==\nS: 235\n"},
		{name: "P14 1 MB of base64", dialog: secured + "C: AUTH PLAIN " + strings.Repeat("QUFB", 1<<18) + "\nS: 501 5.5.2\nEND\n"},
		{name: "P14 1 MB of base64 as response", dialog: secured + "C: AUTH PLAIN\nS: 334\nC: " + strings.Repeat("QUFB", 1<<18) + "\nS: 501 5.5.2\nEND\n"},
		{name: "B1 AUTH without TLS", dialog: greeted + "S- AUTH\nC: AUTH PLAIN Z29vZA==\nS: 530 5.7.0\n", never: "auth"},
		{name: "B2 attempts are counted", dialog: secured + "C: AUTH PLAIN YmFk\nS: 535 5.7.8\nC: AUTH PLAIN !!!\nS: 501\nC: AUTH PLAIN YmFk\nS: 535 5.7.8\nS: 421 4.7.0\nEND\n"},
		{name: "EHLO ends a transaction, not the sign-in", dialog: signedIn + addressed + "C: EHLO again.example\nS: 250 \nC: DATA\nS: 503\n" + addressed, calls: "reset; hello again.example"},
		{name: "RSET ends a transaction", opts: inPlain(), dialog: greeted + addressed + "C: RSET\nS: 250 2.0.0\nC: DATA\nS: 503 5.5.1\n" + addressed},
	})
}

// TestAddresses is attack class 3.
func TestAddresses(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "A1 before login", dialog: secured + "C: RCPT TO:<victim@evil.example>\nS: 530 5.7.0\nC: RCPT TO:nonsense\nS: 530 5.7.0\nC: MAIL FROM:<\nS: 530 5.7.0\n"},
		{name: "A2 source route", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<@a.example,@b.example:user@c.example>\nS: 553 5.1.3\n", never: "rcpt"},
		{name: "A3 literally", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<user%evil.example@relay.example>\nS: 250\nC: RCPT TO:<evil.example!user@relay.example>\nS: 250\nC: RCPT TO:<user@evil.example@relay.example>\nS: 553 5.1.3\n",
			calls: "rcpt user%evil.example@relay.example notify=0 orcpt=\"\"; rcpt evil.example!user@relay.example"},
		{name: "A4 stays quoted", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<\"user@evil.example\"@relay.example>\nS: 250\n", calls: `rcpt "user@evil.example"@relay.example`},
		{name: "A5 command in a quoted part", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<\"ceo@corp.example> X\"@myowndomain.example>\nS: 553 5.1.7\nC: MAIL FROM:<a@b.example>\nS: 250\n" +
			"C: RCPT TO:<\"victim@evil.example> NOTIFY=NEVER ORCPT=rfc822;x\"@good.example>\nS: 553 5.1.3\n", never: "rcpt"},
		{name: "A6 octets", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example> SMTPUTF8\nS: 250\nR: \"RCPT TO:<a@b\\rX>\\r\\n\"\nS: 553 5.1.3\nR: \"RCPT TO:<a\\x00@b.example>\\r\\n\"\nS: 553 5.1.3\nR: \"RCPT TO:<\\xff\\xfe@b.example>\\r\\n\"\nS: 553 5.1.3\n", never: "rcpt"},
		{name: "A9 look-alikes", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example> SMTPUTF8\nS: 250\nC: RCPT TO:<a\u202eb@d.example>\nS: 553\nC: RCPT TO:<a\uff20d.example>\nS: 553\nC: RCPT TO:<a\u200db@d.example>\nS: 553\nC: RCPT TO:<a@stra\u00dfe.example>\nS: 250\n",
			calls: "rcpt a@xn--strae-oqa.example"},
		{name: "A11 shell text", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<;sleep 5;>\nS: 553 5.1.3\n", never: "rcpt"},
		{name: "no brackets, a space after the colon", opts: inPlain(), dialog: greeted + "C: MAIL FROM:a@b.example\nS: 501 5.5.2\nC: MAIL FROM: <a@b.example>\nS: 501 5.5.2\nC: MAIL TO:<a@b.example>\nS: 501\nC: MAIL\nS: 501\nC: MAIL FROM:<a@b.example\nS: 501\n", never: "mail"},
		{name: "null reverse-path", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<>\nS: 250\n", calls: "mail {Address: Size:0"},
		{name: "postmaster", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example>\nS: 250\nC: RCPT TO:<Postmaster>\nS: 250\n", calls: "rcpt Postmaster@relay.example"},
	})
}

// TestExhaustion is attack class 5, as far as it needs no clock.
func TestExhaustion(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "R1 5 MB without a line end", opts: inPlain(), dialog: "S: 220\nC: " + strings.Repeat("x", 5<<20) + "\nS: 500 5.5.2\nEND\n"},
		{name: "R2 recipients", opts: ServerOptions{Mode: ModePlain, MaxRecipients: 2}, dialog: greeted + addressed + "C: RCPT TO:<e@d.example>\nS: 250\n" +
			strings.Repeat("C: RCPT TO:<f@d.example>\nS: 452 4.5.3\n", 20) + "C: RCPT TO:<f@d.example>\nS: 421 4.5.3\nEND\n"},
		{name: "R3 SIZE above the limit", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<a@b.example> SIZE=52428801\nS: 552 5.3.4\nC: MAIL FROM:<a@b.example> SIZE=99999999999999999999\nS: 552 5.3.4\n", never: "mail"},
		{name: "R3 too large, but in step", opts: ServerOptions{Mode: ModePlain, MaxSize: 10}, dialog: greeted + addressed + "C: DATA\nS: 354\nR: \"From: a@b\\r\\n.\\r\\n\"\nS: 552 5.3.4\nC: DATA\nS: 503\n" + quits, never: "taken"},
		{name: "R3 endless", opts: ServerOptions{Mode: ModePlain, MaxSize: 10}, dialog: greeted + addressed + "C: DATA\nS: 354\nC: " + strings.Repeat("x", 100) + "\nS: 552 5.3.4\nEND\n"},
		{name: "S12 too large and bad", opts: ServerOptions{Mode: ModePlain, MaxSize: 10}, dialog: greeted + addressed + "C: DATA\nS: 354\nR: \"From: a@b\\r\\n1\\n.\\r\\n\\r\\n.\\r\\n\"\nS: 554 5.6.0\nEND\n"},
		{name: "errors are counted", opts: ServerOptions{Mode: ModePlain, MaxErrors: 3}, dialog: greeted + "C: FOO\nS: 500\nC: RCPT\nS: 503\nC: BAR\nS: 421 4.7.0\nEND\n"},
		{name: "a full queue is no reason to ask for ever", opts: ServerOptions{Mode: ModePlain, MaxErrors: 3}, dialog: greeted +
			strings.Repeat("C: MAIL FROM:<full@b.example>\nS: 452 4.3.1\n", 2) + "C: MAIL FROM:<full@b.example>\nS: 421 4.7.0\nEND\n"},
		{name: "a message clears the errors before it", opts: ServerOptions{Mode: ModePlain, MaxErrors: 3}, dialog: greeted +
			strings.Repeat("C: FOO\nS: 500\nC: BAR\nS: 500\n"+addressed+"C: DATA\nS: 354\nR: \"x\\r\\n.\\r\\n\"\n"+queuedAs+"\n", 3) + quits},
		{name: "R1 NOOPs are counted", opts: inPlain(), dialog: greeted + strings.Repeat("C: NOOP\nS: 250\n", 99) + "C: NOOP\nS: 421 4.7.0\nEND\n"},
	})
}

// TestSessionAnswers shows what becomes of the errors of a session.
func TestSessionAnswers(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "a wrapped refusal", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<refused@b.example>\nS: 550 5.7.1 Not yours\nC: RCPT TO:<c@d.example>\nS: 503\n"},
		{name: "a fault shows no internal text", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<fault@b.example>\nS: 451 4.3.0 Local error, please try again later\nS- spool\n"},
		{name: "R7 full", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<full@b.example>\nS: 452 4.3.1\n" + addressed},
		{name: "a panic is contained", opts: inPlain(), dialog: greeted + "C: MAIL FROM:<panic@b.example>\nS: 421 4.3.0\nEND\n", calls: "close"},
		{name: "VRFY tells nothing", opts: inPlain(), dialog: greeted + "C: VRFY root\nS: 252 2.0.0\nC: EXPN staff\nS: 252 2.0.0\nC: HELP\nS: 214 2.0.0\n"},
		{name: "arguments where none belong", opts: inPlain(), dialog: greeted + addressed + "C: DATA now\nS: 501 5.5.4\nC: RSET x\nS: 501\nC: QUIT x\nS: 501\nC: EHLO\nS: 501\nC: EHLO a b\nS: 501\nC: EHLO <script>\nS: 501\n"},
	})
}

// TestGroups is about commands in groups and content in chunks.
func TestGroups(t *testing.T) {
	t.Parallel()
	runDialogs(t, []dialogCase{
		{name: "replies of a group", opts: inPlain(), dialog: greeted + "R: \"MAIL FROM:<a@b.example>\\r\\nRCPT TO:<c@d.example>\\r\\nRCPT TO:<refused@d.example>\\r\\nDATA\\r\\n\"\nS: 250 2.1.0\nS: 250 2.1.5\nS: 550 5.7.1\nS: 354\nR: \"x\\r\\n.\\r\\n\"\n" + queuedAs + "\n" + quits},
		{name: "QUIT and more in one segment", opts: inPlain(), dialog: greeted + "R: \"QUIT\\r\\nMAIL FROM:<a@b.example>\\r\\n\"\nS: 221\nEND\n", never: "mail"},
		{name: "chunks in one segment with their commands", opts: inPlain(), dialog: greeted + "R: \"MAIL FROM:<a@b.example>\\r\\nRCPT TO:<c@d.example>\\r\\nBDAT 4\\r\\nab\\r\\nBDAT 3 LAST\\r\\nc\\r\\nRSET\\r\\n\"\n" +
			"S: 250 2.1.0\nS: 250 2.1.5\nS: 250 2.0.0 Chunk\n" + queuedAs + "\nS: 250 2.0.0 OK\n" + quits},
		{name: "a chunk with a line over any line limit", opts: inPlain(), dialog: greeted + addressed + "R: \"BDAT 5002 LAST\\r\\n" + strings.Repeat("x", 5000) + "\\r\\n\"\n" + queuedAs + "\n"},
		{name: "a long line in DATA stays in step", opts: inPlain(), dialog: greeted + addressed + "C: DATA\nS: 354\nC: " + strings.Repeat("x", 5000) + "\nC: .\n" + queuedAs + "\n" + quits},
		{name: "RSET between chunks", opts: inPlain(), dialog: greeted + addressed + "R: \"BDAT 3\\r\\nabc\"\nS: 250\nC: NOOP\nS: 250\nC: RSET\nS: 250 2.0.0 OK\nC: DATA\nS: 503\n" + quits, calls: "cut; reset", never: "taken; acknowledged"},
		{name: "QUIT between chunks", opts: inPlain(), dialog: greeted + addressed + "R: \"BDAT 3\\r\\nabc\"\nS: 250\nC: QUIT\nS: 221\nEND\n", calls: "cut; reset; close"},
		{name: "EHLO between chunks", opts: inPlain(), dialog: greeted + addressed + "R: \"BDAT 3\\r\\nabc\"\nS: 250\nC: EHLO x\nS: 250 \nC: DATA\nS: 503\n", calls: "cut; reset; hello x"},
		{name: "bad BDAT between chunks", opts: inPlain(), dialog: greeted + addressed + "R: \"BDAT 3\\r\\nabc\"\nS: 250\nC: BDAT x\nS: 501\nEND\n", calls: "cut"},
		{name: "chunks too large together", opts: ServerOptions{Mode: ModePlain, MaxSize: 5}, dialog: greeted + addressed + "R: \"BDAT 4\\r\\nabcd\"\nS: 250\nR: \"BDAT 4\\r\\nabcdBDAT 4 LAST\\r\\nabcd\"\nS: 552 5.3.4\nS: 503 5.5.1\n" + quits, calls: "cut"},
	})
}
