package smtpd

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/smtpwire/wiretest"
)

// foreign puts go-smtp's own server over the sessions of a listener.
func foreign(t *testing.T, w *world, listener string) *wiretest.Client {
	t.Helper()
	backend, err := w.server.Backend(t.Context(), listener)
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(backend)
	s.Domain, s.TLSConfig, s.EnableSMTPUTF8, s.EnableDSN = "relay.example", w.keeper.Server(), true, true
	s.ReadTimeout, s.WriteTimeout = time.Second, time.Second
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		// Close would end the sessions from beside the commands that run in them.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), <-ended); err != nil {
			t.Error(err)
		}
	})
	return wiretest.Dial(t, ln.Addr().String())
}

// TestBackendUnderGoSMTP shows that the sessions keep their promises under a
// stranger's engine, with that engine's traps.
func TestBackendUnderGoSMTP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, listener, dialog string
		heard                  string
		never                  string
	}{
		{name: "one message", listener: "submission", dialog: strings.Replace(signedIn, "S: 235 2.7.0", "S: 235", 1) + envelope + content + queued + "\n" + "C: QUIT\nS: 221\nEND\n", heard: `accept s1 ESMTPSA "crm.example"`},
		{name: "wrong password", listener: "submission", dialog: toTLS + "C: AUTH PLAIN AGFwcAB3cm9uZw==\nS: 535 5.7.8\n"},
		{name: "malformed response", listener: "submission", dialog: toTLS + "C: AUTH PLAIN YXBw\nS: 501 5.5.2\n"},
		{name: "no login", listener: "submission", dialog: toTLS + "C: MAIL FROM:<jane@acme.example>\nS: 530 5.7.0\n", never: "sender"},
		{name: "sender not allowed", listener: "devices", dialog: inClear + "C: MAIL FROM:<ceo@corp.example>\nS: 550 5.7.1 You may not send as\n"},
		{name: "A4 quoted again", listener: "devices", dialog: inClear + "C: MAIL FROM:<\"jane@evil.example\"@acme.example>\nS: 250\n", heard: `sender "jane@evil.example"@acme.example as printer`},
		{name: "A5 command in a quoted part", listener: "devices", dialog: inClear + "C: MAIL FROM:<\"ceo@corp.example> X\"@acme.example>\nS: 553\n", never: "sender"},
		{name: "A6 NUL", listener: "devices", dialog: inClear + "R: \"MAIL FROM:<a\\x00@b.example>\\r\\n\"\nS: 553\n", never: "sender"},
		{name: "bare LF in the body", listener: "devices", dialog: inClear + envelope + "C: DATA\nS: 354\nR: \"a\\nb\\r\\n.\\r\\n\"\nS: 554 5.6.0\n", never: "accept"},
		{name: "cut off in DATA", listener: "devices", dialog: inClear + envelope + "C: DATA\nS: 354\nC: half\nSHUT\nEND\n", never: "accept"},
		{name: "trap 2: the rest of a body after a timeout", listener: "devices", dialog: inClear + envelope + "C: DATA\nS: 354\nC: half\nEND\n", never: "accept"},
		{name: "trap 4: a fault is temporary", listener: "devices", dialog: inClear + "C: MAIL FROM:<fault@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content + "S: 451 4.3.0 Local error\nS- spool\n"},
		{name: "G2 a failed flush has no answer", listener: "devices", dialog: inClear + "C: MAIL FROM:<flush@acme.example>\nS: 250\nC: RCPT TO:<bob@world.example>\nS: 250\n" + content + "END\n"},
		{name: "DSN", listener: "devices", dialog: inClear + "C: MAIL FROM:<jane@acme.example> RET=HDRS ENVID=a BODY=8BITMIME\nS: 250\nC: RCPT TO:<bob@world.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y.example\nS: 250\n" + content + queued + "\n", heard: "[{bob@world.example 10 RFC822;x@y.example}]"},
		{name: "RSET", listener: "devices", dialog: inClear + envelope + "C: RSET\nS: 250\n" + envelope + content + queued + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			foreign(t, w, tt.listener).Run(tt.dialog)
			if tt.heard != "" {
				w.await(t, tt.heard)
			}
			if text := w.text(); tt.never != "" && strings.Contains(text, tt.never) {
				t.Errorf("there is %q in:\n%s", tt.never, text)
			}
		})
	}
}

func TestBackendOfNoListener(t *testing.T) {
	t.Parallel()
	if _, err := start(t, nil).server.Backend(t.Context(), "none"); err == nil {
		t.Error("there was a backend")
	}
}
