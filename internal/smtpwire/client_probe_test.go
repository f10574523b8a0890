package smtpwire_test

import (
	"errors"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	jane := relay.Address{Local: "jane", Domain: "acme.example"}
	for _, test := range []struct {
		name, script string
		where        relay.Where // of the refusal; empty if there is none
		code         int
		usable       bool
	}{
		{"taken", "C: MAIL FROM:<jane@acme.example>\nS: 250 ok\nC: RCPT TO:<jane@acme.example>\nS: 250 ok\nC: RSET\nS: 250 ok\n", "", 0, true},
		{"sender refused", "C: MAIL FROM:<jane@acme.example>\nS: 553 5.7.1 not yours\nC: RSET\nS: 250 ok\n", relay.AtMail, 553, true},
		{"recipient refused", "C: MAIL FROM:<jane@acme.example>\nS: 250 ok\nC: RCPT TO:<jane@acme.example>\nS: 550 5.1.1 nobody\nC: RSET\nS: 250 ok\n", relay.AtRcpt, 550, true},
		{"closing", "C: MAIL FROM:<jane@acme.example>\nS: 421 4.3.2 bye\n", relay.AtMail, 421, false},
		{"no answer to a question", "C: MAIL FROM:<jane@acme.example>\nS: 354 go on\n", relay.AtMail, 0, false},
		{"RSET refused", "C: MAIL FROM:<jane@acme.example>\nS: 250 ok\nC: RCPT TO:<jane@acme.example>\nS: 250 ok\nC: RSET\nS: 500 what\n", relay.AtMail, 500, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := greeted(t, smtpwire.ClientOptions{}, hello+"\n"+test.script)
			err := c.Probe(t.Context(), jane, jane)
			var e *smtpwire.ClientError
			if errors.As(err, &e) != (test.where != "") || (e != nil && (e.Where != test.where || e.Reply.Code != test.code)) {
				t.Errorf("error %v", err)
			}
			if c.Usable() != test.usable {
				t.Errorf("usable: %v", c.Usable())
			}
		})
	}
}
