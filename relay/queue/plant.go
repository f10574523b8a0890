package queue

import (
	"context"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// policyRule is how the rules of an organisation's policy begin. Mail held by one
// is looked at again when anything about accounts or organisations changes.
const policyRule = "policy."

// plant plans everything that a message may need next: one task for each lane in
// which recipients wait, the Sent copy, and reports.
func (c *Conductor) plant(ctx context.Context, m *relay.Message, s *relay.State, now time.Time) {
	if s.Hold != nil {
		c.held.add(m, s)
	} else {
		c.plantRecipients(ctx, m, s, now)
	}
	c.plantFollowUps(m, s, now)
	c.plantDelay(m, s, now)
}

// plantRecipients plans the attempts for all waiting recipients.
func (c *Conductor) plantRecipients(ctx context.Context, m *relay.Message, s *relay.State, now time.Time) {
	route, err := c.routeOf(ctx, m, s)
	if err != nil {
		c.o.Observer.Fault("route", m.ID, err) // the task asks again when its turn comes
	}
	next := make(map[laneKey]time.Time, 1)
	for i := range s.Recipients {
		r := &s.Recipients[i]
		if r.Outcome.Final() {
			continue
		}
		key := laneOf(route, m, i)
		if at, ok := next[key]; !ok || r.Next.Before(at) {
			next[key] = r.Next
		}
	}
	for key, at := range next {
		c.sched.add(taskOf(m), key, at, now)
	}
}

// plantFollowUps plans what does not depend on the route.
func (c *Conductor) plantFollowUps(m *relay.Message, s *relay.State, now time.Time) {
	c.plantCopy(m, s, now)
	if owesReports(s) {
		c.sched.add(taskOf(m), laneKey{kind: laneReport}, time.Time{}, now)
	}
}

// plantCopy plans the next try at the Sent copy, or the look at a filed one.
func (c *Conductor) plantCopy(m *relay.Message, s *relay.State, now time.Time) {
	if !s.Copy.Settled() {
		c.sched.add(taskOf(m), laneKey{laneCopy, s.Copy.Account}, s.Copy.Next, now)
	}
}

// owesReports reports whether a final outcome waits to be reported.
func owesReports(s *relay.State) bool {
	for i := range s.Recipients {
		if r := &s.Recipients[i]; r.Outcome.Final() && !r.Reported {
			return true
		}
	}
	return false
}

func taskOf(m *relay.Message) task { return task{id: m.ID, submitter: m.Submitter} }

// laneOf is the lane in which recipient i waits when its message takes the route.
// A held message passes once through the lane of its account, where the hold is
// recorded.
func laneOf(route relay.Route, m *relay.Message, i int) laneKey {
	switch route.Kind {
	case relay.RouteDirect:
		return laneKey{laneDomain, m.Envelope.Recipients[i].Address.Domain}
	case relay.RouteInbox:
		return laneKey{laneInbox, route.Account}
	case relay.RouteReturn:
		return laneKey{kind: laneReturn}
	}
	return laneKey{laneAccount, route.Account}
}

// The rules of a hold for mail that has a fixed route.
const (
	RuleAccountGone = "account.gone"        // its account was removed after some recipients had got the message through it
	RulePartlySent  = "account.partly_sent" // a policy would send it another way, and a part of it may have been sent
)

// routeOf asks the router. Once a final dot was sent the kind of the route is fixed:
// the router can then only hold the message, or name another account of its sender,
// such as one that was removed and connected again.
func (c *Conductor) routeOf(ctx context.Context, m *relay.Message, s *relay.State) (relay.Route, error) {
	route, err := c.o.Router.Route(ctx, m)
	if err != nil || !s.RouteFixed {
		return route, err
	}
	fixed := s.Route
	hold := relay.Route{Kind: relay.RouteHold, Account: fixed.Account}
	switch {
	case fixed.Kind != relay.RouteAccount:
		return fixed, nil
	case route.Kind == relay.RouteAccount, route.Kind == relay.RouteHold:
		return route, nil
	case strings.HasPrefix(route.Rule, policyRule):
		hold.Rule = RulePartlySent
		hold.Reason = "a part of this message may already have gone through the account, so the rest waits for it: " +
			"mend the account, or cancel the rest"
		return hold, nil
	}
	hold.Rule = RuleAccountGone
	hold.Reason = "a part of this message already went through an account that can no longer be used: " +
		"connect the account again, or cancel the rest"
	return hold, nil
}

// holdOf is the hold that a route asks for.
func holdOf(route relay.Route, now time.Time) relay.Hold {
	return relay.Hold{Reason: route.Reason, Rule: route.Rule, Account: route.Account, Since: now}
}

func accountKey(account string) string { return "account:" + account }

// heldKey groups held messages by what can release them: an account's return, or
// a change of policy for one sender. Empty means that only a person releases it.
func heldKey(m *relay.Message, h *relay.Hold) string {
	switch {
	case h.Account != "":
		return accountKey(h.Account)
	case strings.HasPrefix(h.Rule, policyRule):
		return "sender:" + m.From.Key()
	}
	return ""
}
