package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/relayd/relayd/relay"
)

// copyToSent makes one try at the Sent copy of a message. Whatever comes of it,
// nothing is sent again (promise G5).
func (c *Conductor) copyToSent(ctx context.Context, t task) {
	j, f := c.prepareCopy(ctx, t)
	if f == nil {
		c.sched.done(t, time.Now())
		return
	}
	defer c.jobs.release(t.id, j)
	filed, err := c.fileSafely(ctx, f)
	now := time.Now()
	if err == nil {
		c.sched.learn(t.lane, filed.Trouble == nil, now)
		if filed.Trouble != nil {
			c.sched.slow(t.lane, max(filed.Pause, filed.Trouble.Pause), now)
		}
	}
	c.sched.done(t, now)
	if err != nil {
		j.leave(copyInFlight)
		c.fault(t, "open", err)
		return
	}
	c.concludeCopy(j, &filed)
}

// prepareCopy gives the filing that is due, or nil.
func (c *Conductor) prepareCopy(ctx context.Context, t task) (*job, *relay.Filing) {
	j, err := c.acquire(ctx, t.id)
	if err != nil {
		c.fault(t, "load", err)
		return nil, nil
	}
	defer j.mu.Unlock()
	due := j.s.Copy.Status == relay.CopyPending && !j.s.Copy.Next.After(time.Now())
	if _, busy := j.inFlight[copyInFlight]; busy || !due {
		c.jobs.release(t.id, j)
		return nil, nil
	}
	j.inFlight[copyInFlight] = func() {}
	return j, &relay.Filing{Message: j.m, Account: j.s.Copy.Account, Sent: j.s.Copy.Since}
}

// copyInFlight stands for the Sent copy among the recipients that are in flight.
const copyInFlight = -1

// fileSafely contains a panic: one bad message or mailbox must not stop the others.
func (c *Conductor) fileSafely(ctx context.Context, f *relay.Filing) (filed relay.Filed, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Observer.Fault("copy to Sent", f.Message.ID, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
			filed, err = relay.Filed{Status: relay.CopyPending, Reason: "a fault in relayd"}, nil
		}
	}()
	return c.file(ctx, f)
}

func (c *Conductor) file(ctx context.Context, f *relay.Filing) (relay.Filed, error) {
	content, err := c.o.Store.Open(ctx, f.Message.ID)
	if err != nil {
		return relay.Filed{}, err
	}
	defer content.Close()
	f.Body = content
	return c.o.Filer.File(ctx, f), nil
}

func (c *Conductor) concludeCopy(j *job, filed *relay.Filed) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.inFlight, copyInFlight)
	if j.s == nil {
		return
	}
	now := time.Now()
	s := settleCopy(c.o.CopyBackoff, c.o.Random, now, j.s, filed)
	e := relay.Event{At: now, Kind: relay.EventCopy, Detail: copyDetail(&s.Copy)}
	if c.record(j, s, e) != nil {
		return
	}
	c.o.Observer.Copied(j.m, &s.Copy)
	if s.Done() {
		c.done(j.m, s)
		return
	}
	if s.Copy.Status == relay.CopyPending {
		c.sched.add(taskOf(j.m), laneKey{laneCopy, s.Copy.Account}, s.Copy.Next, now)
	}
}

// settleCopy gives the state after a try at the Sent copy: pure, like settle.
func settleCopy(b Backoff, random func() float64, now time.Time, old *relay.State, filed *relay.Filed) *relay.State {
	s := old.Clone()
	s.Revision++
	k := &s.Copy
	k.Status, k.Folder, k.UID, k.Reason = filed.Status, filed.Folder, filed.UID, filed.Reason
	if filed.Status != relay.CopyPending {
		k.Next = time.Time{}
		return s
	}
	k.Attempts++
	if now.Sub(k.Since) >= b.GiveUpAfter {
		k.Status, k.Next = relay.CopyImpossible, time.Time{}
		k.Reason = "given up after " + b.GiveUpAfter.String() + ": " + filed.Reason
		return s
	}
	k.Next = now.Add(max(b.wait(k.Attempts, random()), filed.Pause))
	return s
}

func copyDetail(k *relay.Copy) string {
	text := k.Status.String()
	if k.Folder != "" {
		text += " in " + k.Folder
	}
	if k.Reason != "" {
		text += ": " + k.Reason
	}
	return text
}
