package queue

import (
	"context"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// The rules of a recipient whose unknown outcome was looked up.
const (
	RuleFoundInSent  = "unknown.found_in_sent" // the message lies in the sender's mailbox: delivered
	RuleUnsearchable = "unknown.unsearchable"  // the mailbox could not be searched at the moment
	RuleSeveral      = "unknown.several"       // several transactions were open: one copy in Sent proves none of them
)

// markDots notes in a state that a dot is about to leave for some recipients. If it is
// not the only one without a recorded result, all of them are marked: after a crash
// the copy of one transaction must not count as the delivery of another.
func markDots(s *relay.State, recipients []int) {
	open := 0
	for i := range s.Recipients {
		if s.Recipients[i].DotSent && !slices.Contains(recipients, i) {
			open++
		}
	}
	for _, i := range recipients {
		r := &s.Recipients[i]
		r.DotSent = true
		if r.Outcome == relay.Unknown {
			r.Outcome = relay.Deferred // from here on this attempt's answer counts
		}
	}
	for i := range s.Recipients {
		if open > 0 && s.Recipients[i].DotSent {
			s.Recipients[i].Rule = RuleSeveral
		}
	}
}

// maxLookUps is how often a mailbox that cannot be searched at the moment keeps a
// message of unknown outcome from being sent again.
const maxLookUps = 3

// unknownOf gives the recipients of a delivery whose outcome is unknown and that a
// look into Sent can decide: through an account, and only as long as no other
// transaction can have left a copy there, which would prove nothing.
func unknownOf(j *job, d *relay.Delivery) []int {
	if j.s == nil || d.Route.Kind != relay.RouteAccount {
		return nil
	}
	for i := range j.s.Recipients {
		if r := &j.s.Recipients[i]; r.Outcome == relay.Delivered || r.Outcome == relay.Unknown && r.Rule == RuleSeveral {
			return nil
		}
	}
	var unknown []int
	for _, i := range d.Recipients {
		if j.s.Recipients[i].Outcome == relay.Unknown {
			unknown = append(unknown, i)
		}
	}
	return unknown
}

// lookUp searches the mailbox for a message of unknown outcome (promise G4). known is
// false if it has to be sent again.
func (c *Conductor) lookUp(ctx context.Context, d *relay.Delivery, unknown []int) (a relay.Attempt, known bool) {
	started := time.Now()
	found, err := c.o.Filer.Find(ctx, d.Route.Account, d.Message)
	switch {
	case err != nil && c.lookUps(d, unknown) < maxLookUps:
		c.o.Observer.Fault("look up in Sent", d.Message.ID, err)
		return result(unknown, started, relay.Unknown, RuleUnsearchable, "the mailbox could not be searched: "+err.Error()), true
	case found == relay.FoundYes:
		return result(unknown, started, relay.Delivered, RuleFoundInSent, "found in the sender's mailbox, so it was accepted"), true
	}
	return relay.Attempt{}, false
}

// lookUps is how often the mailbox could not be searched for the message so far.
func (c *Conductor) lookUps(d *relay.Delivery, unknown []int) int {
	j := c.jobs.take(d.Message.ID)
	defer c.jobs.release(d.Message.ID, j)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.s == nil {
		return maxLookUps
	}
	return j.s.Recipients[unknown[0]].LookUps
}

// result is an attempt that settled some recipients without sending anything; the
// others go on as if there had been none.
func result(settled []int, started time.Time, outcome relay.Outcome, rule, text string) relay.Attempt {
	a := relay.Attempt{Started: started, Ended: time.Now()}
	for _, i := range settled {
		a.Results = append(a.Results, relay.Result{
			Recipient: i, Outcome: outcome, Rule: rule, Reply: relay.Reply{Text: relay.Printable(text)}})
	}
	return a
}
