package smtpwire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
)

// body is content in memory that is read like a file.
type body string

func (b body) Size() int64       { return int64(len(b)) }
func (b body) Reader() io.Reader { return struct{ io.Reader }{strings.NewReader(string(b))} }

// hello is the beginning of a dialogue with all extensions but STARTTLS.
const hello = `
	S: 220 mx.example ESMTP
	C: EHLO relay.example
	S: 250-mx.example
	S: 250-PIPELINING
	S: 250-SIZE 1000000
	S: 250-8BITMIME
	S: 250-SMTPUTF8
	S: 250-DSN
	S: 250-AUTH PLAIN LOGIN
	S: 250 ENHANCEDSTATUSCODES
`

// chunking is the same with CHUNKING.
var chunking = strings.Replace(hello, "S: 250-DSN", "S: 250-DSN\n\tS: 250-CHUNKING", 1)

// bare offers nothing.
const bare = `
	S: 220 mx.example
	C: EHLO relay.example
	S: 250 mx.example
`

const bye = `
	C: QUIT
	S: 221 2.0.0 bye
	end
`

func dial(t *testing.T, s *smtpwiretest.Server, o smtpwire.ClientOptions) *smtpwire.Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if o.Hello == "" {
		o.Hello = "relay.example"
	}
	c := smtpwire.NewClient(conn, o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// greeted is a client behind EHLO.
func greeted(t *testing.T, o smtpwire.ClientOptions, scripts ...string) *smtpwire.Client {
	t.Helper()
	c := dial(t, smtpwiretest.Serve(t, nil, scripts...), o)
	if err := errors.Join(c.Greet(t.Context()), c.Hello(t.Context())); err != nil {
		t.Fatal(err)
	}
	return c
}

func rcpts(list ...string) []relay.Recipient {
	var out []relay.Recipient
	for _, a := range list {
		i := strings.LastIndexByte(a, '@')
		out = append(out, relay.Recipient{Address: relay.Address{Local: a[:i], Domain: a[i+1:]}})
	}
	return out
}

func message(to ...string) *smtpwire.Transaction {
	return &smtpwire.Transaction{
		From: relay.Address{Local: "jane", Domain: "a.example"}, Recipients: rcpts(to...), Body: body("Subject: x\r\n\r\nhi\r\n"),
	}
}

// outcome writes a receipt so that a table can hold it.
func outcome(r smtpwire.Receipt) string {
	var words []string
	for _, a := range r.Answers {
		switch {
		case a.Accepted:
			words = append(words, "ok")
		case a.Final:
			words = append(words, "never "+a.Reply.Enhanced.String())
		default:
			words = append(words, string(a.Where)+" "+a.Reply.String())
		}
	}
	return strings.Join(words, " | ")
}

// brokenBody fails in the middle.
type brokenBody struct{ body }

var errDisk = errors.New("the disk is gone")

func (b brokenBody) Reader() io.Reader {
	return io.MultiReader(strings.NewReader(string(b.body)), errReader{})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errDisk }

const upToData = `
	C~ MAIL
	C~ RCPT
	C: DATA
	S: 250 ok
	S: 250 ok
	S: 354 go
`

// TestNoDotAfterBrokenSource: half a message is never completed.
func TestNoDotAfterBrokenSource(t *testing.T) {
	t.Parallel()
	c := greeted(t, smtpwire.ClientOptions{}, hello+upToData+"end")
	tx := message("a@b.example")
	tx.Body = brokenBody{"Subject: x\r\n\r\nhalf"}
	receipt, err := c.Send(t.Context(), tx)
	if !errors.Is(err, errDisk) || receipt.DotSent || receipt.Answers[0].Accepted {
		t.Errorf("%+v, %v", receipt, err)
	}
}

// shortBody ends before its size.
type shortBody struct{ body }

func (b shortBody) Size() int64 { return b.body.Size() + 1 }

// TestNoDotAfterShortSource: a spool file that lost its end is no message.
func TestNoDotAfterShortSource(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{"DATA": hello + upToData + "end", "one flight": chunking + "end"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := greeted(t, smtpwire.ClientOptions{}, script)
			tx := message("a@b.example")
			tx.Body = shortBody{"Subject: x\r\n\r\nhi\r\n"}
			receipt, err := c.Send(t.Context(), tx)
			if err == nil || receipt.DotSent || receipt.Answers[0].Accepted || receipt.Answers[0].Final {
				t.Errorf("%+v, %v", receipt, err)
			}
		})
	}
}

