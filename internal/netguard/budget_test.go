package netguard

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pair is a connection under limits and its other end.
func pair(t *testing.T, l Limits) (*BudgetConn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { _ = near.Close(); _ = far.Close() })
	return Budget(near, l), far
}

func TestBudgetEndsEndlessAnswers(t *testing.T) {
	t.Parallel()
	b, far := pair(t, Limits{Answer: 1000})
	go func() {
		for {
			if _, err := far.Write(bytes.Repeat([]byte("250-more\r\n"), 30)); err != nil {
				return
			}
		}
	}()
	n, err := io.Copy(io.Discard, b)
	if n != 1000 || !errors.Is(err, ErrBudget) {
		t.Errorf("read %d octets, then %v", n, err)
	}
	if n, err := b.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrBudget) {
		t.Errorf("a spent budget gave %d octets and %v", n, err)
	}
	b.NextAnswer()
	if n, err := io.CopyN(io.Discard, b, 1000); n != 1000 || err != nil {
		t.Errorf("the next answer gave %d octets and %v", n, err)
	}
}

func TestAttackU6EveryOperationHasADeadline(t *testing.T) {
	t.Parallel()
	ops := map[string]func(*BudgetConn) error{
		"read":  func(b *BudgetConn) error { _, err := b.Read(make([]byte, 1)); return err },
		"write": func(b *BudgetConn) error { _, err := b.Write([]byte("NOOP\r\n")); return err },
	}
	for name, op := range ops {
		for limit, l := range map[string]Limits{"operation": {Operation: time.Minute}, "lifetime": {Lifetime: time.Minute}} {
			t.Run(name+" "+limit, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					b, _ := pair(t, l)
					start := time.Now()
					if err := op(b); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Minute {
						t.Errorf("%v after %s", err, time.Since(start))
					}
				})
			})
		}
	}
}

// A caller that breaks off with a deadline in the past is never overruled by the
// deadline of an operation.
func TestCallersDeadlineHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := pair(t, Limits{Operation: time.Hour})
		ended := make(chan error)
		go func() { _, err := b.Read(make([]byte, 1)); ended <- err }()
		synctest.Wait()
		start := time.Now()
		if err := b.SetDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("the waiting read: %v after %s", err, time.Since(start))
		}
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("the next read: %v after %s", err, time.Since(start))
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 0 {
			t.Errorf("the next write: %v after %s", err, time.Since(start))
		}
	})
}

func TestSetOperationCountsFromTheNextOperation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, _ := pair(t, Limits{Operation: time.Minute})
		b.SetOperation(10 * time.Minute)
		start := time.Now()
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 10*time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
}

func TestNoLimitsChangeNothing(t *testing.T) {
	t.Parallel()
	b, far := pair(t, Limits{})
	go func() { _, _ = far.Write([]byte("220 hello\r\n")); _ = far.Close() }()
	got, err := io.ReadAll(b)
	if string(got) != "220 hello\r\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
