package queue

import (
	"time"

	"github.com/relayd/relayd/relay"
)

// returned is the attempt of the route that goes back: by the organisation's policy
// every recipient that waits has failed, and the return path is told.
func returned(d *relay.Delivery, started time.Time) relay.Attempt {
	reply := relay.Local("returned", d.Route.Reason)
	reply.Enhanced = relay.Enhanced{5, 4, 7} // RFC 3463 §3.5: the delivery time expired
	a := relay.Attempt{Started: started, Ended: time.Now()}
	for _, i := range d.Recipients {
		a.Results = append(a.Results, relay.Result{Recipient: i, Outcome: relay.Failed, Rule: d.Route.Rule, Reply: reply})
	}
	return a
}
