package smtpwire

import (
	"context"
	"errors"

	"github.com/relayd/relayd/relay"
)

// surplusFactor is how many times MaxRecipients a client may ask for in one
// transaction before the connection ends.
const surplusFactor = 10

// mail obeys MAIL.
func (c *ServerConn) mail(ctx context.Context, args string) verdict {
	switch {
	case c.client.Hello == "":
		return outOfOrder("Send EHLO first")
	case c.tx.open:
		return outOfOrder("MAIL may not come inside a transaction") // RFC 5321 §4.1.4
	}
	s, refusal := parseMail(args)
	switch {
	case refusal != nil:
		return c.refuse(refusal)
	case !c.extended && s != Sender{Address: s.Address}:
		return c.refuse(unknownParam("after HELO")) // RFC 5321 §4.1.1.11
	case s.Size > c.opts.MaxSize:
		return c.refuse(tooLarge())
	}
	if err := c.session.Mail(ctx, s); err != nil {
		return ofError(err)
	}
	c.tx = transaction{open: true, smtpUTF8: s.SMTPUTF8}
	return ok(250, relay.Enhanced{2, 1, 0}, "Sender OK")
}

// rcpt obeys RCPT.
func (c *ServerConn) rcpt(ctx context.Context, args string) verdict {
	switch {
	case !c.tx.open:
		return outOfOrder("Send MAIL first")
	case c.tx.recipients >= c.opts.MaxRecipients:
		return c.oneTooMany()
	}
	r, refusal := parseRcpt(args, c.opts.Hostname, c.tx.smtpUTF8)
	if refusal != nil {
		return c.refuse(refusal)
	}
	if !c.extended && (r.Notify != 0 || r.ORcpt != "") {
		return c.refuse(unknownParam("after HELO"))
	}
	if err := c.session.Rcpt(ctx, r); err != nil {
		return ofError(err)
	}
	c.tx.recipients++
	return ok(250, relay.Enhanced{2, 1, 5}, "Recipient OK")
}

// refuse answers a sender or recipient that the Session is not asked about.
func (c *ServerConn) refuse(err *relay.Error) verdict {
	c.session.Refused(err)
	return ofError(err)
}

// oneTooMany is RFC 5321 §4.5.3.1.10: 452, and the client sends the rest later.
func (c *ServerConn) oneTooMany() verdict {
	if c.tx.surplus++; c.tx.surplus > surplusFactor*c.opts.MaxRecipients {
		return ending(421, tooManyRecipients, "Too many recipients", errors.New("too many recipients"))
	}
	return deny(452, tooManyRecipients, "Too many recipients; send to the others in another message")
}

// transactionReady refuses content that no MAIL and RCPT came before.
func (c *ServerConn) transactionReady() (verdict, bool) {
	switch {
	case !c.tx.open:
		return outOfOrder("Send MAIL first"), false
	case c.tx.recipients == 0:
		return outOfOrder("No recipient was accepted"), false
	}
	return verdict{}, true
}

// data obeys DATA.
func (c *ServerConn) data(ctx context.Context, args string) verdict {
	if args != "" {
		return noArgument("DATA")
	}
	if v, ready := c.transactionReady(); !ready {
		return v
	}
	c.say(relay.Enhanced{}, 354, "Send the message and end it with a line of a single dot")
	return c.receive(ctx, &dataSource{r: c.wire.r})
}

func tooLarge() *relay.Error {
	return relay.Refuse(552, relay.Enhanced{5, 3, 4}, "The message is larger than allowed")
}
