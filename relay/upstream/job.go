package upstream

import (
	"context"
	"errors"
	"sync"

	"github.com/relayd/relayd/internal/patience"
)

// errBrokenOff is why an attempt ended that CloseAccount broke off.
var errBrokenOff = errors.New("the account was closed")

// jobs are the attempts under way, by account.
type jobs struct {
	limits patience.Options

	mu sync.Mutex
	of map[string]map[*patience.Attempt]struct{}
}

func newJobs(limits patience.Options) *jobs {
	return &jobs{limits: limits, of: make(map[string]map[*patience.Attempt]struct{})}
}

// start opens a job of an account. end must be called.
func (j *jobs) start(parent context.Context, account string) (*patience.Attempt, context.Context) {
	b, ctx := patience.Start(parent, j.limits)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.of[account] == nil {
		j.of[account] = make(map[*patience.Attempt]struct{})
	}
	j.of[account][b] = struct{}{}
	return b, ctx
}

func (j *jobs) end(account string, b *patience.Attempt) {
	j.mu.Lock()
	delete(j.of[account], b)
	if len(j.of[account]) == 0 {
		delete(j.of, account)
	}
	j.mu.Unlock()
	b.End()
}

// breakOff breaks off all jobs of an account.
func (j *jobs) breakOff(account string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for b := range j.of[account] {
		b.BreakOff(errBrokenOff)
	}
}
