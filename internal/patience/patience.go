// Package patience ends attempts, but not between a final dot and its answer.
//
// Before its dot an attempt can be broken off at any time, and counts for nothing.
// Behind it only the peer knows what became of the message: breaking off would make a
// known outcome unknown, and an unknown outcome is where duplicates come from.
//
// One attempt:
//  1. Start gives it a context that ends with the caller's, after Timeout, or by BreakOff;
//  2. Commit, before the dot leaves, keeps the context open until Answered;
//  3. if the caller's context ends meanwhile, the answer has Grace to come;
//  4. End gives everything back.
package patience

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options are the limits of an attempt; both are needed.
type Options struct {
	// Timeout is how long the attempt may take before its first dot. It bounds a peer
	// that answers just in time, again and again.
	Timeout time.Duration
	// Grace is how long the answer to a final dot is still waited for after the
	// caller's context ended.
	Grace time.Duration
}

// Attempt is one attempt that can be broken off. Its methods may be called
// concurrently.
type Attempt struct {
	cancel context.CancelCauseFunc
	unlink func() bool
	grace  time.Duration

	mu        sync.Mutex
	committed bool  // a dot is about to leave or has left, and its answer is not here
	reason    error // why the attempt is to end
	timer     *time.Timer
	overtime  *time.Timer
	ended     bool
}

// Start begins an attempt. Its context carries parent's values and ends with parent,
// but not between Commit and Answered. End must be called.
func Start(parent context.Context, o Options) (*Attempt, context.Context) {
	a := &Attempt{grace: o.Grace}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	a.cancel = cancel
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = time.AfterFunc(o.Timeout, func() { a.BreakOff(context.DeadlineExceeded) })
	a.unlink = context.AfterFunc(parent, func() {
		a.BreakOff(fmt.Errorf("the attempt was given up: %w", context.Cause(parent)))
		a.startGrace()
	})
	return a, ctx
}

// Commit opens the time in which the attempt is not broken off. It fails if it was
// already: then the dot must not leave.
func (a *Attempt) Commit() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reason != nil {
		return a.reason
	}
	a.committed = true
	return nil
}

// Answered closes it again: the answer is here, or will not come.
func (a *Attempt) Answered() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.committed = false
	if a.reason != nil {
		a.cancel(a.reason)
	}
}

// BreakOff ends the attempt for a reason, now or when the answer to its dot is here.
// The first reason stands.
func (a *Attempt) BreakOff(reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reason == nil {
		a.reason = reason
	}
	if !a.committed {
		a.cancel(a.reason)
	}
}

// startGrace ends even the wait for an answer, after a while.
func (a *Attempt) startGrace() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		a.overtime = time.AfterFunc(a.grace, func() { a.cancel(context.DeadlineExceeded) })
	}
}

// BrokenOff reports whether the attempt ended for a reason that is not the peer's: the
// timeout is the peer's.
func (a *Attempt) BrokenOff() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reason != nil && !errors.Is(a.reason, context.DeadlineExceeded)
}

// End gives back what Start took. The attempt's context is done after it.
func (a *Attempt) End() {
	a.unlink()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.timer.Stop()
	if a.overtime != nil {
		a.overtime.Stop()
	}
	a.cancel(nil)
}
