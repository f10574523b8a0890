package queue

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// Waits tells, for each lane in which the message waits, what stands in its way now.
// Where its own next time has not come, or the message is held or done, its state says
// all there is to say. m and s are as the store gives them.
func (c *Conductor) Waits(ctx context.Context, m *relay.Message, s *relay.State) (waits []relay.Wait) {
	if s.Hold != nil {
		return nil
	}
	route, err := c.routeOf(ctx, m, s)
	if err != nil {
		return nil // the task meets the same, and the log tells
	}
	now := time.Now()
	busy, underWay := c.underWay(m.ID)
	seen := make(map[laneKey]bool, 1)
	for i := range s.Recipients {
		r := &s.Recipients[i]
		key := laneOf(route, m, i)
		if r.Outcome.Final() || seen[key] {
			continue
		}
		seen[key] = true
		w := relay.Wait{Lane: key.String(), Reason: "an attempt is under way"}
		if !busy && !underWay[i] {
			if r.Next.After(now) {
				continue
			}
			w.Reason, w.Until = c.sched.standing(key, now)
		}
		waits = append(waits, w)
	}
	return waits
}

// underWay tells for which recipients of a message attempts are under way. busy means
// that its state is changing at this moment.
func (c *Conductor) underWay(id relay.ID) (busy bool, of map[int]bool) {
	j := c.jobs.peek(id)
	if j == nil {
		return false, nil
	}
	if !j.mu.TryLock() {
		return true, nil // it may be held for long, on a full disk
	}
	defer j.mu.Unlock()
	of = make(map[int]bool, len(j.inFlight))
	for i := range j.inFlight {
		of[i] = true
	}
	return false, of
}

// standing says why a task that waits in a lane does not run, and until when if that
// is known.
func (s *scheduler) standing(key laneKey, now time.Time) (why string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[key]
	switch {
	case l == nil:
		return "its turn is about to come", time.Time{}
	case now.Before(l.restUntil):
		return "sending rests: " + l.resting, l.restUntil
	case l.active > 0:
		return "attempts for other messages are under way", time.Time{}
	}
	return "it waits for its turn", time.Time{}
}
