package queue

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// The rules of a recipient whose unknown outcome was looked up.
const (
	RuleFoundInSent  = "unknown.found_in_sent" // the provider had filed the message: delivered
	RuleUnsearchable = "unknown.unsearchable"  // the mailbox could not be searched at the moment
)

// maxLookUps is after how many attempts a mailbox that cannot be searched at the
// moment no longer keeps a message of unknown outcome from being sent again.
const maxLookUps = 3

// unknownOf gives the recipients of a delivery whose outcome is unknown and that a
// look into Sent can decide: through an account, and only as long as nobody else
// got the message, since the copy of another transaction would prove nothing.
func unknownOf(j *job, d *relay.Delivery) []int {
	if j.s == nil || d.Route.Kind != relay.RouteAccount {
		return nil
	}
	for i := range j.s.Recipients {
		if j.s.Recipients[i].Outcome == relay.Delivered {
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

// lookUp searches Sent for a message of unknown outcome (promise G4). known is
// false if it has to be sent again.
func (c *Conductor) lookUp(ctx context.Context, d *relay.Delivery, unknown []int) (a relay.Attempt, known bool) {
	started := time.Now()
	found, err := c.o.Filer.Find(ctx, d.Route.Account, d.Message.HeaderID)
	switch {
	case err != nil && c.lookUps(d, unknown) < maxLookUps:
		c.o.Observer.Fault("look up in Sent", d.Message.ID, err)
		return result(unknown, started, relay.Unknown, RuleUnsearchable, "the Sent folder could not be searched: "+err.Error()), true
	case found == relay.FoundYes:
		return result(unknown, started, relay.Delivered, RuleFoundInSent, "found in the Sent folder, so it was accepted"), true
	}
	return relay.Attempt{}, false
}

// lookUps is how often the outcome was unknown so far.
func (c *Conductor) lookUps(d *relay.Delivery, unknown []int) int {
	j := c.jobs.take(d.Message.ID)
	defer c.jobs.release(d.Message.ID, j)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.s == nil {
		return maxLookUps
	}
	return j.s.Recipients[unknown[0]].Attempts
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
