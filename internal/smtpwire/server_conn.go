package smtpwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// phase is how far a connection has come. It decides which commands exist.
type phase uint8

const (
	phaseClear phase = iota // TLS is required and not there yet
	phaseLogin              // secured, nobody signed in yet
	phaseReady              // may submit
)

// ServerConn is one connection. Only Drain may be called by others while Serve
// runs.
type ServerConn struct {
	server  *Server
	opts    *ServerOptions
	wire    *serverWire
	client  relay.Client
	session Session
	started time.Time

	phase        phase
	extended     bool // EHLO, not HELO
	tx           transaction
	messageEnd   time.Time // when the message at hand must be there
	interrupt    *command  // what ended a message between two chunks, to be obeyed next
	errors       int       // commands that were refused since the last message
	junk         int       // commands since the last message that brought nothing nearer
	authFailures int
}

// transaction is what lies between MAIL and the end of its message.
type transaction struct {
	open       bool
	smtpUTF8   bool
	recipients int // accepted
	surplus    int // beyond MaxRecipients
}

// verdict is the answer to one command and what follows from it.
type verdict struct {
	reply  Reply
	silent bool  // nothing is answered: it was already, or must not be
	end    bool  // the connection ends
	why    error // why it ends, for logs; nil is a normal end
}

// The normal ends: QUIT, or the client went away between commands; and Drain.
var (
	errEnded   = errors.New("ended")
	errDrained = errors.New("shutting down")
)

// Serve leads the dialogue until it ends, and closes the connection. Ending ctx
// breaks it off. The error tells why it ended, for logs; nil means that the client
// said QUIT or went away between two commands, or that the connection was drained.
func (c *ServerConn) Serve(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	raw := c.wire.nc
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	defer c.session.Close()
	defer func() { c.wire.nc.Close() }()
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
		}
	}()
	if c.opts.Mode == ModeImplicit {
		if err := c.startTLS(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
	}
	return c.talk(ctx)
}

// Drain ends the connection with 421 as soon as it is outside a transaction.
func (c *ServerConn) Drain() { c.wire.drain() }

// Received tells how many octets the client sent. It is for the end of Serve.
func (c *ServerConn) Received() int64 { return c.wire.received }

// talk greets and answers command after command.
func (c *ServerConn) talk(ctx context.Context) error {
	c.say(relay.Enhanced{}, 220, c.opts.Hostname+" ESMTP relayd")
	for {
		v := c.step(ctx)
		if !v.silent {
			if err := c.wire.write(v.reply); err != nil {
				return fmt.Errorf("write reply: %w", err)
			}
		}
		if v.end {
			return c.bye(v)
		}
	}
}

// say collects a reply of one text.
func (c *ServerConn) say(e relay.Enhanced, code int, text string) {
	c.wire.write(NewReply(code, e, text)) //nolint:errcheck // the next flush fails as well
}

// bye sends what is left to say and lets the client read it.
func (c *ServerConn) bye(v verdict) error {
	if errors.Is(v.why, ErrHangUp) {
		return v.why
	}
	if err := c.wire.flush(); err != nil && v.why == nil {
		return fmt.Errorf("write last reply: %w", err)
	}
	if v.why != nil && !errors.Is(v.why, errEnded) {
		c.linger()
	}
	if errors.Is(v.why, errEnded) || errors.Is(v.why, errDrained) {
		return nil
	}
	return v.why
}

// The limits of linger.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger closes our half and reads what the client is still sending, for a short
// while: closing with unread octets would reset the connection, and the client
// would never see the reply that tells it why.
func (c *ServerConn) linger() {
	half, ok := c.wire.nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	until := time.Now().Add(lingerTime)
	if c.wire.nc.SetReadDeadline(until) == nil {
		io.CopyN(io.Discard, c.wire.nc, lingerBytes) //nolint:errcheck // best effort
	}
}

