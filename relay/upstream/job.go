package upstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// errBrokenOff is why an attempt ended that CloseAccount broke off.
var errBrokenOff = errors.New("the account was closed")

// jobs are the attempts under way, by account.
type jobs struct {
	mu sync.Mutex
	of map[string]map[*job]struct{}
}

func newJobs() jobs { return jobs{of: make(map[string]map[*job]struct{})} }

// start opens a job. Its context ends with parent, but not between a dot and its
// answer. end must be called.
func (j *jobs) start(parent context.Context, account string, timeout, grace time.Duration) (*job, context.Context) {
	b := &job{grace: grace}
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(parent))
	b.cancel = cancel
	b.ctx = ctx
	b.timer = time.AfterFunc(timeout, func() { b.breakOff(context.DeadlineExceeded) })
	b.unlink = context.AfterFunc(parent, func() {
		b.breakOff(fmt.Errorf("the attempt was given up: %w", context.Cause(parent)))
		b.startGrace()
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.of[account] == nil {
		j.of[account] = make(map[*job]struct{})
	}
	j.of[account][b] = struct{}{}
	return b, ctx
}

func (j *jobs) end(account string, b *job) {
	j.mu.Lock()
	delete(j.of[account], b)
	if len(j.of[account]) == 0 {
		delete(j.of, account)
	}
	j.mu.Unlock()
	b.end()
}

// breakOff breaks off all jobs of an account.
func (j *jobs) breakOff(account string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for b := range j.of[account] {
		b.breakOff(errBrokenOff)
	}
}

// job is one attempt: it can be broken off at any time but between a dot and its
// answer.
type job struct {
	ctx    context.Context //nolint:containedctx // the job is the owner of this context
	cancel context.CancelCauseFunc
	unlink func() bool
	grace  time.Duration

	mu        sync.Mutex
	committed bool  // a dot is about to leave or has left, and its answer is not here
	reason    error // why the job is to end
	timer     *time.Timer
	overtime  *time.Timer
	ended     bool
}

// commit opens the time in which the job is not broken off. It fails if it was
// already.
func (b *job) commit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason != nil {
		return b.reason
	}
	b.committed = true
	return nil
}

// answered closes it again.
func (b *job) answered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.committed = false
	if b.reason != nil {
		b.cancel(b.reason)
	}
}

func (b *job) breakOff(reason error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason == nil {
		b.reason = reason
	}
	if !b.committed {
		b.cancel(b.reason)
	}
}

// startGrace ends even the wait for an answer, after a while.
func (b *job) startGrace() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.overtime = time.AfterFunc(b.grace, func() { b.cancel(context.DeadlineExceeded) })
	}
}

// brokenOff reports whether the job ended for a reason that is not the peer's.
func (b *job) brokenOff() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason != nil && !errors.Is(b.reason, context.DeadlineExceeded)
}

func (b *job) end() {
	b.unlink()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.timer.Stop()
	if b.overtime != nil {
		b.overtime.Stop()
	}
	b.cancel(nil)
}
