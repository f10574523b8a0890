package smtpwire

import (
	"net"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// maxPending is how many octets of replies are collected before they are written
// even though more commands are at hand.
const maxPending = 4 << 10

// serverWire is the connection under a ServerConn: replies are collected, and written
// together before the next read would wait (RFC 2920 §3.2); every read and
// write has a deadline.
type serverWire struct {
	nc        net.Conn
	r         *Reader
	out       []byte
	writeTime time.Duration
	deadline  func() time.Time // of the next read
	received  int64            // octets read, without those of TLS
	waited    time.Duration    // how long reads have waited
	acks      acks
	failed    error // why replies cannot be written any more; sticky

	mu       sync.Mutex
	idle     bool // a read waits for a command outside a transaction
	draining bool
}

func newServerWire(nc net.Conn, writeTime time.Duration) *serverWire {
	w := &serverWire{nc: nc, writeTime: writeTime}
	w.r = NewReader(w, lineBuffer)
	return w
}

// Read is the source of w.r: it is called only when more octets are needed.
func (w *serverWire) Read(p []byte) (int, error) {
	if err := w.flush(); err != nil {
		return 0, err
	}
	if err := w.arm(); err != nil {
		return 0, err
	}
	start := time.Now()
	n, err := w.nc.Read(p)
	w.waited += time.Since(start)
	w.received += int64(n)
	if n > 0 {
		w.acks.readAfterFlush()
	}
	return n, err
}

// until sets the deadline of all reads that follow.
func (w *serverWire) until(t time.Time) {
	w.deadline = func() time.Time { return t }
}

// use goes on over nc.
func (w *serverWire) use(nc net.Conn) {
	w.mu.Lock()
	w.nc = nc
	w.mu.Unlock()
}

// arm sets the deadline of the next read, unless the connection is to end and is
// idle: then the deadline has passed already.
func (w *serverWire) arm() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.idle && w.draining {
		return w.nc.SetReadDeadline(longAgo)
	}
	return w.nc.SetReadDeadline(w.deadline())
}

// longAgo ends a read at once.
var longAgo = time.Unix(1, 0)

// setIdle notes whether drain may end the next reads.
func (w *serverWire) setIdle(idle bool) {
	w.mu.Lock()
	w.idle = idle
	w.mu.Unlock()
}

// drain ends the read that waits for a command outside a transaction, now or as
// soon as there is one.
func (w *serverWire) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	if w.idle {
		w.nc.SetReadDeadline(longAgo) //nolint:errcheck // a closed connection needs no end
	}
}

func (w *serverWire) isDraining() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.draining
}

// write collects a reply.
func (w *serverWire) write(r Reply) error {
	w.out = r.Append(w.out)
	if len(w.out) >= maxPending {
		return w.flush()
	}
	return nil
}

// flush writes what was collected.
func (w *serverWire) flush() error {
	if len(w.out) == 0 || w.failed != nil {
		return w.failed
	}
	if w.failed = w.nc.SetWriteDeadline(time.Now().Add(w.writeTime)); w.failed != nil {
		return w.failed
	}
	_, w.failed = w.nc.Write(w.out)
	w.out = w.out[:0]
	if w.failed == nil {
		w.acks.flushed()
	}
	return w.failed
}

// acks follows the answers to final dots: written, then flushed, then followed
// by a read, whose command shows that the client saw them.
type acks struct {
	written, sent, seen []relay.ID
}

func (a *acks) add(id relay.ID) { a.written = append(a.written, id) }

func (a *acks) flushed() {
	a.sent = append(a.sent, a.written...)
	a.written = a.written[:0]
}

func (a *acks) readAfterFlush() {
	a.seen = append(a.seen, a.sent...)
	a.sent = a.sent[:0]
}

// take gives the IDs whose answer was seen, once. The slice is valid until the
// next read.
func (a *acks) take() []relay.ID {
	ids := a.seen
	a.seen = a.seen[:0]
	return ids
}
