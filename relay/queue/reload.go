package queue

import (
	"context"
	"errors"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// reloadLater plans to read a message again whose change could not be recorded, so
// that it does not lie in the store without a task (promise G3). After a failed flush
// nothing is planned: the program ends, and the next one reads everything.
func (c *Conductor) reloadLater(m *relay.Message, err error) {
	if errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrNotFound) {
		return
	}
	now := time.Now()
	c.sched.add(taskOf(m), laneKey{kind: laneReload}, now.Add(retryFault), now)
}

// reload plans a message from what the store says of it.
func (c *Conductor) reload(ctx context.Context, t task) {
	defer func() { c.sched.done(t, time.Now()) }()
	j, err := c.acquire(ctx, t.id)
	if err != nil {
		c.fault(t, "load", err)
		return
	}
	defer c.jobs.release(t.id, j)
	defer j.mu.Unlock()
	c.plant(ctx, j.m, j.s, time.Now())
}
