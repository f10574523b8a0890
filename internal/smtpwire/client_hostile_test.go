package smtpwire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
)

// The tests of the client show that it has none of the traps that were measured in
// go-smtp's client:
//
//	1  TestMessage A5                    2  TestU9NoStartTLS
//	3  TestU1U2EndlessReplies            4  TestForgetsBeforeTLS: our own name, before and behind STARTTLS
//	5  TestBodyHasDeadline               6  TestAuth and TestExtensions: keywords have no case
//	7  TestSecondMessage, TestContextEndsAtOnce, and the parameters of MAIL in TestSend
//	8  TestNothingBadLeaves
//
// and in go-sasl: 1 LOGIN with any prompt, TestAuth here and TestDialogs of
// relay/smtpd; 2 OAUTHBEARER is not offered, P14; 3 a plain error of a mechanism is
// 501, P14.

// flood writes a prefix once and then the same octets until the client closes.
func flood(t *testing.T, prefix, octets string) *smtpwire.Client {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = far.Close() })
	go func() {
		_, err := io.WriteString(far, prefix)
		block := []byte(strings.Repeat(octets, 1+(64<<10)/len(octets)))
		for err == nil {
			_, err = far.Write(block)
		}
	}()
	c := smtpwire.NewClient(near, smtpwire.ClientOptions{Hello: "relay.example"})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestU1U2EndlessReplies: whatever has no end is cut, and costs next to no memory.
func TestU1U2EndlessReplies(t *testing.T) {
	for name, octets := range map[string][2]string{
		"U1 lines without end":       {"", "220-hello\r\n"},
		"U1 empty lines":             {"", "220-\r\n"},
		"U1 long lines":              {"", "220-" + strings.Repeat("x", 1500) + "\r\n"},
		"U2 a line without end":      {"220 ", "xxxxxxxxxxxxxxxx"},
		"U2 nothing but zero octets": {"", "\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			c := flood(t, octets[0], octets[1])
			runtime.ReadMemStats(&before)
			err := c.Greet(t.Context())
			runtime.ReadMemStats(&after)
			var e *smtpwire.ClientError
			if !errors.As(err, &e) || e.Where != relay.AtConnect || !strings.HasPrefix(e.Reply.Text, "local: protocol") {
				t.Errorf("%v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
				t.Errorf("%d octets were allocated", grown)
			}
		})
	}
}

// TestU6Silence: every wait has its own end, in the time of RFC 5321 §4.5.3.2, and
// single octets do not lengthen it. Time is simulated.
func TestU6Silence(t *testing.T) {
	t.Parallel()
	const ehlo = "250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
	steps := map[string]struct {
		said string // by the server, before it falls silent
		do   func(context.Context, *smtpwire.Client) error
		wait time.Duration
		at   relay.Where
	}{
		"greeting": {"", greet, smtpwire.DefaultGreetingTimeout, relay.AtConnect},
		"EHLO":     {"220 mx\r\n", greetAndHello, smtpwire.DefaultCommandTimeout, relay.AtConnect},
		"STARTTLS": {"220 mx\r\n" + ehlo, startTLS, smtpwire.DefaultCommandTimeout, relay.AtTLS},
		"handshake": {"", func(ctx context.Context, c *smtpwire.Client) error {
			return c.ImplicitTLS(ctx, &tls.Config{ServerName: "mx", MinVersion: tls.VersionTLS12})
		}, smtpwire.DefaultHandshakeTimeout, relay.AtTLS},
		"MAIL":    {"220 mx\r\n" + ehlo, send, smtpwire.DefaultMailTimeout, relay.AtMail},
		"RCPT":    {"220 mx\r\n" + ehlo + "250 ok\r\n", send, smtpwire.DefaultRcptTimeout, relay.AtRcpt},
		"DATA":    {"220 mx\r\n" + ehlo + "250 ok\r\n250 ok\r\n", send, smtpwire.DefaultDataStartTimeout, relay.AtData},
		"the dot": {"220 mx\r\n" + ehlo + "250 ok\r\n250 ok\r\n354 go\r\n", send, smtpwire.DefaultDataEndTimeout, relay.AtAfterDot},
	}
	for name, step := range steps {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			var server sync.WaitGroup
			server.Go(func() { _, _ = io.Copy(io.Discard, far) })
			server.Go(func() { say(far, step.said) })
			defer server.Wait()
			defer far.Close()
			c := smtpwire.NewClient(near, smtpwire.ClientOptions{Hello: "relay.example"})
			defer c.Close()
			start := time.Now()
			err := step.do(t.Context(), c)
			var e *smtpwire.ClientError
			if !errors.As(err, &e) || e.Where != step.at || !strings.HasPrefix(e.Reply.Text, "local: timeout") {
				t.Errorf("%s: %v", name, err)
			}
			// The replies of a script follow a second after each other.
			if took := time.Since(start); took < step.wait || took > step.wait+time.Minute {
				t.Errorf("%s: after %s, want %s", name, took, step.wait)
			}
		})
	}
}

