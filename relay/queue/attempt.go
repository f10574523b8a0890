package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/relayd/relayd/relay"
)

// attempt makes one attempt for the recipients of a message that are due in the
// task's lane.
func (c *Conductor) attempt(ctx context.Context, t task) {
	j, d := c.prepare(ctx, t)
	if d == nil {
		c.sched.done(t, time.Now())
		return
	}
	defer c.jobs.release(t.id, j)
	a := c.deliver(ctx, t, j, d)
	c.tellLane(ctx, t, d, &a)
	c.sched.done(t, time.Now())
	c.conclude(j, d, &a)
}

// prepare decides what the task means now. A nil delivery means: nothing to do in
// this lane, and the job is released.
func (c *Conductor) prepare(ctx context.Context, t task) (*job, *relay.Delivery) {
	j, err := c.acquire(ctx, t.id)
	if err != nil {
		c.fault(t, "load", err)
		return nil, nil
	}
	d := c.planDelivery(ctx, j, t)
	j.mu.Unlock()
	if d == nil {
		c.jobs.release(t.id, j)
	}
	return j, d
}

func (c *Conductor) planDelivery(ctx context.Context, j *job, t task) *relay.Delivery {
	if j.s.Hold != nil || j.holdBy != "" || j.cancelBy != "" {
		return nil
	}
	route, err := c.routeOf(ctx, j.m, j.s)
	if err != nil {
		c.fault(t, "route", err)
		return nil
	}
	due, here := dueIn(j, route, t.lane.key, time.Now())
	switch {
	case !here:
		c.moved(ctx, j)
		return nil
	case route.Kind == relay.RouteHold:
		c.hold(ctx, j, holdOf(route, time.Now()))
		c.aged.at(c.heldUntil(ctx, j))
		return nil
	case len(due) == 0:
		return nil
	}
	d := &relay.Delivery{Message: j.m, Route: route, Recipients: due}
	d.BeforeDot = func(_ context.Context, recipients []int) error { return c.dotSent(j, t.id, route, recipients) }
	for _, i := range due {
		j.inFlight[i] = func() {}
	}
	return d
}

// dueIn gives the recipients whose turn it is in a lane; here is false if some
// recipient waits and none of them waits in this lane any more.
func dueIn(j *job, route relay.Route, key laneKey, now time.Time) (due []int, here bool) {
	waiting := false
	for i := range j.s.Recipients {
		if !j.waits(i) {
			continue
		}
		waiting = true
		if laneOf(route, j.m, i) != key {
			continue
		}
		here = true
		if !j.s.Recipients[i].Next.After(now) {
			due = append(due, i)
		}
	}
	return due, here || !waiting
}

// moved plans the message in the lanes of its new route.
func (c *Conductor) moved(ctx context.Context, j *job) {
	c.plantRecipients(ctx, j.m, j.s, time.Now())
}

// dotSent records that from now on the outcome for these recipients may be
// unknown, and fixes the route. A message that was cancelled meanwhile goes no further.
func (c *Conductor) dotSent(j *job, id relay.ID, route relay.Route, recipients []int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.s == nil {
		return fmt.Errorf("record %q: the state of %s was lost", relay.EventDotSent, id)
	}
	if j.cancelBy != "" {
		return fmt.Errorf("record %q: %s was cancelled", relay.EventDotSent, id)
	}
	s := j.s.Clone()
	s.Revision++
	s.Route, s.RouteFixed = route, true
	markDots(s, recipients)
	return c.record(j, s, relay.Event{At: time.Now(), Kind: relay.EventDotSent, Route: route})
}

// deliver runs the deliverer of the route, or looks an unknown outcome up first.
func (c *Conductor) deliver(ctx context.Context, t task, j *job, d *relay.Delivery) relay.Attempt {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	j.mu.Lock()
	for _, i := range d.Recipients {
		j.inFlight[i] = cancel
	}
	unknown := unknownOf(j, d)
	cancelled := j.cancelBy != ""
	j.mu.Unlock()
	started := time.Now()
	if cancelled {
		return aborted(d, started, 0, "the message was cancelled")
	}
	if d.Route.Kind == relay.RouteReturn {
		return returned(d, started)
	}
	if len(unknown) > 0 {
		if a, known := c.lookUp(ctx, d, unknown); known {
			return a
		}
	}
	content, err := c.o.Store.Open(ctx, d.Message.ID)
	if err != nil {
		c.o.Observer.Fault("open", d.Message.ID, err)
		return aborted(d, started, retryFault, "the content could not be read")
	}
	defer content.Close()
	d.Body = content
	broken := c.mayGiveWay(t, d, cancel)
	a := c.deliverSafely(ctx, d, started)
	if broken() {
		gaveWay(&a)
	}
	return a
}

// mayGiveWay lets the scheduler break the attempt off while it makes a connection.
// broken tells afterwards whether it did.
func (c *Conductor) mayGiveWay(t task, d *relay.Delivery, breakOff func()) (broken func() bool) {
	var last *connecting // an attempt makes one connection after the other
	d.Connecting = func() func() {
		made := c.sched.connect(t, breakOff, time.Now())
		last = made
		return func() { c.sched.connected(made) }
	}
	return func() bool { return last != nil && c.sched.gaveWay(last) }
}

