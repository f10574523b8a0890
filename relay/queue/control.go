package queue

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// RuleOperator is the rule of a hold that a person asked for.
const RuleOperator = "operator"

// Hold keeps a message until somebody releases it. Attempts that run are not
// broken off; what they leave waiting is held. ErrHeld, ErrSettled, or
// store.ErrNotFound.
func (c *Conductor) Hold(ctx context.Context, id relay.ID, by, reason string) error {
	return c.control(ctx, id, func(j *job) error {
		switch {
		case j.s.Hold != nil:
			return ErrHeld
		case !anyWaiting(j.s):
			return ErrSettled
		case j.attempting():
			j.holdBy, j.holdReason = by, reason
			return nil
		}
		c.hold(ctx, j, operatorHold(by, reason, time.Now()))
		return nil
	})
}

// Release ends any hold of a message: it goes on at once. ErrNotHeld, or
// store.ErrNotFound.
func (c *Conductor) Release(ctx context.Context, id relay.ID, by string) error {
	return c.control(ctx, id, func(j *job) error {
		if j.holdBy != "" {
			j.holdBy, j.holdReason = "", ""
			c.plantRecipients(ctx, j.m, j.s, time.Now())
			return nil
		}
		if j.s.Hold == nil {
			return ErrNotHeld
		}
		return c.release(ctx, j, by)
	})
}

// Retry makes everything that waits of a message due now, and ends the rest of
// its lanes. ErrHeld, ErrSettled, or store.ErrNotFound.
func (c *Conductor) Retry(ctx context.Context, id relay.ID, by string) error {
	return c.control(ctx, id, func(j *job) error {
		switch {
		case j.s.Hold != nil:
			return ErrHeld
		case !anyWaiting(j.s) && j.s.Copy.Status != relay.CopyPending:
			return ErrSettled
		}
		return c.retryNow(ctx, j, by)
	})
}

// Cancel ends a message: recipients that wait get neither the message nor a DSN.
// Attempts whose final dot has not left are broken off. ErrSettled, or
// store.ErrNotFound.
func (c *Conductor) Cancel(ctx context.Context, id relay.ID, by string) error {
	return c.control(ctx, id, func(j *job) error {
		if !anyWaiting(j.s) {
			return ErrSettled
		}
		if j.attempting() {
			j.cancelBy = by
			for _, breakOff := range j.inFlight {
				breakOff()
			}
			return nil
		}
		return c.cancel(j, by)
	})
}

// Held is how many messages are held now.
func (c *Conductor) Held() int { return c.held.count() }

func (c *Conductor) control(ctx context.Context, id relay.ID, do func(*job) error) error {
	j, err := c.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer c.jobs.release(id, j)
	defer j.mu.Unlock()
	return do(j)
}

func (c *Conductor) retryNow(ctx context.Context, j *job, by string) error {
	now := time.Now()
	s := j.s.Clone()
	s.Revision++
	for i := range s.Recipients {
		s.Recipients[i].Next = time.Time{}
	}
	if s.Copy.Status == relay.CopyPending { // the look at a filed copy has its time
		s.Copy.Next = time.Time{}
	}
	if err := c.record(j, s, relay.Event{At: now, Kind: relay.EventRetry, By: by}); err != nil {
		return err
	}
	// Planned first: where this message is the oldest of a lane that rests, no other one
	// of it runs before.
	c.plant(ctx, j.m, s, now)
	if route, err := c.routeOf(ctx, j.m, s); err == nil {
		for i := range s.Recipients {
			c.sched.endRest(laneOf(route, j.m, i), now)
		}
	}
	c.sched.endRest(laneKey{laneCopy, s.Copy.Account}, now)
	return nil
}

func (c *Conductor) cancel(j *job, by string) error {
	s := j.s.Clone()
	s.Revision++
	held := s.Hold
	s.Hold = nil
	cancelWaiting(s, time.Now())
	if err := c.record(j, s, relay.Event{At: time.Now(), Kind: relay.EventCancelled, By: by}); err != nil {
		return err
	}
	if held != nil {
		c.held.remove(j.m, held)
	}
	c.o.Observer.Cancelled(j.m, by)
	if s.Done() {
		c.done(j.m, s)
	}
	return nil
}

func cancelWaiting(s *relay.State, now time.Time) {
	for i := range s.Recipients {
		if r := &s.Recipients[i]; !r.Outcome.Final() {
			r.Outcome, r.DotSent, r.Reported, r.At = relay.Cancelled, false, true, now
		}
	}
}

func anyWaiting(s *relay.State) bool {
	for i := range s.Recipients {
		if !s.Recipients[i].Outcome.Final() {
			return true
		}
	}
	return false
}

func operatorHold(by, reason string, now time.Time) relay.Hold {
	if reason == "" {
		reason = "held by " + by
	}
	return relay.Hold{Reason: reason, Rule: RuleOperator, By: by, Since: now}
}

// applied says which waiting controls an ended attempt has carried out.
type applied struct{ holdBy, cancelBy string }

// applyControls carries out what a person asked for while attempts ran, once the
// last of them has ended. The caller records s.
func (c *Conductor) applyControls(j *job, s *relay.State, now time.Time) applied {
	var done applied
	if j.attempting() {
		return done
	}
	if j.cancelBy != "" {
		cancelWaiting(s, now)
		done.cancelBy, j.cancelBy = j.cancelBy, ""
	}
	if j.holdBy != "" && anyWaiting(s) && s.Hold == nil {
		h := operatorHold(j.holdBy, j.holdReason, now)
		s.Hold = &h
		done.holdBy = j.holdBy
	}
	j.holdBy, j.holdReason = "", ""
	return done
}

func (c *Conductor) observeControls(j *job, done applied) {
	if done.cancelBy != "" {
		c.o.Observer.Cancelled(j.m, done.cancelBy)
	}
	if j.s.Hold != nil {
		c.o.Observer.Held(j.m, j.s.Hold)
	}
}