// say writes one line a second, and then single octets for ever.
func say(w io.Writer, lines string) {
	for _, line := range strings.SplitAfter(lines, "\n") {
		<-time.After(time.Second)
		if _, err := io.WriteString(w, line); err != nil {
			return
		}
	}
	for {
		<-time.After(time.Minute)
		if _, err := io.WriteString(w, "2"); err != nil {
			return
		}
	}
}

func greet(ctx context.Context, c *smtpwire.Client) error { return c.Greet(ctx) }

func greetAndHello(ctx context.Context, c *smtpwire.Client) error {
	if err := c.Greet(ctx); err != nil {
		return err
	}
	return c.Hello(ctx)
}

func startTLS(ctx context.Context, c *smtpwire.Client) error {
	if err := greetAndHello(ctx, c); err != nil {
		return err
	}
	return c.StartTLS(ctx, &tls.Config{ServerName: "mx", MinVersion: tls.VersionTLS12})
}

func send(ctx context.Context, c *smtpwire.Client) error {
	if err := greetAndHello(ctx, c); err != nil {
		return err
	}
	_, err := c.Send(ctx, message("a@b.example"))
	return err
}

// TestBodyHasDeadline: a server that stops reading does not hold us (go-smtp's
// client blocks there for ever).
func TestBodyHasDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			_, _ = io.WriteString(far, "220 mx\r\n")
			buf := make([]byte, 1<<10)
			_, _ = far.Read(buf)
			_, _ = io.WriteString(far, "250-mx\r\n250 PIPELINING\r\n")
			_, _ = far.Read(buf)
			_, _ = io.WriteString(far, "250 ok\r\n250 ok\r\n354 go\r\n") // and reads nothing more
		}()
		c := smtpwire.NewClient(near, smtpwire.ClientOptions{Hello: "relay.example"})
		defer c.Close()
		if err := greetAndHello(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		tx := message("a@b.example")
		tx.Body = body(strings.Repeat("all work and no play\r\n", 10000))
		start := time.Now()
		receipt, err := c.Send(t.Context(), tx)
		if err == nil || receipt.DotSent || receipt.Answers[0].Where != relay.AtData {
			t.Errorf("%+v, %v", receipt, err)
		}
		if took := time.Since(start); took > smtpwire.DefaultDataBlockTimeout+time.Minute {
			t.Errorf("after %s", took)
		}
	})
}

