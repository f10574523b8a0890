package smtpwire

import (
	"context"

	"github.com/relayd/relayd/relay"
)

// Probe asks whether the server would take a message from one address to another:
// MAIL and RCPT, then RSET. Nothing is sent. A refusal leaves the connection
// usable.
func (c *Client) Probe(ctx context.Context, from, to relay.Address) error {
	release, err := c.begin(ctx, relay.AtMail)
	if err != nil {
		return err
	}
	defer release()
	mail := "MAIL FROM:" + from.Path()
	if (from.NeedsSMTPUTF8() || to.NeedsSMTPUTF8()) && c.ext.SMTPUTF8 {
		mail += " SMTPUTF8" // RFC 6531 §3.4
	}
	verdict := c.ask(relay.AtMail, mail)
	if verdict == nil {
		verdict = c.ask(relay.AtRcpt, "RCPT TO:"+to.Path())
	}
	if c.broken != nil {
		return verdict
	}
	reply, err := c.command(relay.AtMail, c.opts.Timeouts.Command, "RSET")
	switch {
	case err != nil && verdict == nil:
		return err
	case err == nil && reply.Code != 250:
		return c.breakWith(refused(relay.AtMail, reply))
	}
	return verdict
}

// ask sends one command of a Probe and gives the refusal, if it is one.
func (c *Client) ask(where relay.Where, line string) error {
	reply, err := c.command(where, c.opts.Timeouts.Mail, line)
	if err != nil {
		return err
	}
	switch {
	case reply.Code < 300:
		return nil
	case reply.Code < 400:
		return c.breakWith(refused(where, reply))
	}
	return refused(where, reply)
}
