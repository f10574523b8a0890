package queue

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

func sortIDs(ids []relay.ID) {
	slices.SortFunc(ids, func(a, b relay.ID) int { return bytes.Compare(a[:], b[:]) })
}

// settleChanges is how long changes of accounts are gathered before held mail is
// looked at again: an import of a thousand accounts is one look.
const settleChanges = 200 * time.Millisecond

// releaseAtOnce is how many messages are released at one time, so that their
// records share flushes.
const releaseAtOnce = 32

// watchAccounts looks at held mail again whenever an account, a user or an
// organisation changes.
func (c *Conductor) watchAccounts(ctx context.Context) {
	for ctx.Err() == nil {
		changed := c.o.Accounts.Changed()
		c.reconsider(ctx)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		if !waitFor(ctx, settleChanges) {
			return
		}
	}
}

func waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// reconsider releases what no longer needs to be held. All messages under one key
// share their reason, so the router is asked for the oldest of each.
func (c *Conductor) reconsider(ctx context.Context) {
	for _, key := range c.held.keys() {
		if ids := c.held.of(key); c.anyFree(ctx, ids) {
			c.releaseAll(ctx, ids)
		}
	}
}

// anyFree reports whether the router would no longer hold some of the messages. A
// message whose route is fixed says nothing about the others: it alone cannot go
// another way.
func (c *Conductor) anyFree(ctx context.Context, ids []relay.ID) bool {
	for _, id := range ids {
		if free, fixed := c.free(ctx, id); free || !fixed {
			return free
		}
	}
	return false
}

// free reports whether the router would no longer hold the message, and whether its
// route is fixed. One that cannot be read counts as fixed: the next one is asked.
func (c *Conductor) free(ctx context.Context, id relay.ID) (free, fixed bool) {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return false, true
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	return c.isFree(ctx, j), j.s.RouteFixed
}

// isFree reports whether relayd itself holds the message without a reason. The caller
// holds the job.
func (c *Conductor) isFree(ctx context.Context, j *job) bool {
	if j.s.Hold == nil || heldKey(j.m, j.s.Hold) == "" {
		return false
	}
	route, err := c.routeOf(ctx, j.m, j.s)
	return err == nil && route.Kind != relay.RouteHold
}

// releaseAll releases messages in their order, as far as sharing flushes allows.
func (c *Conductor) releaseAll(ctx context.Context, ids []relay.ID) {
	var running sync.WaitGroup
	places := make(chan struct{}, releaseAtOnce)
	for _, id := range ids {
		if ctx.Err() != nil {
			break
		}
		places <- struct{}{}
		running.Go(func() {
			defer func() { <-places }()
			c.releaseOne(ctx, id)
		})
	}
	running.Wait()
}

func (c *Conductor) releaseOne(ctx context.Context, id relay.ID) {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	c.releaseIfFree(ctx, j)
}

func (c *Conductor) releaseIfFree(ctx context.Context, j *job) {
	if c.isFree(ctx, j) {
		_ = c.release(ctx, j, "") // record has told the observer of a failure
	}
}
