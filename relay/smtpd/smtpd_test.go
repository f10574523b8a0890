package smtpd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

const (
	toTLS    = "S: 220 relay.example ESMTP\nC: EHLO crm.example\nS: 250 \nC: STARTTLS\nS: 220\nTLS\nC: EHLO crm.example\nS: 250 \n"
	plainOK  = "C: AUTH PLAIN AGFwcABzZWNyZXQ=\nS: 235 2.7.0\n" // \0app\0secret
	signedIn = toTLS + plainOK
	inClear  = "S: 220\nC: EHLO printer.example\nS: 250 \n"
	envelope = "C: MAIL FROM:<jane@acme.example>\nS: 250 2.\nC: RCPT TO:<bob@world.example>\nS: 250 2.\n"
	content  = "C: DATA\nS: 354\nR: \"From: jane@acme.example\\r\\n\\r\\nHello\\r\\n.\\r\\n\"\n"
	queued   = "S: 250 2.0.0 queued as 1440e0"
	quits    = "C: QUIT\nS: 221 2.0.0\nEND\n"
)

func TestDialogs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, listener, dialog string
		heard                  []string
		never                  string
	}{
		{name: "STARTTLS, PLAIN, one message", listener: "submission", dialog: signedIn + envelope + content + queued + "\n" + quits,
			heard: []string{"opened submission", "signed in s1 app", "sender jane@acme.example as s1", `accept s1 ESMTPSA "crm.example" from jane@acme.example`, "of 34 octets", "acknowledged", "closed submission: <nil>"}},
		{name: "implicit TLS, LOGIN", listener: "submissions", dialog: "TLS\nS: 220\nC: EHLO crm.example\nS: 250 \nS+ AUTH PLAIN LOGIN\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YXBw\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235\n" + envelope + content + queued + "\n" + quits,
			heard: []string{"signed in s1 app", "ESMTPSA"}},
		{name: "LOGIN with the login at once", listener: "submission", dialog: toTLS + "C: AUTH LOGIN YXBw\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235\n"},
		{name: "LOGIN cancelled", listener: "submission", dialog: toTLS + "C: AUTH LOGIN\nS: 334\nC: *\nS: 501 5.7.0\nC: AUTH LOGIN YXBw\nS: 334\nC: !!\nS: 501 5.5.2\n"},
		{name: "the login as identity", listener: "submission", dialog: toTLS + "C: AUTH PLAIN YXBwAGFwcABzZWNyZXQ=\nS: 235\n"},
		{name: "B5 another identity", listener: "submission", dialog: toTLS + "C: AUTH PLAIN Y2VvAGFwcABzZWNyZXQ=\nS: 535 5.7.8 Authentication credentials invalid\nC: MAIL FROM:<jane@acme.example>\nS: 530\n", heard: []string{`sign-in failed "app"`}, never: "signed in"},
		{name: "wrong password", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AGFwcAB3cm9uZw==\nS: 535 5.7.8 Authentication credentials invalid\n", heard: []string{`sign-in failed "app"`}, never: "wrong"},
		{name: "P14 one field", listener: "submission", dialog: toTLS + "C: AUTH PLAIN YXBw\nS: 501 5.5.2\n"},
		{name: "P14 two fields", listener: "submission", dialog: toTLS + "C: AUTH PLAIN YXBwAHNlY3JldA==\nS: 501 5.5.2\n"},
		{name: "P14 NUL in the password", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AGFwcABzZQBjcmV0\nS: 501 5.5.2\n"},
		{name: "endless login", listener: "submission", dialog: toTLS + "C: AUTH LOGIN " + strings.Repeat("QUFB", 200) + "\nS: 334\nC: QUFB\nS: 535 5.7.8\n"},
		{name: "fault of the directory", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AGZhdWx0AHg=\nS: 451 4.3.0\nS- /var\n"},
		{name: "unknown state of the directory", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AHVua25vd24AeA==\nEND\n"},
		{name: "G9 sender not allowed", listener: "submission", dialog: signedIn + "C: MAIL FROM:<ceo@corp.example>\nS: 550 5.7.1 You may not send as ceo@corp.example\n", heard: []string{`refused "s1" ceo@corp.example: 550 5.7.1`}},
		{name: "G9 a sign-in that counts no more", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AGxlYXZlcgBzZWNyZXQ=\nS: 235\nC: MAIL FROM:<jane@acme.example>\nS: 421 4.7.0 Sign in again\nEND\n",
			heard: []string{"signed in gone leaver", `refused "gone" jane@acme.example: 421 4.7.0`}, never: "sender"},
		{name: "what the engine refuses by itself is seen", listener: "submission", dialog: signedIn + "C: MAIL FROM:<jane@acme.example> SIZE=99999999999\nS: 552 5.3.4\nC: MAIL FROM:<jane@acme.example> FOO=1\nS: 555 5.5.4\n" +
			"C: MAIL FROM:<jane@acme.example>\nS: 250\nC: RCPT TO:<bob@@world.example>\nS: 553 5.1.3\n",
			heard: []string{`refused "s1" : 552 5.3.4`, `refused "s1" : 555 5.5.4`, `refused "s1" jane@acme.example: 553 5.1.3`}},
		{name: "R7 no room", listener: "submission", dialog: signedIn + "C: MAIL FROM:<jane@acme.example> SIZE=4242\nS: 452 4.3.1\n"},
		{name: "A7 address literals", listener: "submission", dialog: signedIn + "C: MAIL FROM:<jane@[127.0.0.1]>\nS: 553 5.1.3\nC: MAIL FROM:<jane@acme.example>\nS: 250\nC: RCPT TO:<a@[169.254.169.254]>\nS: 553\nC: RCPT TO:<a@[IPv6:::1]>\nS: 553\n"},
		{name: "A8 null sender goes to the acceptor", listener: "submission", dialog: signedIn + "C: MAIL FROM:<>\nS: 250\n", heard: []string{"sender  as s1"}},
		{name: "G2 a failed flush has no answer", listener: "submission", dialog: signedIn + "C: MAIL FROM:<flush@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content + "END\n", never: "acknowledged"},
		{name: "G2 a fault is 451", listener: "submission", dialog: signedIn + "C: MAIL FROM:<fault@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content + "S: 451 4.3.0 Local error\nS- spool\n", heard: []string{"input/output error"}},
		{name: "bad content", listener: "submission", dialog: signedIn + envelope + "C: DATA\nS: 354\nR: \"a\\nb\\r\\n.\\r\\n\"\nS: 554 5.6.0\nEND\n", heard: []string{`refused "s1" jane@acme.example: 554 5.6.0`}, never: "accept"},
		{name: "SMTPUTF8", listener: "submission", dialog: signedIn + "C: MAIL FROM:<jané@acme.example> SMTPUTF8\nS: 250\nC: RCPT TO:<bob@bücher.example>\nS: 250\n" + content + queued + "\n" + quits, heard: []string{"UTF8SMTPSA", "[{bob@xn--bcher-kva.example 0 }]"}},
		{name: "a device", listener: "devices", dialog: inClear + "S- AUTH\nS- STARTTLS\n" + envelope + content + queued + "\n" + quits, heard: []string{`accept printer ESMTP "printer.example"`}},
		{name: "an old device", listener: "devices", dialog: "S: 220\nC: HELO printer\nS: 250\n" + envelope + content + queued + "\n" + quits, heard: []string{`accept printer SMTP "printer"`}},
		{name: "a device whose submitter is gone", listener: "gone", dialog: inClear + "C: MAIL FROM:<jane@acme.example>\nS: 550 5.7.1\n"},
		{name: "another network", listener: "elsewhere", dialog: "S: 554 5.7.1\nEND\n", heard: []string{"refused at elsewhere: network"}, never: "opened elsewhere"},
		{name: "no TLS, nothing", listener: "submission", dialog: "S: 220\nC: EHLO x\nS: 250 \nC: MAIL FROM:<jane@acme.example>\nS: 530 5.7.0\n" + quits, never: "sender"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			c := w.dial(tt.listener)
			c.Run(tt.dialog)
			c.Conn().Close()
			for _, want := range tt.heard {
				w.await(t, want)
			}
			if tt.listener != "elsewhere" {
				w.await(t, "closed "+tt.listener)
			}
			if text := w.text(); tt.never != "" && strings.Contains(text, tt.never) {
				t.Errorf("there is %q in:\n%s", tt.never, text)
			}
			if text := w.text(); strings.Contains(text, "secret") || strings.Contains(text, "c2VjcmV0") {
				t.Errorf("B6: the password was shown to the observer:\n%s", text)
			}
		})
	}
}

func TestR5Connections(t *testing.T) {
	t.Parallel()
	t.Run("in all", func(t *testing.T) {
		t.Parallel()
		w := start(t, func(o *Options) { o.MaxConnections = 2 })
		one, two := w.dial("submission"), w.dial("devices")
		one.Run("S: 220\n")
		two.Run("S: 220\n")
		w.dial("devices").Run("S: 421 4.7.0\nEND\n")
		w.dial("submissions").Run("END\n")
		one.Run(quits)
		w.await(t, "closed submission: <nil>")
		w.dial("devices").Run("S: 220\n")
		w.await(t, "refused at devices: connections")
	})
	t.Run("per address", func(t *testing.T) {
		t.Parallel()
		w := start(t, func(o *Options) { o.MaxConnectionsPerAddress = 1 })
		w.dial("devices").Run("S: 220\n")
		w.dial("devices").Run("S: 421 4.7.0\nEND\n")
		other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		conn, err := other.Dial("tcp", w.server.Addr("devices").String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		greeting := make([]byte, 4)
		if _, err := conn.Read(greeting); err != nil || string(greeting) != "220 " {
			t.Errorf("another address was told %q, %v", greeting, err)
		}
	})
	t.Run("per submitter", func(t *testing.T) {
		t.Parallel()
		w := start(t, func(o *Options) { o.MaxConnectionsPerSubmitter = 1 })
		one := w.dial("submission")
		one.Run(signedIn)
		w.dial("submission").Run(toTLS + "C: AUTH PLAIN AGFwcABzZWNyZXQ=\nS: 421 4.7.0\nEND\n")
		one.Run(quits)
		w.await(t, "closed submission: <nil>")
		w.dial("submission").Run(signedIn)
	})
}

// renamedAuth gives the submitter of a plaintext listener another id each time, as if
// it were deleted and made again under the same login.
type renamedAuth struct {
	fakeAuth
	asked int
}

func (a *renamedAuth) BySubmitterID(context.Context, relay.Client, string) (*relay.Submitter, error) {
	a.asked++
	return &relay.Submitter{ID: fmt.Sprint("printer", a.asked)}, nil
}

// TestSubmittersAreCountedByWhoTheyAre: what a connection is counted for is given
// back, whoever it is meanwhile.
func TestSubmittersAreCountedByWhoTheyAre(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.server.opts.Authenticator = &renamedAuth{fakeAuth: fakeAuth{w.journal}}
	device := w.server.newSession(&w.server.ports[2].Listener, relay.Client{})
	for range 2 {
		if err := device.Mail(t.Context(), smtpwire.Sender{Address: relay.Address{Local: "jane", Domain: "acme.example"}}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.server.limits.bySubmitter; len(got) != 1 || got["printer2"] != 1 {
		t.Errorf("counted: %v", got)
	}
	device.Close()
	if got := w.server.limits.bySubmitter; len(got) != 0 {
		t.Errorf("still counted: %v", got)
	}
}

func TestNetworkOfAClient(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
	} {
		if got := network(netip.MustParseAddr(in)); got.String() != want {
			t.Errorf("network(%s) = %s; want %s", in, got, want)
		}
	}
}

// TestDrain is the end of the program: idle clients are told at once, a running
// transaction ends with its 250, and Run returns nil.
func TestDrain(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	idle, clear, busy := w.dial("submission"), w.dial("submission"), w.dial("devices")
	idle.Run(signedIn)
	clear.Run("S: 220\n")
	busy.Run(inClear + "C: MAIL FROM:<slow@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content)
	w.await(t, "holding")
	w.stop()
	idle.Run("S: 421 4.3.2\nEND\n")
	clear.Run("S: 421 4.3.2\nEND\n")
	if _, err := net.Dial("tcp", w.server.Addr("devices").String()); err == nil {
		t.Error("a new connection was taken")
	}
	close(w.acceptor.holding)
	busy.Run(queued + "\nS: 421 4.3.2\nEND\n")
	if err := w.wait(); err != nil {
		t.Errorf("Run = %v", err)
	}
	w.await(t, "closed devices: <nil>")
}

func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *Options) { o.DrainTimeout = 50 * time.Millisecond })
	busy := w.dial("devices")
	busy.Run(inClear + "C: MAIL FROM:<slow@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content)
	w.await(t, "holding")
	w.stop()
	if err := w.wait(); err != nil {
		t.Errorf("Run = %v", err)
	}
	// Whatever the client hears, it is not that the message was taken.
	last, err := io.ReadAll(busy.Conn())
	if err != nil && !errors.Is(err, syscall.ECONNRESET) || strings.Contains(string(last), "250") {
		t.Errorf("the client heard %q, %v", last, err)
	}
}

func TestAFailingListenerEndsRun(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.dial("devices").Run("S: 220\n")
	w.server.ports[0].ln.Close()
	err := w.wait()
	if err == nil || !strings.Contains(err.Error(), "listener submission") {
		t.Errorf("Run = %v", err)
	}
	<-w.done
	w.done <- nil // it was expected
}

func TestCertificateIsSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	renew := func() {
		cert, key, err := tlsconf.SelfSigned([]string{"relay.example"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"crt": cert, "key": key} {
			if err := os.WriteFile(file(name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	renew()
	keeper, err := tlsconf.Open(tlsconf.Options{CertFile: file("crt"), KeyFile: file("key")})
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, func(o *Options) { o.TLS = keeper.Server() })
	old := w.dial("submission")
	old.Run(signedIn)
	before := w.issued()
	renew()
	if err := keeper.Reload(); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, w.issued()) {
		t.Error("a new client still sees the old certificate")
	}
	old.Run("C: NOOP\nS: 250\n")
}

// TestNoSessionTickets asks the server itself: golang/go issue 70232.
func TestNoSessionTickets(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *Options) {
		o.TLS = o.TLS.Clone()
		o.TLS.SessionTicketsDisabled = false
	})
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		cfg := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "relay.example"} //nolint:gosec // a test client
		conn, err := tls.Dial("tcp", w.server.Addr("submissions").String(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		// Reading lets a ticket of TLS 1.3 arrive.
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if conn.ConnectionState().DidResume {
			t.Error("the session was resumed")
		}
		conn.Close()
	}
	if _, found := cache.Get("relay.example"); found {
		t.Error("the server gave out a ticket")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() Options {
		j := newJournal()
		return Options{Hostname: "relay.example", TLS: &tls.Config{}, Authenticator: fakeAuth{j}, Acceptor: &fakeAcceptor{journal: j}, //nolint:gosec // never served
			Listeners: []Listener{{Name: "a", Address: "127.0.0.1:0", Mode: smtpwire.ModeStartTLS}}}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Options){
		"no host name":            func(o *Options) { o.Hostname = "" },
		"no acceptor":             func(o *Options) { o.Acceptor = nil },
		"no authenticator":        func(o *Options) { o.Authenticator = nil },
		"no listener":             func(o *Options) { o.Listeners = nil },
		"unknown mode":            func(o *Options) { o.Listeners[0].Mode = "tls" },
		"no TLS settings":         func(o *Options) { o.TLS = nil },
		"plaintext for everybody": func(o *Options) { o.Listeners[0].Mode = smtpwire.ModePlain; o.Listeners[0].Submitter = "s" },
		"plaintext without a name": func(o *Options) {
			o.Listeners[0].Mode = smtpwire.ModePlain
			o.Listeners[0].Networks = []netip.Prefix{{}}
		},
		"submitter under AUTH": func(o *Options) { o.Listeners[0].Submitter = "s" },
	} {
		o := good()
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestListenNamesTheListener(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	j := newJournal()
	s, err := New(Options{Hostname: "relay.example", TLS: w.keeper.Server(), Authenticator: fakeAuth{j}, Acceptor: &fakeAcceptor{journal: j},
		Listeners: []Listener{{Name: "free", Address: "127.0.0.1:0", Mode: smtpwire.ModeStartTLS}, {Name: "taken", Address: w.server.Addr("devices").String(), Mode: smtpwire.ModeStartTLS}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "listener taken") {
		t.Errorf("Listen = %v", err)
	}
	if s.Addr("free") != nil {
		t.Error("the other listener stayed open")
	}
}