// TestBeforeDot: it is asked with those who were accepted, before anything of a
// small content leaves, and its no is final.
func TestBeforeDot(t *testing.T) {
	t.Parallel()
	no := errors.New("not recorded")
	for name, script := range map[string]string{"DATA": hello + upToData + "end", "one flight": chunking + "end"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := greeted(t, smtpwire.ClientOptions{}, script)
			tx := message("a@b.example")
			var asked []int
			tx.BeforeDot = func(_ context.Context, recipients []int) error {
				asked = append(asked, recipients...)
				return no
			}
			receipt, err := c.Send(t.Context(), tx)
			if !errors.Is(err, no) || receipt.DotSent || len(asked) != 1 || asked[0] != 0 {
				t.Errorf("%+v, %v, asked %v", receipt, err, asked)
			}
			if got := receipt.Answers[0].Reply.String(); !strings.HasPrefix(got, "local: connection lost") {
				t.Error(got)
			}
		})
	}
}

// TestOneFlightOnlyWhenFresh: behind a silence a complete message is not risked.
func TestOneFlightOnlyWhenFresh(t *testing.T) {
	t.Parallel()
	c := greeted(t, smtpwire.ClientOptions{OneFlightIdle: time.Nanosecond}, chunking+upToData+`
		C: Subject: x
		C:
		C: hi
		C: .
		S: 250 ok`)
	if receipt, err := c.Send(t.Context(), message("a@b.example")); err != nil || receipt.Err() != nil {
		t.Error(receipt, err)
	}
}

// cutConn loses the connection at the write after so many.
type cutConn struct {
	*net.TCPConn
	left int
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.left--; c.left < 0 {
		return 0, syscall.EPIPE
	}
	return c.TCPConn.Write(p)
}

// TestOneFlightCutOff: a write that failed may have sent everything, so nobody says
// that the connection was lost before the dot.
func TestOneFlightCutOff(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", smtpwiretest.Serve(t, nil, chunking).Addr)
	if err != nil {
		t.Fatal(err)
	}
	c := smtpwire.NewClient(&cutConn{conn.(*net.TCPConn), 1}, smtpwire.ClientOptions{Hello: "relay.example"})
	defer c.Close()
	if err := greetAndHello(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	receipt, err := c.Send(t.Context(), message("a@b.example"))
	if got := outcome(receipt); err == nil || !receipt.DotSent || got != "after_dot local: reset after the final dot" {
		t.Errorf("%s, %v", got, err)
	}
}

// TestManyRecipients: the answers are read before there are too many of them.
func TestManyRecipients(t *testing.T) {
	t.Parallel()
	script := hello + "C~ MAIL\n" + strings.Repeat("C~ RCPT\n", 100) + strings.Repeat("S: 250 ok\n", 101) +
		strings.Repeat("C~ RCPT\n", 50) + "C: DATA\n" + strings.Repeat("S: 250 ok\n", 50) + `S: 354 go
		C: Subject: x
		C:
		C: hi
		C: .
		S: 250 ok`
	c := greeted(t, smtpwire.ClientOptions{}, script)
	var to []string
	for range 150 {
		to = append(to, "a@b.example")
	}
	if receipt, err := c.Send(t.Context(), message(to...)); err != nil || receipt.Err() != nil {
		t.Error(receipt.Err(), err)
	}
}

// TestSecondMessage: after a 250 the next MAIL follows at once, without RSET or
// another EHLO.
func TestSecondMessage(t *testing.T) {
	t.Parallel()
	one := upToData + `
		C: Subject: x
		C:
		C: hi
		C: .
		S: 250 ok
	`
	c := greeted(t, smtpwire.ClientOptions{}, hello+one+one+bye)
	for range 2 {
		if receipt, err := c.Send(t.Context(), message("a@b.example")); err != nil || receipt.Err() != nil {
			t.Fatal(receipt, err)
		}
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestContextEndsAtOnce: in every step a context ends the wait, and the error says
// why.
func TestContextEndsAtOnce(t *testing.T) {
	t.Parallel()
	why := errors.New("parked")
	for name, c := range map[string]struct {
		script string
		step   func(context.Context, *smtpwire.Client) error
	}{
		"greeting": {"silence", func(ctx context.Context, c *smtpwire.Client) error { return c.Greet(ctx) }},
		"EHLO":     {"silence", func(ctx context.Context, c *smtpwire.Client) error { return c.Hello(ctx) }},
		"handshake": {"silence", func(ctx context.Context, c *smtpwire.Client) error {
			return c.ImplicitTLS(ctx, &tls.Config{ServerName: "x", MinVersion: tls.VersionTLS12})
		}},
		"QUIT": {"silence", func(ctx context.Context, c *smtpwire.Client) error { return c.Quit(ctx) }},
		"MAIL": {"silence", func(ctx context.Context, c *smtpwire.Client) error {
			_, err := c.Send(ctx, message("a@b.example"))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := dial(t, smtpwiretest.Serve(t, nil, c.script), smtpwire.ClientOptions{})
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(20*time.Millisecond, func() { cancel(why) })
			start := time.Now()
			err := c.step(ctx, client)
			if !errors.Is(err, why) || time.Since(start) > 5*time.Second || client.Usable() {
				t.Errorf("after %s: %v", time.Since(start), err)
			}
			if err := client.Hello(t.Context()); err == nil {
				t.Error("the broken connection took another command")
			}
		})
	}
}
