package queue

import (
	"context"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// How often it is looked whether the time of held messages has come: in time, as far as
// the router told it, but not more often than agedPause, and at least every agedEvery.
const (
	agedPause = time.Second
	agedEvery = 5 * time.Minute
)

// watchAged looks after held messages: an organisation's policy may end a hold by time
// alone.
func (c *Conductor) watchAged(ctx context.Context) {
	timer := time.NewTimer(agedPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.aged.rings:
		case <-timer.C:
		}
		c.aged.set(time.Time{}) // what is held from now on sets it again
		wait := agedEvery
		if next := c.releaseAged(ctx); !next.IsZero() {
			c.aged.set(next)
			wait = min(wait, time.Until(next))
		}
		timer.Reset(max(wait, agedPause))
	}
}

// releaseAged releases what has waited for as long as its organisation wants, and tells
// when the next of it will have; zero: never. Older mail is due first, so for each
// account one look at the oldest tells whether anything is; what is due is released
// until one is not.
func (c *Conductor) releaseAged(ctx context.Context) (next time.Time) {
	for _, key := range c.held.keys() {
		for ctx.Err() == nil {
			ids := c.held.oldest(key, releaseAtOnce)
			if len(ids) == 0 {
				break
			}
			free, until := c.freeOrUntil(ctx, ids[0])
			if !free {
				next = earlier(next, until)
				break
			}
			if c.releaseAll(ctx, ids) < len(ids) {
				// The others are due later, or could not be recorded: both show at the next look.
				next = earlier(next, time.Now().Add(agedPause))
				break
			}
		}
	}
	return next
}

// freeOrUntil is free; of a message that is still held it tells when time alone ends
// that, zero if it never does.
func (c *Conductor) freeOrUntil(ctx context.Context, id relay.ID) (free bool, until time.Time) {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return false, time.Time{}
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	if c.isFree(ctx, j) {
		return true, time.Time{}
	}
	return false, c.heldUntil(ctx, j)
}

// heldUntil is when time alone ends the hold of a message; zero if it never does, and
// where the router cannot tell: then it is found at an ordinary look. The caller holds
// the job.
func (c *Conductor) heldUntil(ctx context.Context, j *job) time.Time {
	if j.s == nil || j.s.Hold == nil || j.s.RouteFixed || heldKey(j.m, j.s.Hold) == "" {
		return time.Time{}
	}
	until, err := c.o.Router.Until(ctx, j.m)
	if err != nil {
		return time.Time{}
	}
	return until
}

// earlier gives the earlier of two moments, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// alarm rings when somebody must look earlier than he planned to.
type alarm struct {
	rings chan struct{}

	mu   sync.Mutex
	next time.Time // when he looks anyhow, as far as is known; zero: it is not
}

// set notes when he looks.
func (a *alarm) set(next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = next
}

// at rings if a moment comes before his next look.
func (a *alarm) at(moment time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if moment.IsZero() || !a.next.IsZero() && !moment.Before(a.next) {
		return
	}
	a.next = moment
	a.ring()
}

func (a *alarm) ring() {
	select {
	case a.rings <- struct{}{}:
	default: // it rings already
	}
}
