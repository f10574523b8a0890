package smtpwire

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/relayd/relayd/relay"
)

// obey looks the command up among those that exist in the phase at hand. What
// is not listed for a phase does not exist in it.
func (c *ServerConn) obey(ctx context.Context, cmd command) verdict {
	switch {
	case isForeign(cmd.verb):
		return ending(500, relay.Enhanced{5, 5, 2}, "This is an SMTP server", errNotSMTP)
	case mustWait(cmd.verb) && c.wire.r.Buffered() > 0:
		return ending(554, relay.Enhanced{5, 5, 0}, "Wait for the answer to "+cmd.verb, errEarlyTalk)
	}
	if v, found := c.obeyAlways(cmd); found {
		return v
	}
	switch c.phase {
	case phaseClear:
		return c.obeyClear(ctx, cmd)
	case phaseLogin:
		return c.obeyLogin(ctx, cmd)
	default:
		return c.obeyReady(ctx, cmd)
	}
}

// isForeign matches the first words of other protocols, which browsers can be
// made to send here (attack row P12; Postfix: smtpd_forbidden_commands).
func isForeign(verb string) bool {
	switch verb {
	case "GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "DELETE", "CONNECT", "TRACE", "PRI":
		return true
	}
	return false
}

// obeyAlways knows the commands of every phase.
func (c *ServerConn) obeyAlways(cmd command) (verdict, bool) {
	switch cmd.verb {
	case "EHLO", "HELO":
		return c.hello(cmd), true
	case "NOOP":
		return c.countJunk(ok(250, relay.Enhanced{2, 0, 0}, "OK")), true
	case "RSET":
		return c.reset(cmd.args), true
	case "QUIT":
		return c.quit(cmd.args), true
	}
	return verdict{}, false
}

// obeyClear knows what else exists before a required STARTTLS (RFC 3207 §4).
func (c *ServerConn) obeyClear(ctx context.Context, cmd command) verdict {
	switch cmd.verb {
	case "STARTTLS":
		return c.startTLSCommand(ctx, cmd.args)
	case "BDAT":
		// CHUNKING is not offered here, so nobody knows where the chunk would end.
		return ending(502, relay.Enhanced{5, 5, 1}, "BDAT is not available", errOutOfStep)
	case "AUTH", "MAIL", "RCPT", "DATA", "VRFY", "EXPN", "HELP":
		return needsTLS()
	}
	return unknown()
}

// obeyLogin knows what else exists between TLS and sign-in.
func (c *ServerConn) obeyLogin(ctx context.Context, cmd command) verdict {
	switch cmd.verb {
	case "AUTH":
		return c.auth(ctx, cmd.args)
	case "BDAT":
		return c.refuseChunk(cmd.args, contentBuffer, unauthenticated())
	case "MAIL", "RCPT", "DATA":
		return unauthenticated()
	}
	return c.obeySecured(cmd)
}

// obeyReady knows what else exists for a client that may submit.
func (c *ServerConn) obeyReady(ctx context.Context, cmd command) verdict {
	switch cmd.verb {
	case "MAIL":
		return c.mail(ctx, cmd.args)
	case "RCPT":
		return c.rcpt(ctx, cmd.args)
	case "DATA":
		return c.data(ctx, cmd.args)
	case "BDAT":
		return c.bdat(ctx, cmd.args)
	case "AUTH":
		return c.authAgain()
	}
	return c.obeySecured(cmd)
}

// obeySecured knows the rest, which is the same with and without a sign-in.
func (c *ServerConn) obeySecured(cmd command) verdict {
	switch cmd.verb {
	case "STARTTLS":
		if c.opts.Mode == ModePlain {
			return deny(502, relay.Enhanced{5, 5, 1}, "TLS is not available here")
		}
		return outOfOrder("TLS is active already")
	case "VRFY", "EXPN":
		// RFC 5321 §3.5.3: 252 tells nothing about who exists (attack row B3).
		return c.countJunk(ok(252, relay.Enhanced{2, 0, 0}, "Send mail, and it will be tried"))
	case "HELP":
		return c.countJunk(ok(214, relay.Enhanced{2, 0, 0}, "RFC 5321 and RFC 6409 tell all"))
	}
	return unknown()
}

