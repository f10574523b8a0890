package queue

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

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
		c.aged.ring() // it may be a policy that changed, and with it the time
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

// reconsider releases what no longer needs to be held.
func (c *Conductor) reconsider(ctx context.Context) {
	for _, key := range c.held.keys() {
		if c.anyFree(ctx, key) {
			c.releaseAll(ctx, c.held.of(key))
		}
	}
}

// anyFree reports whether the router would no longer hold some of the messages under a
// key. They share their reason, so the oldest that can be read answers for all. A
// message whose route is fixed says nothing about others: it alone cannot go another
// way. So such messages are asked only where there are no others.
func (c *Conductor) anyFree(ctx context.Context, key string) bool {
	for _, id := range c.held.oldest(key, releaseAtOnce) {
		if free, read := c.free(ctx, id); read {
			return free
		}
	}
	for _, id := range c.held.fixed(key) {
		if free, _ := c.free(ctx, id); free {
			return true
		}
	}
	return false
}

// free reports whether the router would no longer hold the message, and whether the
// message could be read at all.
func (c *Conductor) free(ctx context.Context, id relay.ID) (free, read bool) {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return false, false
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	return c.isFree(ctx, j), true
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

// releaseAll releases messages in their order, and tells how many it released. Those of
// a group share flushes; they go to their lanes in their order, when all of them are
// recorded, so that the oldest is always the first to be sent.
func (c *Conductor) releaseAll(ctx context.Context, ids []relay.ID) (released int) {
	for group := range slices.Chunk(ids, releaseAtOnce) {
		if ctx.Err() != nil {
			break
		}
		free := make([]freed, len(group))
		var recording sync.WaitGroup
		for i, id := range group {
			recording.Go(func() { free[i] = c.releaseOne(ctx, id) })
		}
		recording.Wait()
		for _, f := range free {
			if f.m != nil {
				c.plantRecipients(ctx, f.m, f.s, time.Now())
				released++
			}
		}
	}
	return released
}

// freed is a message whose hold has ended, as it was recorded; zero if it has not.
type freed struct {
	m *relay.Message
	s *relay.State
}

func (c *Conductor) releaseOne(ctx context.Context, id relay.ID) freed {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return freed{}
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	if !c.isFree(ctx, j) || c.endHold(j, "") != nil { // record has told the observer of a failure
		return freed{}
	}
	return freed{j.m, j.s}
}

func (c *Conductor) releaseIfFree(ctx context.Context, j *job) {
	if c.isFree(ctx, j) {
		_ = c.release(ctx, j, "") // record has told the observer of a failure
	}
}
