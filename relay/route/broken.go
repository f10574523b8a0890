package route

import (
	"fmt"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// The rules of mail whose account nobody mends.
const (
	RuleBrokenDirect = "policy.broken_direct"
	RuleBrokenReturn = "policy.broken_return"
)

// waitedLong ends the waiting for an account that nobody mends, where the organisation
// wants that (promise G3): nothing else ever does. The conductor keeps a message back
// from this of which a part may have been sent already.
func waitedLong(f Facts) (relay.Route, bool) {
	until := brokenUntil(f)
	if until.IsZero() || f.Now.Before(until) {
		return relay.Route{}, false
	}
	reason := fmt.Sprintf("the account of %s could not be used for %s", f.Address, inWords(brokenAfter(f.Policy)))
	if f.Account.StateReason != "" {
		reason += " (" + f.Account.StateReason + ")"
	}
	route := relay.Route{Kind: relay.RouteDirect, Rule: RuleBrokenDirect,
		Reason: reason + ", and the organisation delivers such mail directly"}
	if f.Policy.Broken == relay.BrokenReturn {
		route.Kind, route.Rule = relay.RouteReturn, RuleBrokenReturn
		route.Reason = reason + ", and the organisation returns such mail to its sender"
	}
	return route, true
}

// heldUntil is when time alone ends the hold that the facts lead to; zero if it never
// does, and if they lead to none.
func heldUntil(f Facts) time.Time {
	if f.Account == nil || Decide(f).Kind != relay.RouteHold {
		return time.Time{}
	}
	until := brokenUntil(f)
	if f.Now = until; until.IsZero() || Decide(f).Kind == relay.RouteHold {
		return time.Time{}
	}
	return until
}

// brokenUntil is when the organisation's policy ends the waiting of a message for its
// account; zero if it never does. The time counts from when both were there: the
// message and the trouble.
func brokenUntil(f Facts) time.Time {
	if f.Lapsed && f.Account.State.Usable() {
		return time.Time{} // the account is not broken
	}
	if f.Policy.Broken != relay.BrokenDirect && f.Policy.Broken != relay.BrokenReturn {
		return time.Time{}
	}
	since := f.Accepted
	if f.Account.StateSince.After(since) {
		since = f.Account.StateSince
	}
	return since.Add(brokenAfter(f.Policy))
}

func brokenAfter(p relay.Policy) time.Duration {
	if p.BrokenAfter > 0 {
		return p.BrokenAfter
	}
	return relay.DefaultBrokenAfter
}

// waitsUntil tells what will become of the message.
func waitsUntil(f Facts) string {
	until := brokenUntil(f)
	if until.IsZero() {
		return "the organisation keeps such mail until the account is mended"
	}
	fate := "delivered directly"
	if f.Policy.Broken == relay.BrokenReturn {
		fate = "returned to its sender"
	}
	return fmt.Sprintf("if nobody mends the account by %s, the message is %s", until.UTC().Format("2006-01-02 15:04 UTC"), fate)
}

// inWords writes a time for people: hours where it is made of them.
func inWords(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "an hour"
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return strings.TrimSuffix(d.String(), "0s")
}