func unknown() verdict {
	return deny(500, relay.Enhanced{5, 5, 2}, "The command is not known")
}

// errOutOfStep means that nobody can say where the next command begins.
var errOutOfStep = errors.New("the dialogue is out of step")

// errEarlyTalk means that the client did not wait for an answer that it needs.
var errEarlyTalk = errors.New("the client did not wait for an answer")

// mustWait tells the commands that must be the last of a group (RFC 2920 §3.1):
// a client that sent more behind one of them cannot know what is answered, so
// what it sent was meant for another state (attack rows P1 and P4).
func mustWait(verb string) bool {
	return verb == "EHLO" || verb == "HELO" || verb == "DATA" || verb == "STARTTLS"
}

// hello obeys EHLO and HELO (RFC 5321 §4.1.1.1): both end a transaction.
func (c *ServerConn) hello(cmd command) verdict {
	if !isHelloArgument(cmd.args) {
		return deny(501, relay.Enhanced{5, 5, 4}, cmd.verb+" needs a host name or an address literal")
	}
	c.endTransaction()
	c.extended = cmd.verb == "EHLO"
	c.client.Hello = cmd.args
	c.session.Hello(c.client, c.extended)
	v := verdict{reply: NewReply(250, relay.Enhanced{}, c.opts.Hostname)}
	if c.extended {
		v.reply.Lines = append(v.reply.Lines, c.extensions()...)
	}
	return c.countJunk(v)
}

// isHelloArgument checks the form only. RFC 5321 §4.1.4 forbids refusing a client
// for a name that is not its own, and devices do say names that DNS would not
// take; but nothing that could break a Received field or a log line passes.
func isHelloArgument(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	const maxLength = 255 // RFC 5321 §4.5.3.1.2
	return s != "" && len(s) <= maxLength && strings.Trim(s, allowed) == "" && !strings.ContainsAny(strings.Trim(s, "[]"), "[]")
}

// extensions lists what exists in the phase at hand, and nothing else.
func (c *ServerConn) extensions() []string {
	if c.phase == phaseClear {
		return []string{"PIPELINING", "ENHANCEDSTATUSCODES", "STARTTLS"}
	}
	list := []string{
		"PIPELINING", // RFC 2920
		"SIZE " + strconv.FormatInt(c.opts.MaxSize, 10), // RFC 1870
		"8BITMIME",            // RFC 6152
		"SMTPUTF8",            // RFC 6531
		"CHUNKING",            // RFC 3030
		"DSN",                 // RFC 3461
		"ENHANCEDSTATUSCODES", // RFC 2034
		"LIMITS RCPTMAX=" + strconv.Itoa(c.opts.MaxRecipients), // RFC 9422
	}
	if c.opts.Mode != ModePlain && len(c.opts.Mechanisms) > 0 {
		list = append(list, "AUTH "+strings.Join(c.opts.Mechanisms, " ")) // RFC 4954
	}
	return list
}

func (c *ServerConn) reset(args string) verdict {
	if args != "" {
		return noArgument("RSET")
	}
	c.endTransaction()
	return c.countJunk(ok(250, relay.Enhanced{2, 0, 0}, "OK"))
}

func (c *ServerConn) quit(args string) verdict {
	if args != "" {
		return noArgument("QUIT")
	}
	return ending(221, relay.Enhanced{2, 0, 0}, c.opts.Hostname+" closes the connection", errEnded)
}

// countJunk holds a connection to its limit of commands that bring no message
// nearer; a message sets the count back.
func (c *ServerConn) countJunk(v verdict) verdict {
	if c.junk++; c.junk <= c.opts.MaxJunk || v.end {
		return v
	}
	return ending(421, relay.Enhanced{4, 7, 0}, "Too many commands without a message", errors.New("too many commands without a message"))
}

// endTransaction leaves the state as after RSET, whatever ended the transaction.
func (c *ServerConn) endTransaction() {
	if c.tx.open {
		c.session.Reset()
	}
	c.tx = transaction{}
}