// panicked contains a panic to its connection: one client must not end all.
func (c *ServerConn) panicked(p any) error {
	c.opts.Log.Error("panic while serving SMTP", "client", c.client.Addr.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	c.say(relay.Enhanced{4, 3, 0}, 421, "Local error, please try again later")
	c.wire.flush() //nolint:errcheck // the connection is given up
	return fmt.Errorf("panic: %v", p)
}

// step reads one command and obeys it.
func (c *ServerConn) step(ctx context.Context) verdict {
	limit := maxCommandLine
	if c.phase == phaseLogin {
		limit = maxAuthLine // AUTH with an initial response
	}
	line, err := c.readCommand(limit)
	if v, failed := c.readFailed(err); failed {
		return v
	}
	return c.count(c.obey(ctx, parseCommand(line)))
}

// readCommand reads a line within the times for a command.
func (c *ServerConn) readCommand(limit int) ([]byte, error) {
	c.wire.setIdle(!c.tx.open)
	defer c.wire.setIdle(false)
	return c.readCommandUntil(c.signInEnd(), limit)
}

// signInEnd is when a client that did not sign in has to be gone, whatever it sends.
func (c *ServerConn) signInEnd() time.Time {
	if c.phase == phaseReady {
		return farAway
	}
	return c.started.Add(c.opts.Login)
}

// farAway is later than every deadline.
var farAway = time.Unix(1<<40, 0)

// readCommandUntil reads a line: the first octet within Idle, the rest within
// Command, however many reads that takes, and all until last. A line that came in a read
// after the answer to a final dot was sent shows that the client saw it.
//
// A CR inside a line that ended properly is no error here: the parser takes no
// control characters and knows the better answer.
func (c *ServerConn) readCommandUntil(last time.Time, limit int) ([]byte, error) {
	c.wire.until(earliest(last, time.Now().Add(c.opts.Idle)))
	if err := c.peek(); err != nil {
		return nil, err
	}
	c.wire.until(earliest(last, time.Now().Add(c.opts.Command)))
	line, err := c.wire.r.ReadLine(limit)
	if err != nil && (!errors.Is(err, ErrBareLineEnd) || line == nil) {
		return nil, err
	}
	for _, id := range c.wire.acks.take() {
		c.session.Acknowledged(id)
	}
	return line, nil
}

// errNotSMTP means that the first octet of a command cannot begin one: a TLS
// ClientHello on the wrong port, for example.
var errNotSMTP = errors.New("not SMTP")

// peek waits for the first octet of a command and looks at it. Without it a TLS
// ClientHello would wait for a line end that never comes.
func (c *ServerConn) peek() error {
	r := c.wire.r
	for r.Buffered() == 0 {
		if err := r.fill(); err != nil {
			return err
		}
	}
	if first := r.buf[r.start]; (first < ' ' && first != '\r' && first != '\n') || first >= 0x7f {
		return errNotSMTP
	}
	return nil
}

// readFailed says what follows from an error of readCommand.
func (c *ServerConn) readFailed(err error) (verdict, bool) {
	switch {
	case err == nil:
		return verdict{}, false
	case c.wire.failed != nil:
		return verdict{silent: true, end: true, why: fmt.Errorf("write replies: %w", c.wire.failed)}, true
	case errors.Is(err, ErrLineTooLong) && c.sendsAuth():
		return ending(501, relay.Enhanced{5, 5, 2}, "The line is too long", err), true
	case errors.Is(err, ErrLineTooLong):
		return ending(500, relay.Enhanced{5, 5, 2}, "The line is too long", err), true
	case errors.Is(err, ErrBareLineEnd), errors.Is(err, errNotSMTP):
		return ending(500, relay.Enhanced{5, 5, 2}, "A command is a line of text that ends in CR LF", err), true
	case errors.Is(err, os.ErrDeadlineExceeded) && c.wire.isDraining():
		return ending(421, relay.Enhanced{4, 3, 2}, c.opts.Hostname+" is shutting down", errDrained), true
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ending(421, relay.Enhanced{4, 4, 2}, c.opts.Hostname+" waited too long", errTimeout), true
	case errors.Is(err, io.EOF):
		return verdict{silent: true, end: true, why: errEnded}, true
	}
	return verdict{silent: true, end: true, why: fmt.Errorf("read: %w", err)}, true
}

// isOutOfForm reports whether a line could not be read because of what it is.
func isOutOfForm(err error) bool {
	return errors.Is(err, ErrLineTooLong) || errors.Is(err, ErrBareLineEnd) || errors.Is(err, errNotSMTP)
}

// sendsAuth reports whether the line at hand is an AUTH command.
func (c *ServerConn) sendsAuth() bool {
	const verb = "AUTH "
	line := c.wire.r.buf[c.wire.r.start:c.wire.r.end]
	return len(line) > len(verb) && strings.EqualFold(string(line[:len(verb)]), verb)
}

// errTimeout means that the client was too slow.
var errTimeout = errors.New("the client was too slow")

// tooManyRecipients is the one refusal that is no error (RFC 5321 §4.5.3.1.10).
var tooManyRecipients = relay.Enhanced{4, 5, 3}

// count holds the connection to its limit of errors; a message sets the count back.
func (c *ServerConn) count(v verdict) verdict {
	if v.end || v.silent || v.reply.Code < 400 || v.reply.Enhanced == tooManyRecipients {
		return v
	}
	if c.errors++; c.errors < c.opts.MaxErrors {
		return v
	}
	return ending(421, relay.Enhanced{4, 7, 0}, "Too many errors", errors.New("too many errors"))
}
