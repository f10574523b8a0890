package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Conductor takes messages through their lives. Make one with New, call Load
// before anything is accepted, then Run.
type Conductor struct {
	o     Options
	sched *scheduler
	jobs  jobTable
	held  heldIndex
	ages  ages
	aged  alarm // for held messages whose time comes

	running atomic.Int64 // workers
	workers sync.WaitGroup
	work    context.Context // of attempts; outlives Run's context by Grace
	abort   context.CancelCauseFunc
}

// errStopping ends attempts that outlast the grace at the end.
var errStopping = errors.New("relayd is stopping")

// New makes a Conductor; nothing runs before Run.
func New(o Options) *Conductor {
	o.setDefaults()
	c := &Conductor{o: o, sched: newScheduler(&o), aged: alarm{rings: make(chan struct{}, 1)}}
	c.work, c.abort = context.WithCancelCause(context.Background())
	return c
}

// Load plans every message that waits in the store. It is called once, before Run
// and before anything is Put.
func (c *Conductor) Load(ctx context.Context) error {
	now := time.Now()
	err := c.o.Store.Waiting(ctx, func(m *relay.Message, s *relay.State) bool {
		recoverState(s, now.Add(c.o.UnknownWait))
		c.ages.add(m.ID)
		c.plant(ctx, m, s, now)
		return ctx.Err() == nil
	})
	if err != nil {
		return fmt.Errorf("load the waiting messages: %w", err)
	}
	return ctx.Err()
}

// Put makes a message durable, as store.Queue.Put does, and plans its delivery. It
// is the spool of the accept step and of reports.
func (c *Conductor) Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	id, err := c.o.Store.Put(ctx, m, key, content)
	if err == nil && id == m.ID {
		c.ages.add(id)
		c.plant(ctx, m, relay.NewState(m), time.Now())
	}
	return id, err
}

// Run delivers until ctx is done. Then nothing new begins; what runs may go on for
// Grace, is broken off after that, and Run returns nil when all of it has ended
// and is recorded.
func (c *Conductor) Run(ctx context.Context) error {
	var watchers sync.WaitGroup
	watchers.Go(func() { c.watchAccounts(ctx) })
	watchers.Go(func() { c.watchOverdue(ctx) })
	watchers.Go(func() { c.watchAged(ctx) })
	defer watchers.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(c.startReady())
		select {
		case <-ctx.Done():
			c.drain()
			return nil
		case <-c.sched.wake:
		case <-timer.C:
		}
	}
}

// startReady starts a worker for every task that may run, and returns how long
// nothing will become due by itself.
func (c *Conductor) startReady() time.Duration {
	for c.running.Load() < int64(workersPerAttempt*c.o.Attempts) {
		t, ok, wait := c.sched.next(time.Now())
		if !ok {
			if wait == 0 {
				return time.Hour // nothing waits for its time; a change wakes Run
			}
			return wait
		}
		c.running.Add(1)
		c.workers.Add(1)
		go c.worker(t)
	}
	return time.Hour // a worker that ends wakes Run
}

// workersPerAttempt bounds the workers whose attempt has ended and who only record
// what came of it: on a full disk they wait, while their places are given to others.
const workersPerAttempt = 2

// worker runs tasks as long as there are any.
func (c *Conductor) worker(t task) {
	defer c.workers.Done()
	defer c.sched.signal()
	defer c.running.Add(-1)
	for ok := true; ok; t, ok, _ = c.sched.next(time.Now()) {
		c.run(t)
	}
}

// run takes one task to its end. Each way gives the task's place back as soon as
// the network is no longer needed, while the result is still being recorded.
func (c *Conductor) run(t task) {
	switch t.lane.key.kind {
	case laneCopy:
		c.copyToSent(c.work, t)
	case laneReport:
		c.report(c.work, t)
	case laneReload:
		c.reload(c.work, t)
	default:
		c.attempt(c.work, t)
	}
}

func (c *Conductor) drain() {
	c.sched.close()
	ended := make(chan struct{})
	go func() {
		c.workers.Wait()
		close(ended)
	}()
	grace := time.NewTimer(c.o.Grace)
	defer grace.Stop()
	select {
	case <-ended:
	case <-grace.C:
		c.abort(errStopping)
		<-ended
	}
}

// done notes that nothing is left to do for a message.
func (c *Conductor) done(m *relay.Message, s *relay.State) {
	c.ages.remove(m.ID)
	if s.Hold != nil { // what another lane held has ended after all
		c.held.remove(m, s.Hold)
	}
	c.o.Observer.Done(m, s)
}

// Oldest is when the oldest message that waits was accepted; the zero time if none
// waits.
func (c *Conductor) Oldest() time.Time { return c.ages.oldest() }

// retryFault is how long a task rests after a fault of our own, such as a store
// that cannot be read at the moment.
const retryFault = time.Minute

// fault notes a trouble of our own and plans the task again. A message that is not
// there any more is no fault: its task was a leftover.
func (c *Conductor) fault(t task, step string, err error) {
	if errors.Is(err, store.ErrNotFound) {
		return
	}
	c.o.Observer.Fault(step, t.id, err)
	now := time.Now()
	c.sched.add(task{id: t.id, submitter: t.submitter}, t.lane.key, now.Add(retryFault), now)
}

// record makes a new state durable and then believes it. A full disk is waited
// for, since what happened has happened. After any other error the store alone knows
// what is true: the job is forgotten, and the message is read and planned anew.
func (c *Conductor) record(j *job, s *relay.State, e relay.Event) error {
	ctx := context.WithoutCancel(c.work)
	for {
		err := c.o.Store.Record(ctx, j.m.ID, s, e)
		if err == nil {
			j.s = s
			return nil
		}
		c.o.Observer.Fault("record", j.m.ID, err)
		if !errors.Is(err, store.ErrFull) || !c.pause(retryFull) {
			err = fmt.Errorf("record %q of %s: %w", e.Kind, j.m.ID, err)
			c.reloadLater(j.m, err)
			j.forget()
			return err
		}
	}
}

// retryFull is the pause between tries to record on a full disk.
const retryFull = 5 * time.Second

// pause waits; it reports false if the conductor was told to break off.
func (c *Conductor) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.work.Done():
		return false
	}
}
