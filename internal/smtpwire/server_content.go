package smtpwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/relayd/relayd/relay"
)

// receive gives the content to the Session and answers what came of it. The
// transaction is over afterwards, whatever that was.
func (c *ServerConn) receive(ctx context.Context, src source) verdict {
	defer c.returnBuffer(c.lendBuffer())
	c.timeContent()
	msg := &content{src: src, limit: c.opts.MaxSize, slack: c.opts.MaxSize}
	id, err := c.session.Data(ctx, msg)
	v := c.judge(id, err, msg)
	c.endTransaction()
	next := c.interrupt
	c.interrupt = nil
	if next == nil || errors.Is(v.why, ErrHangUp) {
		return v
	}
	return c.obey(ctx, *next)
}

// judge makes the answer. What the content was decides before what the Session
// says: no error of reading may ever end in a 250.
func (c *ServerConn) judge(id relay.ID, err error, msg *content) verdict {
	if errors.Is(err, ErrHangUp) {
		return ofError(err)
	}
	whole := msg.ended
	msg.src.giveUp()
	inStep := msg.finish()
	var v verdict
	switch {
	case msg.broken != nil:
		return c.cutOff(msg.broken)
	case errors.Is(msg.err, ErrBadContent):
		return ending(554, relay.Enhanced{5, 6, 0}, "The message holds a bare CR, a bare LF or a NUL", msg.err)
	case errors.Is(msg.err, ErrTooLarge):
		v = ofError(tooLarge())
	case err != nil:
		v = ofError(err)
	case !whole:
		v = ofError(relay.Fault(errors.New("the session took a message without reading it to its end")))
	default:
		return c.queued(id)
	}
	if !inStep {
		v.end, v.why = true, errOutOfStep
	}
	return v
}

// queued answers a message that the Session took responsibility for.
func (c *ServerConn) queued(id relay.ID) verdict {
	c.junk, c.errors = 0, 0
	c.wire.acks.add(id)
	return ok(250, relay.Enhanced{2, 0, 0}, "queued as "+id.String())
}

// cutOff answers content whose stream failed: half a message is no message.
func (c *ServerConn) cutOff(err error) verdict {
	if isOutOfForm(err) || c.wire.failed != nil {
		v, _ := c.readFailed(err)
		return v
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ending(421, relay.Enhanced{4, 4, 2}, "The message came too slowly", errTimeout)
	}
	return verdict{silent: true, end: true, why: fmt.Errorf("read message: %w", err)}
}

// timeContent sets the deadlines of a message: each read has its time, the whole
// has its time, and it must come at the least rate. Only time spent waiting for
// the client counts for the rate, not what our own disk took.
func (c *ServerConn) timeContent() {
	w, o := c.wire, c.opts
	waited, received := w.waited, w.received
	c.messageEnd = earliest(c.signInEnd(), time.Now().Add(o.Message))
	w.deadline = func() time.Time {
		now := time.Now()
		earned := time.Duration(float64(w.received-received) / float64(o.MinRate) * float64(time.Second))
		left := o.MinRateGrace + earned - (w.waited - waited)
		return earliest(c.messageEnd, now.Add(min(o.Stall, left)))
	}
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// lendBuffer reads through a large buffer while content comes; an idle connection
// keeps a small one.
func (c *ServerConn) lendBuffer() *[]byte {
	large, _ := c.server.buffers.Get().(*[]byte)
	small := c.wire.r.useBuffer(*large)
	*large = small
	return large
}

// returnBuffer goes back to the small buffer, if what is left over fits into it;
// the next message tries again.
func (c *ServerConn) returnBuffer(held *[]byte) {
	*held = c.wire.r.useBuffer(*held)
	if len(*held) == contentBuffer {
		c.server.buffers.Put(held)
	}
}

// bdat obeys BDAT (RFC 3030 §2). Where the chunk cannot be taken it is swallowed,
// so that it is never read as commands (attack row P8).
func (c *ServerConn) bdat(ctx context.Context, args string) verdict {
	if v, ready := c.transactionReady(); !ready {
		return c.refuseChunk(args, 2*c.opts.MaxSize, v)
	}
	size, last, v := c.chunk(args)
	if v.end {
		return v
	}
	src := &chunkSource{r: c.wire.r, left: size, last: last}
	src.more = func() (int64, bool, error) { return c.nextChunk() }
	return c.receive(ctx, src)
}

// chunk reads the arguments of BDAT. If they are wrong nobody knows where the
// chunk ends, and if it is beyond all limits nobody wants to know: both end the
// connection. Memory is never taken by the announced size (attack row P9).
func (c *ServerConn) chunk(args string) (size int64, last bool, v verdict) {
	size, last, valid := parseChunk(args)
	switch {
	case !c.extended:
		v = ending(502, relay.Enhanced{5, 5, 1}, "BDAT is not available", errOutOfStep)
	case !valid:
		v = ending(501, relay.Enhanced{5, 5, 4}, "Write BDAT size, or BDAT size LAST", errOutOfStep)
	case size > 2*c.opts.MaxSize:
		v = ending(552, relay.Enhanced{5, 3, 4}, "The message is larger than allowed", errOutOfStep)
	}
	return size, last, v
}

// refuseChunk swallows a chunk of at most limit octets and answers with v.
func (c *ServerConn) refuseChunk(args string, limit int64, v verdict) verdict {
	size, _, wrong := c.chunk(args)
	if wrong.end {
		return wrong
	}
	if size > limit {
		v.end, v.why = true, errOutOfStep
		return v
	}
	c.timeContent()
	if _, err := io.CopyN(io.Discard, c.wire.r, size); err != nil {
		return c.cutOff(notTheEnd(err))
	}
	return v
}

// errInterrupted means that a command other than BDAT ended a message between
// two chunks.
var errInterrupted = errors.New("the message was given up between two chunks")

// nextChunk answers the chunk before and waits for the next one. What may not
// come here is refused and changes nothing (RFC 3030 §2).
func (c *ServerConn) nextChunk() (int64, bool, error) {
	c.say(relay.Enhanced{2, 0, 0}, 250, "Chunk received")
	defer c.resumeContent(c.wire.deadline)
	for {
		cmd, err := c.commandInside()
		if err != nil {
			return 0, false, err
		}
		if cmd.verb == "BDAT" {
			size, last, v := c.chunk(cmd.args)
			if !v.end {
				return size, last, nil
			}
		}
		v, goesOn := c.between(cmd)
		if !goesOn {
			c.interrupt = &cmd
			return 0, false, errInterrupted
		}
		if err := c.wire.write(v.reply); err != nil {
			return 0, false, err
		}
	}
}

// commandInside reads a command between two chunks, within the time for the
// command and for the message.
func (c *ServerConn) commandInside() (command, error) {
	line, err := c.readCommandUntil(c.messageEnd, maxCommandLine)
	if err != nil {
		return command{}, err
	}
	return parseCommand(line), nil
}

func (c *ServerConn) resumeContent(deadline func() time.Time) { c.wire.deadline = deadline }

// between answers a command that leaves the message as it is; false means that
// the command ends the message first.
func (c *ServerConn) between(cmd command) (verdict, bool) {
	var v verdict
	switch cmd.verb {
	case "NOOP":
		v = c.countJunk(ok(250, relay.Enhanced{2, 0, 0}, "OK"))
	case "MAIL", "RCPT", "DATA", "AUTH", "STARTTLS", "VRFY", "EXPN", "HELP":
		v = c.count(outOfOrder("Only BDAT may come between two chunks"))
	default:
		return v, false
	}
	return v, !v.end
}
