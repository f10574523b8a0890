package smtpwire_test

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire"
)

// exchange is one row of the tables about Send: a script, perhaps a change of the
// message, and what becomes of each recipient.
type exchange struct {
	script string
	change func(*smtpwire.Transaction)
	want   string
	broken bool // the connection is of no use afterwards
}

// play sends the message for a@b.example and c@d.example by the script.
func (e exchange) play(t *testing.T) {
	t.Helper()
	client := greeted(t, smtpwire.ClientOptions{}, e.script)
	tx := message("a@b.example", "c@d.example")
	if e.change != nil {
		e.change(tx)
	}
	receipt, err := client.Send(t.Context(), tx)
	if got := outcome(receipt); got != e.want {
		t.Errorf("got  %s\nwant %s", got, e.want)
	}
	complete := strings.Contains(e.script, "C: .\n") || strings.HasSuffix(e.script, "C: .") || strings.Contains(e.script, "BDAT")
	if receipt.DotSent != complete {
		t.Errorf("DotSent is %t", receipt.DotSent)
	}
	if (err != nil) != e.broken || client.Usable() == e.broken {
		t.Errorf("the connection: usable %t, error %v", client.Usable(), err)
	}
	if !e.broken {
		_ = client.Quit(t.Context()) // the script checks it
	}
}

// simple is the content of message as it is sent.
const simple = "\n\tC: Subject: x\n\tC: \n\tC: hi\n"

// TestSend holds the dialogues of a transaction: one row is one script, and what
// becomes of each recipient.
func TestSend(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]exchange{
		"one flight up to DATA": {script: hello + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example>
			C: RCPT TO:<c@d.example>
			C: DATA
			S: 250 2.1.0 ok
			S: 250 2.1.5 ok
			S: 250 2.1.5 ok
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
			C: .
			S: 550-5.7.1 this is
			S: 550 5.7.1 spam` + bye, want: "after_dot 550 5.7.1 this is spam | after_dot 550 5.7.1 this is spam"},
		"whole in one flight": {script: chunking + `
			C: MAIL FROM:<jane@a.example> SIZE=18
			C: RCPT TO:<a@b.example>
			C: RCPT TO:<c@d.example>
			C: BDAT 18 LAST` + simple + `
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 250 2.0.0 queued` + bye, want: "ok | ok"},
		"one flight, one refused": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + simple + `
			S: 250 ok
			S: 550 no
			S: 250 ok
			S: 250 2.0.0 queued` + bye, want: "rcpt 550 no | ok"},
		"one flight, all refused: nothing is committed": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + simple + `
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
			C: BDAT 18 LAST` + simple + `
			S: 452 4.3.1 full
			S: 503 no
			S: 503 no
			S: 503 no` + bye, want: "mail 452 4.3.1 full | mail 452 4.3.1 full"},
		"one flight, BDAT refused": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + simple + `
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
			C: BDAT 18 LAST` + simple, want: "after_dot local: connection lost after the final dot | after_dot local: connection lost after the final dot", broken: true},
		"one flight, closed after RCPT": {script: chunking + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: BDAT 18 LAST` + simple + `
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
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
			C: .`, want: "after_dot local: connection lost after the final dot | after_dot local: connection lost after the final dot", broken: true},
		"no SMTP after the dot": {script: hello + `
			C~ MAIL
			C~ RCPT
			C~ RCPT
			C: DATA
			S: 250 ok
			S: 250 ok
			S: 250 ok
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e.play(t)
		})
	}
}
