package smtpwire_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
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

// TestSend holds the dialogues of a transaction: one row is one script, and what
// becomes of each recipient. Content is "Subject: x", an empty line and "hi".
func TestSend(t *testing.T) {
	t.Parallel()
	const content = "\n\tC: Subject: x\n\tC: \n\tC: hi\n"
	for name, c := range map[string]struct {
		script string
		change func(*smtpwire.Transaction)
		want   string
		broken bool
	}{
		"one flight up to DATA": {script: hello + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example>
			C: RCPT TO:<c@d.example>
			C: DATA
			S: 250 2.1.0 ok
			S: 250 2.1.5 ok
			S: 250 2.1.5 ok
			S: 354 go` + content + `
			C: .
			S: 250 2.0.0 queued` + bye, want: "ok | ok"},
		"one recipient refused": {script: hello + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example>
			C: RCPT TO:<c@d.example>
			C: DATA
			S: 250 2.1.0 ok
			S: 550 5.1.1 no such user
			S: 250 2.1.5 ok
			S: 354 go` + content + `
			C: .
			S: 250 2.0.0 queued` + bye, want: "rcpt 550 5.1.1 no such user | ok"},
		"all refused, DATA refused": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 2.1.0 ok
			S: 550 5.1.1 no such user
			S: 451 4.7.1 later
			S: 554 5.5.1 no valid recipients
			C: RSET
			S: 250 2.0.0 ok` + bye, want: "rcpt 550 5.1.1 no such user | rcpt 451 4.7.1 later"},
		"all refused, DATA accepted: no dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 550 no
			S: 550 no
			S: 354 go
			end`, want: "rcpt 550 no | rcpt 550 no", broken: true},
		"MAIL refused": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 550 5.7.1 not you
			S: 503 5.5.1 MAIL first
			S: 503 5.5.1 MAIL first
			S: 503 5.5.1 RCPT first` + bye, want: "mail 550 5.7.1 not you | mail 550 5.7.1 not you"},
		"DATA refused": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 550 no
			S: 451 4.3.0 busy
			C: RSET
			S: 250 ok` + bye, want: "data 451 4.3.0 busy | rcpt 550 no"},
		"no PIPELINING": {script: bare + `
			C: MAIL FROM:<jane@a.example>
			S: 250 ok
			C: RCPT TO:<a@b.example>
			S: 250 ok
			C: RCPT TO:<c@d.example>
			S: 452 4.5.3 too many
			C: DATA
			S: 354 go` + content + `
			C: .
			S: 250 queued` + bye, want: "ok | rcpt 452 4.5.3 too many"},
		"no PIPELINING, MAIL refused": {script: bare + `
			C~ MAIL
			S: 450 4.2.0 later` + bye, want: "mail 450 4.2.0 later | mail 450 4.2.0 later"},
		"no PIPELINING, nobody accepted": {script: bare + `
			C~ MAIL
			S: 250 ok
			C~ RCPT
			S: 550 no
			C~ RCPT
			S: 550 no
			C: RSET
			S: 250 ok` + bye, want: "rcpt 550 no | rcpt 550 no"},
		"refused after the dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 550-5.7.1 this is
			S: 550 5.7.1 spam` + bye, want: "after_dot 550 5.7.1 this is spam | after_dot 550 5.7.1 this is spam"},
		"whole in one flight": {script: chunking + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example>
			C: RCPT TO:<c@d.example>
			C: BDAT 18 LAST` + content + `
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 250 2.0.0 queued` + bye, want: "ok | ok"},
		"one flight, one refused": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content + `
			S: 250 ok
			S: 550 no
			S: 250 ok
			S: 250 2.0.0 queued` + bye, want: "rcpt 550 no | ok"},
		"one flight, all refused: nothing is committed": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content + `
			S: 250 ok
			S: 550 no
			S: 551 no
			S: 503 5.5.1 no recipients
			C: RSET
			S: 250 ok` + bye, want: "rcpt 550 no | rcpt 551 no"},
		"one flight, MAIL refused": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content + `
			S: 452 4.3.1 full
			S: 503 no
			S: 503 no
			S: 503 no` + bye, want: "mail 452 4.3.1 full | mail 452 4.3.1 full"},
		"one flight, BDAT refused": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content + `
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 554 5.6.0 no
			C: RSET
			S: 250 ok` + bye, want: "after_dot 554 5.6.0 no | after_dot 554 5.6.0 no"},
		"one flight, closed without a word": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content, want: "after_dot local: connection lost after the final dot | after_dot local: connection lost after the final dot", broken: true},
		"one flight, closed after RCPT": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + content + `
			S: 250 ok
			S: 550 no`, want: "rcpt 550 no | after_dot local: connection lost after the final dot", broken: true},
		"U11: 421 after the 354": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 421 4.3.2 closing`, want: "after_dot 421 4.3.2 closing | after_dot 421 4.3.2 closing", broken: true},
		"U11: closed after the dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .`, want: "after_dot local: connection lost after the final dot | after_dot local: connection lost after the final dot", broken: true},
		"no SMTP after the dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 999 what`, want: "after_dot local: protocol not an SMTP reply: \"999 what\" | after_dot local: protocol not an SMTP reply: \"999 what\"", broken: true},
		"354 after the dot is no success": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 354 go on`, want: "after_dot local: protocol unexpected answer 354 go on | after_dot local: protocol unexpected answer 354 go on", broken: true},
		"the 250 comes before the dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S<< "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"
			end`, want: "data local: protocol an answer that was not due, with code 250 | data local: protocol an answer that was not due, with code 250", broken: true},
		"421 at the second recipient": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 421 4.7.0 slower`, want: "rcpt 421 4.7.0 slower | rcpt 421 4.7.0 slower", broken: true},
		"closed before DATA": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 550 no`, want: "rcpt 550 no | rcpt local: connection lost before the final dot", broken: true},
		"354 to MAIL": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 354 go
			end`, want: "mail local: protocol unexpected answer 354 go | mail local: protocol unexpected answer 354 go", broken: true},
		"250 to DATA": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 250 ok
			end`, want: "data local: protocol unexpected answer 250 ok | data local: protocol unexpected answer 250 ok", broken: true},
		"too large": {script: hello + bye, change: func(tx *smtpwire.Transaction) {
			tx.Body = body(strings.Repeat("x", 1000001))
		}, want: "never 5.3.4 | never 5.3.4"},
		"SMTPUTF8 for one recipient": {script: bare + `
			C: MAIL FROM:<jane@a.example>
			S: 250 ok
			C: RCPT TO:<c@d.example>
			S: 250 ok
			C: DATA
			S: 354 go` + content + `
			C: .
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.Recipients[0].Address.Local = "jörg"
			tx.SMTPUTF8 = true
		}, want: "never 5.6.7 | ok"},
		"SMTPUTF8 for the header": {script: bare + bye, change: func(tx *smtpwire.Transaction) {
			tx.SMTPUTF8 = true
			tx.Body = body("Subject: ö\r\n\r\nhi\r\n")
		}, want: "never 5.6.7 | never 5.6.7"},
		"SMTPUTF8 for the sender": {script: bare + bye, change: func(tx *smtpwire.Transaction) {
			tx.From.Local = "jörg"
		}, want: "never 5.6.7 | never 5.6.7"},
		"8-bit text without 8BITMIME": {script: bare + bye, change: func(tx *smtpwire.Transaction) {
			tx.Body = body("Subject: o\r\n\r\nhö\r\n")
		}, want: "never 5.6.3 | never 5.6.3"},
		"8BITMIME declared and not needed": {script: strings.Replace(bare, "250 mx.example", "250-mx.example\n\tS: 250 PIPELINING", 1) + `
			C: MAIL FROM:<jane@a.example>
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.EightBit, tx.SMTPUTF8 = true, true
		}, want: "ok | ok"},
		"all parameters": {script: hello + `
			C: MAIL FROM:<jörg@a.example> SIZE=18 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3D
			C: RCPT TO:<a@b.example> NOTIFY=NEVER
			C: RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+20x@d.example
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.From.Local = "jörg"
			tx.EightBit, tx.Ret, tx.EnvID = true, relay.RetHeaders, "a+b="
			tx.Recipients[0].Notify = relay.NotifyNever
			tx.Recipients[1].Notify = relay.NotifySuccess | relay.NotifyDelay
			tx.Recipients[1].ORcpt = "rfc822;c x@d.example"
		}, want: "ok | ok"},
		"ORCPT of an international address": {script: hello + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example> ORCPT=utf-8;j\x{F6}rg\x{2B}x@b.example
			C: RCPT TO:<c@d.example>
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + content + `
			C: .
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.Recipients[0].ORcpt = "utf-8;jörg+x@b.example"
			tx.Recipients[1].ORcpt = "rfc822 NOTIFY=NEVER;x"
		}, want: "ok | ok"},
		"A5: a quoted local part stays one address": {script: hello + `
			C: MAIL FROM:<> SIZE=18
			C: RCPT TO:<"victim@evil.example> NOTIFY=NEVER ORCPT=rfc822;x"@good.example>
			C: DATA
			S: 250 ok
			S: 550 no
			S: 503 no
			C: RSET
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.From = relay.Address{}
			tx.Recipients[0].Address = relay.Address{Local: "victim@evil.example> NOTIFY=NEVER ORCPT=rfc822;x", Domain: "good.example"}
			tx.Recipients[1].Address = relay.Address{Local: "a\r\nDATA", Domain: "b> X"}
		}, want: "rcpt 550 no | never 5.1.3"},
		"dots and a missing line end": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go
			C: ...
			C: a.
			C: ..b
			C: .
			S: 250 ok` + bye, change: func(tx *smtpwire.Transaction) {
			tx.Body = body("..\r\na.\r\n.b")
		}, want: "ok | ok"},
		"S1: a bare LF never leaves": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go
			end`, change: func(tx *smtpwire.Transaction) {
			tx.Body = body("a\r\n\n.\r\nMAIL FROM:<x@y>\r\n")
		}, want: "never 5.6.0 | never 5.6.0", broken: true},
		"S10: a NUL never leaves by BDAT": {script: chunking + `
			end`, change: func(tx *smtpwire.Transaction) {
			tx.Body = body("a\x00\r\n")
		}, want: "never 5.6.0 | never 5.6.0", broken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := greeted(t, smtpwire.ClientOptions{}, c.script)
			tx := message("a@b.example", "c@d.example")
			if c.change != nil {
				c.change(tx)
			}
			receipt, err := client.Send(t.Context(), tx)
			if got := outcome(receipt); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			complete := strings.Contains(c.script, "C: .\n") || strings.HasSuffix(c.script, "C: .") || strings.Contains(c.script, "BDAT")
			if receipt.DotSent != complete {
				t.Errorf("DotSent is %t", receipt.DotSent)
			}
			if (err != nil) != c.broken || client.Usable() == c.broken {
				t.Errorf("the connection: usable %t, error %v", client.Usable(), err)
			}
			if !c.broken {
				_ = client.Quit(t.Context()) // the script checks it
			}
		})
	}
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
		"RSET": {"silence", func(ctx context.Context, c *smtpwire.Client) error { return c.Reset(ctx) }},
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
			if err := client.Noop(t.Context()); err == nil {
				t.Error("the broken connection took another command")
			}
		})
	}
}
