package smtpwire_test

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// TestMessage holds the dialogues in which the message itself matters: what it
// needs of the peer, its parameters and its content.
func TestMessage(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]exchange{
		"too large": {script: hello + bye, change: func(tx *smtpwire.Transaction) {
			tx.Body = body(strings.Repeat("x", 1000001))
		}, want: "never 5.3.4 | never 5.3.4"},
		"SMTPUTF8 for one recipient": {script: bare + `
			C: MAIL FROM:<jane@a.example>
			S: 250 ok
			C: RCPT TO:<c@d.example>
			S: 250 ok
			C: DATA
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
			S: 354 go` + simple + `
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
			e.play(t)
		})
	}
}
