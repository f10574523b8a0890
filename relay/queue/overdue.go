package queue

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// overdueEvery is how often relayd looks for messages whose turn does not come.
const overdueEvery = 5 * time.Minute

// watchOverdue looks after messages that wait in lanes that rest: they meet no
// attempt that could plan their delay notice or end them (promise G3).
func (c *Conductor) watchOverdue(ctx context.Context) {
	for waitFor(ctx, overdueEvery) {
		now := time.Now()
		if c.o.DelayAfter > 0 {
			for _, t := range c.sched.untold(now.Add(-c.o.DelayAfter)) {
				c.sched.add(t, laneKey{kind: laneReport}, time.Time{}, now)
			}
		}
		for _, t := range c.sched.acceptedBefore(now.Add(-c.o.Backoff.GiveUpAfter)) {
			if ctx.Err() != nil {
				return
			}
			c.expire(ctx, t)
		}
	}
}

// expire ends the recipients of a message that wait in the task's lane, if the message
// is too old. Their last words stay as they are.
func (c *Conductor) expire(ctx context.Context, t task) {
	j, err := c.acquire(ctx, t.id)
	if err != nil {
		return // its task finds out when its turn comes
	}
	defer c.jobs.release(t.id, j)
	defer j.mu.Unlock()
	now := time.Now()
	if j.s.Hold != nil || j.holdBy != "" || j.attempting() || age(now, j.m, j.s) < c.o.Backoff.GiveUpAfter {
		return
	}
	route, err := c.routeOf(ctx, j.m, j.s)
	if err != nil {
		return
	}
	due, _ := dueIn(j, route, t.lane.key, now)
	if len(due) == 0 {
		return
	}
	a := relay.Attempt{Started: now, Ended: now}
	s := j.s.Clone()
	s.Revision++
	for _, i := range due {
		expireRecipient(j.m, &s.Recipients[i], i)
		a.Results = append(a.Results, relay.Result{Recipient: i, Outcome: relay.Failed, Rule: RuleExpired, Reply: s.Recipients[i].Reply})
	}
	e := relay.Event{At: now, Kind: relay.EventAttempt, Route: route, Results: a.Results, Detail: "given up: its lane rested for too long"}
	if c.record(j, s, e) != nil {
		return
	}
	c.o.Observer.Attempted(j.m, route, &a)
	if s.Done() {
		c.done(j.m, s)
		return
	}
	c.plantFollowUps(j.m, s, now)
}
