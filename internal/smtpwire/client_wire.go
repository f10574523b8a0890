package smtpwire

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// clientReadBuffer holds the answers of an ordinary flight in one read.
const clientReadBuffer = 4 << 10

// clientWire is the connection of a Client: the reader, a deadline on everything,
// and the one place where a context breaks in.
type clientWire struct {
	conn net.Conn // replaced once, by TLS
	raw  net.Conn // as it was dialled
	r    *Reader
	last time.Time // when the last reply came

	mu    sync.Mutex
	ended error // why a context broke the connection
}

func (w *clientWire) use(conn net.Conn, limits ReplyLimits) {
	if w.raw == nil {
		w.raw = conn
	}
	w.conn = conn
	w.r = NewReader(conn, max(clientReadBuffer, limits.Line+2))
}

// end makes every operation fail from now on, also one that waits.
func (w *clientWire) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = cause
	_ = w.raw.SetDeadline(time.Unix(1, 0)) // a connection that cannot do it is closed already
}

// arm sets a deadline, unless the connection was ended: the lock keeps a new
// deadline from overwriting the one that ends it.
func (w *clientWire) arm(set func(time.Time) error, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return w.ended
	}
	return set(time.Now().Add(d))
}

// cause prefers the reason for which the connection was ended to the error that
// came of it.
func (w *clientWire) cause(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return w.ended
	}
	return err
}

func (w *clientWire) write(p []byte, d time.Duration) error {
	err := w.arm(w.raw.SetWriteDeadline, d)
	if err == nil {
		_, err = w.conn.Write(p)
	}
	return w.cause(err)
}

// read gives one reply. The deadline holds for all of it, so that a peer gains
// nothing by sending single octets.
func (w *clientWire) read(limits ReplyLimits, d time.Duration) (Reply, error) {
	if err := w.arm(w.raw.SetReadDeadline, d); err != nil {
		return Reply{}, err
	}
	reply, err := ReadReply(w.r, limits)
	if err != nil {
		return Reply{}, w.cause(err)
	}
	w.last = time.Now()
	return reply, nil
}

// close closes the TCP connection itself: a close_notify would wait for a peer
// that has stopped reading.
func (w *clientWire) close() error { return w.raw.Close() }

// timedWriter is the writer of content, with a deadline for each write.
type timedWriter struct {
	c *Client
	d time.Duration
}

func (t timedWriter) Write(p []byte) (int, error) {
	if err := t.c.wire.write(p, t.d); err != nil {
		return 0, err
	}
	return len(p), nil
}

// begin opens one step of the dialogue: until release is called, the context can
// break the connection.
func (c *Client) begin(ctx context.Context, where relay.Where) (release func(), err error) {
	if c.broken != nil {
		return nil, c.broken
	}
	if err := ctx.Err(); err != nil {
		return nil, c.breakWith(failed(where, context.Cause(ctx)))
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		c.wire.end(context.Cause(ctx))
	})
	return func() {
		if stop() {
			return
		}
		// It has broken the connection, or is about to: no later step may find it
		// half alive.
		<-done
		_ = c.breakWith(failed(where, context.Cause(ctx))) // the step itself returns it
	}, nil
}

// breakWith notes that the connection is of no use any more.
func (c *Client) breakWith(e *ClientError) *ClientError {
	if c.broken == nil {
		c.broken = e
	}
	return e
}

// command sends one command and reads its answer.
func (c *Client) command(where relay.Where, d time.Duration, line string) (Reply, error) {
	if err := c.due(where); err != nil {
		return Reply{}, err
	}
	c.out = append(append(c.out[:0], line...), '\r', '\n')
	if err := c.wire.write(c.out, d); err != nil {
		return Reply{}, c.breakWith(failed(where, err))
	}
	return c.reply(where, d)
}

// due makes sure, before we speak, that the peer owes us nothing and has not
// spoken out of turn. An answer that came before its question would be taken for
// the answer to the next one. A 421 may come at any time (RFC 5321 §3.8).
func (c *Client) due(where relay.Where) error {
	if c.wire.r.Buffered() == 0 {
		return nil
	}
	reply, err := c.reply(where, c.opts.Timeouts.Quit)
	if err != nil {
		return err
	}
	if reply.Code == 421 {
		return c.breakWith(refused(where, reply))
	}
	return c.breakWith(protocol(where, "an answer that was not due, with code "+strconv.Itoa(reply.Code)))
}

// reply reads the answer that is due.
func (c *Client) reply(where relay.Where, d time.Duration) (Reply, error) {
	reply, err := c.wire.read(c.opts.Limits, d)
	if err != nil {
		return Reply{}, c.breakWith(failed(where, err))
	}
	if reply.Code == 421 {
		// RFC 5321 §3.8: the server closes the connection after it.
		_ = c.breakWith(refused(where, reply)) // the answer itself is returned
	}
	return reply, nil
}
