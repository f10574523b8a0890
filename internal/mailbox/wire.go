package mailbox

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errTooMuch means that an answer was longer than its budget.
var errTooMuch = errors.New("the answer is longer than its budget")

// errOverdue means that an operation did not end in its time.
var errOverdue = errors.New("no complete answer in time")

// wire is the connection as go-imap sees it. It counts what the server sends
// against the budget of the running operation, and remembers why it ended:
// go-imap flattens errors into text.
type wire struct {
	net.Conn
	r io.Reader // what the server sends, with a greeting in front

	budget    atomic.Int64
	signingIn atomic.Bool

	mu    sync.Mutex
	cause error
}

func newWire(conn net.Conn, r io.Reader, budget int64) *wire {
	w := &wire{Conn: conn, r: r}
	w.refill(budget)
	return w
}

// refill starts the budget of a new operation.
func (w *wire) refill(octets int64) { w.budget.Store(octets) }

// Read reads what is left of the budget at most; beyond it the connection is over.
func (w *wire) Read(p []byte) (int, error) {
	left := w.budget.Load()
	if left <= 0 {
		w.end(errTooMuch)
		return 0, errTooMuch
	}
	if int64(len(p)) > left {
		p = p[:left]
	}
	n, err := w.r.Read(p)
	w.budget.Add(int64(-n))
	if err != nil {
		w.note(err)
	}
	return n, err
}

// Write remembers why it failed.
func (w *wire) Write(p []byte) (int, error) {
	octets := p
	if w.signingIn.Load() && string(p) == "=\r\n" {
		// go-imap writes an empty response as "=", which stands for it on the command
		// line only; behind a challenge it is an empty line (RFC 9051 §6.2.2).
		octets = p[1:]
	}
	n, err := w.Conn.Write(octets)
	if err != nil {
		w.note(err)
		return n, err
	}
	return len(p), nil
}

// The deadlines that go-imap sets are not obeyed: it takes them away again after
// each answer, so they would undo ours. The end of an operation's context closes
// the connection instead.

// SetDeadline does nothing.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// end closes the connection for a reason of ours.
func (w *wire) end(cause error) {
	w.note(cause)
	w.Conn.Close() //nolint:errcheck // it is given up
}

// note keeps the first cause: later errors are its consequences.
func (w *wire) note(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
	}
}

// ended gives the reason why the connection is over, or nil.
func (w *wire) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}
