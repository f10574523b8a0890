package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// report makes the DSNs and the notice that a message owes.
func (c *Conductor) report(ctx context.Context, t task) {
	defer func() { c.sched.done(t, time.Now()) }()
	j, err := c.acquire(ctx, t.id)
	if err != nil {
		c.fault(t, "load", err)
		return
	}
	defer c.jobs.release(t.id, j)
	defer j.mu.Unlock()
	made := false
	for _, kind := range []relay.ReportKind{relay.ReportFailure, relay.ReportSuccess, relay.ReportDelay} {
		recipients := c.owed(j, kind, time.Now())
		if len(recipients) == 0 {
			continue
		}
		if err := c.reportOne(ctx, j, recipients, kind); err != nil {
			c.fault(t, "report", err)
			return
		}
		made = true
	}
	if made && j.s.Done() {
		c.done(j.m, j.s)
	}
}

// owed gives the recipients that a report of this kind is due for.
func (c *Conductor) owed(j *job, kind relay.ReportKind, now time.Time) []int {
	if kind == relay.ReportDelay && (j.s.DelayTold || j.s.Hold != nil || c.o.DelayAfter == 0 || age(now, j.m, j.s) < c.o.DelayAfter) {
		return nil
	}
	var recipients []int
	for i := range j.s.Recipients {
		if owes(j.m, &j.s.Recipients[i], i, kind) {
			recipients = append(recipients, i)
		}
	}
	return recipients
}

func owes(m *relay.Message, r *relay.RecipientState, i int, kind relay.ReportKind) bool {
	switch kind {
	case relay.ReportFailure:
		return r.Outcome == relay.Failed && !r.Reported
	case relay.ReportSuccess:
		return r.Outcome == relay.Delivered && !r.Reported
	}
	return !r.Outcome.Final() && owesReport(m, i, relay.ReportDelay)
}

// reportOne puts the report into the queue first and records it then. A crash in
// between makes the same report again, under the same ID, which the queue refuses.
func (c *Conductor) reportOne(ctx context.Context, j *job, recipients []int, kind relay.ReportKind) error {
	content, err := c.o.Store.Open(ctx, j.m.ID)
	if err != nil {
		return fmt.Errorf("open %s: %w", j.m.ID, err)
	}
	defer content.Close()
	id, err := c.o.Reporter.Report(ctx, j.m, j.s, recipients, kind, content)
	if err != nil {
		return err
	}
	s := j.s.Clone()
	s.Revision++
	if kind == relay.ReportDelay {
		s.DelayTold = true
	} else {
		for _, i := range recipients {
			s.Recipients[i].Reported = true
		}
	}
	e := relay.Event{At: time.Now(), Kind: relay.EventReport, Detail: kind.String()}
	if !id.IsZero() {
		e.Detail += " " + id.String()
	}
	if err := c.record(j, s, e); err != nil {
		return err
	}
	c.o.Observer.Reported(j.m, kind, id)
	return nil
}

// plantDelay plans the delay notice when a message is deferred for the first time,
// and whenever it is overdue. A message that meets no attempt is found by watchOverdue.
func (c *Conductor) plantDelay(m *relay.Message, s *relay.State, now time.Time) {
	if c.o.DelayAfter == 0 || s.DelayTold || s.Hold != nil {
		return
	}
	at := m.Accepted.Add(s.HeldFor + c.o.DelayAfter)
	for i := range s.Recipients {
		r := &s.Recipients[i]
		if !r.Outcome.Final() && owesReport(m, i, relay.ReportDelay) && (r.Outcome != relay.Pending && r.Attempts <= 1 || !at.After(now)) {
			c.sched.add(taskOf(m), laneKey{kind: laneReport}, at, now)
			return
		}
	}
}