// deliverSafely contains a panic: one bad message must not stop the others.
func (c *Conductor) deliverSafely(ctx context.Context, d *relay.Delivery, started time.Time) (a relay.Attempt) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Observer.Fault("deliver", d.Message.ID, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
			a = deferred(d, started, relay.Local("protocol", "a fault in relayd"))
		}
	}()
	deliverer := c.o.Deliverers[d.Route.Kind]
	if deliverer == nil {
		c.o.Observer.Fault("deliver", d.Message.ID, fmt.Errorf("no deliverer for the route %s", d.Route.Kind))
		return deferred(d, started, relay.Local("protocol", "no deliverer for the route "+d.Route.Kind.String()))
	}
	a = deliverer.Deliver(ctx, d)
	return complete(d, a, started)
}

// complete makes sure that every recipient has a result. One without any got no
// answer; whether its dot had left, settle sees in the state.
func complete(d *relay.Delivery, a relay.Attempt, started time.Time) relay.Attempt {
	has := make(map[int]bool, len(a.Results))
	for i := range a.Results {
		has[a.Results[i].Recipient] = true
	}
	for _, i := range d.Recipients {
		if !has[i] {
			a.Results = append(a.Results, relay.Result{
				Recipient: i, Outcome: relay.Deferred, Reply: relay.Local("protocol", "no result")})
		}
	}
	if a.Started.IsZero() {
		a.Started = started
	}
	if a.Ended.IsZero() {
		a.Ended = time.Now()
	}
	return a
}

func deferred(d *relay.Delivery, started time.Time, reply relay.Reply) relay.Attempt {
	a := relay.Attempt{Started: started, Ended: time.Now()}
	for _, i := range d.Recipients {
		a.Results = append(a.Results, relay.Result{Recipient: i, Outcome: relay.Deferred, Reply: reply})
	}
	return a
}

// aborted is an attempt that was broken off before anything was sent. It counts
// for nothing, and the next one comes after pause.
func aborted(d *relay.Delivery, started time.Time, pause time.Duration, why string) relay.Attempt {
	a := deferred(d, started, relay.Local("connection lost", why))
	a.Trouble = &relay.Trouble{Kind: relay.TroubleAborted, Pause: pause, Hint: why}
	return a
}

// tellLane lets the lane learn from the attempt, before its place is given back.
func (c *Conductor) tellLane(ctx context.Context, t task, d *relay.Delivery, a *relay.Attempt) {
	now := time.Now()
	if a.Trouble == nil {
		c.sched.learn(t.lane, reached(a), now)
		return
	}
	switch a.Trouble.Kind {
	case relay.TroubleSlow:
		trouble := *a.Trouble
		trouble.Pause = c.sched.slow(t.lane, trouble.Pause, t.lane.why(&trouble), now)
		if trouble.ClockStops {
			c.sched.stopClock(t.lane, now.Add(trouble.Pause))
		}
		a.Trouble = &trouble
	case relay.TroublePark:
		if err := c.o.Accounts.Park(context.WithoutCancel(ctx), d.Route.Account, *a.Trouble); err != nil {
			c.o.Observer.Fault("park", d.Message.ID, err)
			c.sched.slow(t.lane, a.Trouble.Pause, t.lane.why(a.Trouble), now) // until it can be parked its lane rests
		}
	}
}

// reached reports whether the peer answered: a reply, good or bad, is an answer.
func reached(a *relay.Attempt) bool {
	for i := range a.Results {
		if r := &a.Results[i]; r.Outcome == relay.Delivered || r.Reply.Code != 0 {
			return true
		}
	}
	return false
}

// conclude records what the attempt meant and plans what follows.
func (c *Conductor) conclude(j *job, d *relay.Delivery, a *relay.Attempt) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range d.Recipients {
		delete(j.inFlight, i)
	}
	if j.s == nil {
		return // recording failed earlier: reload reads what is true
	}
	now := time.Now()
	p := policy{backoff: c.o.Backoff, unknownWait: c.o.UnknownWait, random: c.o.Random, noCopies: c.o.NoCopies}
	s := settle(p, now, j.m, j.s, d.Route, a)
	kind := c.applyControls(j, s, now)
	e := relay.Event{At: now, Kind: relay.EventAttempt, Route: d.Route, Peer: a.Peer, Results: a.Results}
	if a.Trouble != nil {
		e.Detail = a.Trouble.Hint
	}
	if c.record(j, s, e) != nil {
		return
	}
	c.o.Observer.Attempted(j.m, d.Route, a)
	c.observeControls(j, kind)
	c.follow(j, d, now)
}

// follow plans what the newly recorded state asks for.
func (c *Conductor) follow(j *job, d *relay.Delivery, now time.Time) {
	s := j.s
	if s.Done() {
		c.done(j.m, s)
		return
	}
	if s.Hold != nil {
		c.held.add(j.m, s)
	} else {
		c.replant(j, d, now)
	}
	c.plantFollowUps(j.m, s, now)
	c.plantDelay(j.m, s, now)
}

// replant plans the next attempt in the lanes of this one: for its recipients, and for
// those whose time had not come, since the task that ran stood for them as well. Other
// lanes have tasks of their own.
func (c *Conductor) replant(j *job, d *relay.Delivery, now time.Time) {
	ran := make(map[laneKey]bool, 1)
	for _, i := range d.Recipients {
		ran[laneOf(d.Route, d.Message, i)] = true
	}
	next := make(map[laneKey]time.Time, 1)
	for i := range j.s.Recipients {
		key := laneOf(d.Route, d.Message, i)
		if !ran[key] || !j.waits(i) {
			continue
		}
		if at, ok := next[key]; !ok || j.s.Recipients[i].Next.Before(at) {
			next[key] = j.s.Recipients[i].Next
		}
	}
	for key, at := range next {
		c.sched.add(taskOf(d.Message), key, at, now)
	}
}
