package queue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// job is a message with work under way. Several tasks of one message share it, so
// that its state has one writer at a time.
type job struct {
	mu       sync.Mutex
	refs     int // belongs to the table's lock
	m        *relay.Message
	s        *relay.State // the newest recorded state; never changed in place
	inFlight map[int]context.CancelFunc

	holdBy, holdReason string // a person's hold that waits for attempts to end
	cancelBy           string // a person's cancel that waits for attempts to end
}

// forget makes the next user of the job load it anew.
func (j *job) forget() { j.m, j.s = nil, nil }

// jobTable finds the job of a message.
type jobTable struct {
	mu   sync.Mutex
	jobs map[relay.ID]*job
}

// acquire gives the job of a message, loaded and locked. The caller unlocks mu and
// calls release.
func (c *Conductor) acquire(ctx context.Context, id relay.ID) (*job, error) {
	j := c.jobs.take(id)
	j.mu.Lock()
	if j.m != nil {
		return j, nil
	}
	m, s, err := c.o.Store.Get(ctx, id)
	if err != nil {
		j.mu.Unlock()
		c.jobs.release(id, j)
		return nil, fmt.Errorf("load %s: %w", id, err)
	}
	recoverState(s, time.Time{})
	j.m, j.s = m, s
	return j, nil
}

func (t *jobTable) take(id relay.ID) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.jobs == nil {
		t.jobs = make(map[relay.ID]*job)
	}
	j := t.jobs[id]
	if j == nil {
		j = &job{inFlight: make(map[int]context.CancelFunc)}
		t.jobs[id] = j
	}
	j.refs++
	return j
}

// peek gives the job of a message if there is one; the caller does not own it.
func (t *jobTable) peek(id relay.ID) *job {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.jobs[id]
}

func (t *jobTable) release(id relay.ID, j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if j.refs--; j.refs == 0 {
		delete(t.jobs, id)
	}
}

// recoverState makes plain what a crash left open: a dot was sent and nothing is
// known of the answer. It rests until the time given before it is looked up or
// sent again.
func recoverState(s *relay.State, until time.Time) {
	for i := range s.Recipients {
		r := &s.Recipients[i]
		if r.DotSent && !r.Outcome.Final() && r.Outcome != relay.Unknown {
			r.Outcome = relay.Unknown
			if r.Next.Before(until) {
				r.Next = until
			}
		}
	}
}

// leave notes that nobody works at i any more, without any news of it.
func (j *job) leave(i int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.inFlight, i)
}

// attempting reports whether an attempt for some recipient is under way.
func (j *job) attempting() bool {
	for i := range j.inFlight {
		if i != copyInFlight {
			return true
		}
	}
	return false
}

// waits reports whether something is still to be done for recipient i, and nobody
// is doing it.
func (j *job) waits(i int) bool {
	_, busy := j.inFlight[i]
	return !busy && !j.s.Recipients[i].Outcome.Final()
}