// TestU8InjectedBehindStartTLS: what was sent in clear behind the 220 ends the
// connection; nothing of it is ever believed.
func TestU8InjectedBehindStartTLS(t *testing.T) {
	t.Parallel()
	ca := smtpwiretest.NewCA(t)
	s := smtpwiretest.Serve(t, ca.Certificate("mx.example", time.Now().Add(time.Hour)), `
		S: 220 mx.example
		C~ EHLO
		S: 250-mx.example
		S: 250 STARTTLS
		C: STARTTLS
		S<< "220 go\r\n250-injected\r\n250 AUTH PLAIN\r\n"
		end`)
	c := dial(t, s, smtpwire.ClientOptions{})
	if err := greetAndHello(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	err := c.StartTLS(t.Context(), &tls.Config{ServerName: "mx.example", RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12})
	var e *smtpwire.ClientError
	if !errors.As(err, &e) || e.Where != relay.AtTLS || !strings.HasPrefix(e.Reply.Text, "local: protocol") || c.Usable() {
		t.Errorf("%v", err)
	}
}

// TestU9NoStartTLS: without STARTTLS there is no sign-in, whatever is offered
// (go-smtp's client sends the password in clear).
func TestU9NoStartTLS(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(*testing.T, *smtpwire.Client) error{
		"STARTTLS is required": func(t *testing.T, c *smtpwire.Client) error {
			return c.StartTLS(t.Context(), &tls.Config{ServerName: "mx", MinVersion: tls.VersionTLS12})
		},
		"AUTH is called anyway": func(t *testing.T, c *smtpwire.Client) error {
			return c.Auth(t.Context(), smtpwire.PasswordMechanisms("jane", "secret")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := greeted(t, smtpwire.ClientOptions{}, hello+"end")
			err := do(t, c)
			var e *smtpwire.ClientError
			if !errors.As(err, &e) || e.Where != relay.AtTLS || !strings.HasPrefix(e.Reply.Text, "local: starttls missing") {
				t.Errorf("%v", err)
			}
			_ = c.Close()
		})
	}
}

// TestForgetsBeforeTLS: what was offered in clear does not count behind STARTTLS
// (RFC 3207 §4.2).
func TestForgetsBeforeTLS(t *testing.T) {
	t.Parallel()
	ca := smtpwiretest.NewCA(t)
	s := smtpwiretest.Serve(t, ca.Certificate("mx.example", time.Now().Add(time.Hour)), `
		S: 220 mx.example
		C: EHLO relay.example
		S: 250-mx.example
		S: 250-AUTH PLAIN
		S: 250-PIPELINING
		S: 250 STARTTLS
		C: STARTTLS
		S: 220 go
		tls
		C: EHLO relay.example
		S: 250-mx.example
		S: 250 8BITMIME
		end`)
	c := dial(t, s, smtpwire.ClientOptions{})
	if err := greetAndHello(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{ServerName: "mx.example", RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	if err := c.StartTLS(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if e := c.Extensions(); e.Pipelining || len(e.Auth) > 0 {
		t.Errorf("still known behind the handshake: %+v", e)
	}
	if err := c.Hello(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := c.Extensions(); e.Pipelining || len(e.Auth) > 0 || !e.EightBitMIME || !strings.HasPrefix(c.TLSText(), "TLS 1.3 TLS_") {
		t.Errorf("%+v %q", e, c.TLSText())
	}
	_ = c.Close()
}

// TestU10Certificates: each kind of bad TLS has its own words, and ends the
// connection.
func TestU10Certificates(t *testing.T) {
	t.Parallel()
	good, stranger := smtpwiretest.NewCA(t), smtpwiretest.NewCA(t)
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, c := range map[string]struct {
		cert   *tls.Certificate
		change func(*tls.Config)
		want   string
	}{
		"wrong name":    {good.Certificate("other.example", later), nil, "local: certificate name mismatch: it is for other.example, not for mx.example"},
		"expired":       {good.Certificate("mx.example", earlier), nil, "local: certificate expired or not yet valid"},
		"self-signed":   {stranger.Certificate("mx.example", later), nil, "local: certificate signed by an unknown authority"},
		"TLS 1.0":       {good.Certificate("mx.example", later), func(c *tls.Config) { c.MaxVersion = tls.VersionTLS10 }, "local: handshake remote error: tls: protocol version not supported"},
		"no TLS at all": {nil, nil, "local: handshake "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := "tls fails"
			if c.cert == nil {
				script = "S: 220 this is no TLS\nsilence"
			}
			s := smtpwiretest.Serve(t, c.cert, script)
			if c.change != nil {
				s.TLSConfig(c.change)
			}
			client := dial(t, s, smtpwire.ClientOptions{})
			err := client.ImplicitTLS(t.Context(), &tls.Config{ServerName: "mx.example", RootCAs: good.Pool(), MinVersion: tls.VersionTLS12})
			var e *smtpwire.ClientError
			if !errors.As(err, &e) || e.Where != relay.AtTLS || !strings.HasPrefix(e.Reply.Text, c.want) || client.Usable() {
				t.Errorf("%v", err)
			}
			_ = client.Close()
		})
	}
}
