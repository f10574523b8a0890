package queue

import (
	"context"
	"sync"
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
	c.held.add(j.m, &h)
	c.o.Observer.Held(j.m, &h)
	c.releaseIfFree(ctx, j) // the reason may have gone while the hold was recorded
}

// release ends a hold. The time that it lasted is not part of the message's age.
// The caller holds the job.
func (c *Conductor) release(ctx context.Context, j *job, by string) error {
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
	c.plantRecipients(ctx, j.m, j.s, now)
	return nil
}

// heldIndex finds held messages by what can release them. Those that only a person
// releases stand under the empty key.
type heldIndex struct {
	mu  sync.Mutex
	ids map[string]map[relay.ID]struct{}
}

func (x *heldIndex) add(m *relay.Message, h *relay.Hold) {
	key := heldKey(m, h)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ids == nil {
		x.ids = make(map[string]map[relay.ID]struct{})
	}
	if x.ids[key] == nil {
		x.ids[key] = make(map[relay.ID]struct{})
	}
	x.ids[key][m.ID] = struct{}{}
}

func (x *heldIndex) remove(m *relay.Message, h *relay.Hold) {
	key := heldKey(m, h)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.ids[key], m.ID)
	if len(x.ids[key]) == 0 {
		delete(x.ids, key)
	}
}

func (x *heldIndex) keys() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := make([]string, 0, len(x.ids))
	for key := range x.ids {
		if key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// count is how many messages are held, for whatever reason.
func (x *heldIndex) count() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, ids := range x.ids {
		n += len(ids)
	}
	return n
}

// of gives the messages under a key, oldest first.
func (x *heldIndex) of(key string) []relay.ID {
	x.mu.Lock()
	defer x.mu.Unlock()
	ids := make([]relay.ID, 0, len(x.ids[key]))
	for id := range x.ids[key] {
		ids = append(ids, id)
	}
	sortIDs(ids)
	return ids
}
