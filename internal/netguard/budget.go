package netguard

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBudget means that the other side sent more than one answer may hold. The
// connection is of no use any more.
var ErrBudget = errors.New("the peer sent more than an answer may hold")

// Limits bounds one connection. A zero field sets no limit.
type Limits struct {
	Answer    int64         // octets that may be read between two calls of NextAnswer
	Operation time.Duration // for each Read and each Write
	Lifetime  time.Duration // from Budget on, for the whole connection
}

// BudgetConn is a connection under Limits. Reads beyond the budget give ErrBudget,
// operations beyond a deadline os.ErrDeadlineExceeded. Deadlines that the caller
// sets hold as well: the earliest counts.
type BudgetConn struct {
	net.Conn
	answer    int64
	left      atomic.Int64
	operation atomic.Int64 // nanoseconds
	end       time.Time    // zero: none

	read, write deadline
}

// deadline is what the caller asked for in one direction.
type deadline struct {
	mu    sync.Mutex
	asked time.Time
}

// Budget puts a connection under limits.
func Budget(c net.Conn, l Limits) *BudgetConn {
	b := &BudgetConn{Conn: c, answer: l.Answer}
	b.left.Store(l.Answer)
	b.operation.Store(int64(l.Operation))
	if l.Lifetime > 0 {
		b.end = time.Now().Add(l.Lifetime)
	}
	return b
}

// NextAnswer gives the peer a fresh budget. The caller calls it when it sends a
// command, never because something arrived.
func (b *BudgetConn) NextAnswer() { b.left.Store(b.answer) }

// SetOperation changes the time for each operation that starts from now on, such
// as the longer wait after the final dot (RFC 5321 §4.5.3.2.6).
func (b *BudgetConn) SetOperation(d time.Duration) { b.operation.Store(int64(d)) }

// Read reads within the budget and the deadlines.
func (b *BudgetConn) Read(p []byte) (int, error) {
	if b.answer > 0 {
		left := b.left.Load()
		if left <= 0 {
			return 0, ErrBudget
		}
		p = p[:min(int64(len(p)), left)]
	}
	if err := b.read.arm(b, b.Conn.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := b.Conn.Read(p)
	if b.answer > 0 {
		b.left.Add(-int64(n))
	}
	return n, err
}

// Write writes within the deadlines.
func (b *BudgetConn) Write(p []byte) (int, error) {
	if err := b.write.arm(b, b.Conn.SetWriteDeadline); err != nil {
		return 0, err
	}
	return b.Conn.Write(p)
}

// SetDeadline sets the caller's own deadline in both directions.
func (b *BudgetConn) SetDeadline(t time.Time) error {
	return errors.Join(b.SetReadDeadline(t), b.SetWriteDeadline(t))
}

// SetReadDeadline sets the caller's own deadline for reading; it also ends a Read
// that waits.
func (b *BudgetConn) SetReadDeadline(t time.Time) error {
	return b.read.ask(b, t, b.Conn.SetReadDeadline)
}

// SetWriteDeadline sets the caller's own deadline for writing.
func (b *BudgetConn) SetWriteDeadline(t time.Time) error {
	return b.write.ask(b, t, b.Conn.SetWriteDeadline)
}

// ask keeps the caller's deadline and sets it at once. The lock orders it against
// arm: a deadline in the past, set to break off, is never overwritten by a later
// one.
func (d *deadline) ask(b *BudgetConn, t time.Time, set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = t
	return set(earliest(t, b.end, b.operationEnd()))
}

// arm sets the deadline of an operation that starts now.
func (d *deadline) arm(b *BudgetConn, set func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return set(earliest(d.asked, b.end, b.operationEnd()))
}

func (b *BudgetConn) operationEnd() time.Time {
	if d := time.Duration(b.operation.Load()); d > 0 {
		return time.Now().Add(d)
	}
	return time.Time{}
}

// earliest is the earliest time that is set, or zero.
func earliest(times ...time.Time) time.Time {
	var e time.Time
	for _, t := range times {
		if !t.IsZero() && (e.IsZero() || t.Before(e)) {
			e = t
		}
	}
	return e
}
