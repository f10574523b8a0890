package queue

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/relayd/relayd/relay"
)

// copyToSent makes one try at the Sent copy of a message, or looks after one that was
// filed. Whatever comes of it, nothing is sent again (promise G5).
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
			c.sched.slow(t.lane, max(filed.Pause, filed.Trouble.Pause), t.lane.why(filed.Trouble), now)
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
	due := !j.s.Copy.Settled() && !j.s.Copy.Next.After(time.Now())
	if _, busy := j.inFlight[copyInFlight]; busy || !due {
		c.jobs.release(t.id, j)
		return nil, nil
	}
	j.inFlight[copyInFlight] = func() {}
	return j, filingOf(j.m, j.s)
}

// filingOf is what the copy of a message asks for now.
func filingOf(m *relay.Message, s *relay.State) *relay.Filing {
	f := &relay.Filing{Message: m, Account: s.Copy.Account, Sent: s.Copy.Since, Way: s.Copy.Way, Reply: firstAccepted(s)}
	if s.Copy.Status == relay.CopyFiled {
		filed := s.Copy
		f.Filed = &filed
	}
	return f
}

// firstAccepted is the answer that made the copy due.
func firstAccepted(s *relay.State) (reply relay.Reply) {
	var first time.Time
	for i := range s.Recipients {
		if r := &s.Recipients[i]; r.Outcome == relay.Delivered && (first.IsZero() || r.At.Before(first)) {
			first, reply = r.At, r.Reply
		}
	}
	return reply
}

// copyInFlight stands for the Sent copy among the recipients that are in flight.
const copyInFlight = -1

// fileSafely contains a panic: one bad message or mailbox must not stop the others.
func (c *Conductor) fileSafely(ctx context.Context, f *relay.Filing) (filed relay.Filed, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.o.Observer.Fault("copy to Sent", f.Message.ID, fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
			filed, err = relay.Filed{Status: relay.CopyPending, Reason: "a fault in relayd"}, nil
			if k := f.Filed; k != nil { // it lies where it lies
				filed = relay.Filed{Status: k.Status, Folder: k.Folder, UID: k.UID, Validity: k.Validity, Reason: k.Reason}
			}
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
	changed := copyChanged(&j.s.Copy, &s.Copy)
	e := relay.Event{At: now, Kind: relay.EventCopy, Detail: copyDetail(&s.Copy)}
	if !changed {
		e.Kind = relay.EventCopyKept
	}
	if c.record(j, s, e) != nil {
		return
	}
	if changed {
		c.o.Observer.Copied(j.m, &s.Copy)
	}
	if s.Done() {
		c.done(j.m, s)
		return
	}
	c.plantCopy(j.m, s, now)
}

// copyChanged reports whether something happened to a copy that people want to know:
// every try does, but not a look at a filed copy that found it as it was.
func copyChanged(old, k *relay.Copy) bool {
	return old.Status != relay.CopyFiled || k.Status != old.Status || k.Folder != old.Folder || k.UID != old.UID
}

// settleCopy gives the state after a try at the Sent copy: pure, like settle.
func settleCopy(b Backoff, random func() float64, now time.Time, old *relay.State, filed *relay.Filed) *relay.State {
	s := old.Clone()
	s.Revision++
	k := &s.Copy
	k.Status, k.Folder, k.UID, k.Validity, k.Reason = filed.Status, filed.Folder, filed.UID, filed.Validity, filed.Reason
	k.Next = time.Time{}
	tooOld := now.Sub(k.Since) >= b.GiveUpAfter
	switch {
	case k.Status == relay.CopyFiled && filed.Recheck > 0 && !tooOld:
		k.Next = now.Add(filed.Recheck)
	case k.Status != relay.CopyPending:
	case tooOld:
		k.Attempts++
		k.Status = relay.CopyImpossible
		k.Reason = "given up after " + b.GiveUpAfter.String() + ": " + filed.Reason
	default:
		k.Attempts++
		k.Next = now.Add(max(b.wait(k.Attempts, random()), filed.Pause))
	}
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
