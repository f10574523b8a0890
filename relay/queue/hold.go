package queue

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// hold records that the message waits as a whole. The caller holds the job.
func (c *Conductor) hold(ctx context.Context, j *job, h relay.Hold) {
	s := j.s.Clone()
	s.Revision++
	s.Hold = &h
	if !s.RouteFixed {
		s.Route = relay.Route{Kind: relay.RouteHold, Account: h.Account, Rule: h.Rule, Reason: h.Reason}
	}
	e := relay.Event{At: h.Since, Kind: relay.EventHeld, By: h.By, Route: s.Route, Detail: h.Reason}
	if c.record(j, s, e) != nil {
		return
	}
	c.held.add(j.m, s)
	c.o.Observer.Held(j.m, &h)
	c.releaseIfFree(ctx, j) // the reason may have gone while the hold was recorded
}

// release ends a hold, and plans what follows. The caller holds the job.
func (c *Conductor) release(ctx context.Context, j *job, by string) error {
	if err := c.endHold(j, by); err != nil {
		return err
	}
	c.plantRecipients(ctx, j.m, j.s, time.Now())
	return nil
}

// endHold records that a hold has ended. The time that it lasted is not part of the
// message's age. The caller holds the job.
func (c *Conductor) endHold(j *job, by string) error {
	now := time.Now()
	s := j.s.Clone()
	s.Revision++
	ended := s.Hold
	s.HeldFor += max(now.Sub(ended.Since), 0)
	s.Hold = nil
	for i := range s.Recipients {
		if !s.Recipients[i].Outcome.Final() {
			s.Recipients[i].Next = time.Time{}
		}
	}
	if err := c.record(j, s, relay.Event{At: now, Kind: relay.EventReleased, By: by}); err != nil {
		return err
	}
	c.held.remove(j.m, ended)
	c.o.Observer.Released(j.m, by)
	return nil
}

// Waiting is how many messages are held for an account.
func (c *Conductor) Waiting(account string) int { return c.held.countOf(accountKey(account)) }
