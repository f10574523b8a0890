package route

import (
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// Facts is everything that decides a route.
type Facts struct {
	Kind         relay.Kind
	Now          time.Time
	Accepted     time.Time      // of the message
	NullSender   bool           // MAIL FROM:<>
	Address      relay.Address  // the header From; of a report the recipient
	Account      *relay.Account // to which Address belongs; nil if to none
	Lapsed       bool           // Address is an alias of Account that has to be proved again
	Organisation string         // of the submitter; empty if it belongs to the operator or there is none
	Policy       relay.Policy   // of the sender's organisation
	NoDirect     bool           // the operator switched direct delivery off
}

// rule is one question. It decides, or leaves the decision to the next one.
type rule struct {
	asks   string // for explain
	decide func(Facts) (relay.Route, bool)
	no     func(Facts) string // what a "no" means, for explain; nil if that is plain
}

// rules is the whole decision, in order. The last rule always decides.
func rules() []rule {
	return []rule{
		{asks: "Is it a report of relayd's own?", decide: report},
		{asks: "Is it a notice of relayd's own?", decide: notice},
		{asks: "Is the return path null?", decide: nullSender},
		{asks: "Is there no account for the From address?", decide: noAccount},
		{asks: "Is it an account of another organisation?", decide: otherOrganisation},
		{asks: "Is the account verified?", decide: usable},
		{asks: "Was the account never proved?", decide: neverProved},
		{asks: "Has the mail waited for its account as long as its organisation wants?", decide: waitedLong, no: waitsUntil},
		{asks: "The account was proved and cannot send now.", decide: wait},
	}
}

// Decide applies the rules: the same facts always give the same route.
func Decide(f Facts) relay.Route {
	route, _ := decide(f)
	return route
}

// decide also tells each question and its answer.
func decide(f Facts) (relay.Route, []string) {
	var steps []string
	for _, r := range rules() {
		route, decided := r.decide(f)
		if decided {
			route = permitted(f, route)
			return route, append(steps, fmt.Sprintf("%s Yes: %s.", r.asks, route.Reason))
		}
		no := " No."
		if r.no != nil {
			no = " No: " + r.no(f) + "."
		}
		steps = append(steps, r.asks+no)
	}
	return relay.Route{Kind: relay.RouteHold, Rule: "route.none", Reason: "no rule decides"}, steps
}

// permitted holds what would go directly where the operator allows no direct
// delivery.
func permitted(f Facts, route relay.Route) relay.Route {
	if route.Kind != relay.RouteDirect || !f.NoDirect {
		return route
	}
	return relay.Route{
		Kind: relay.RouteHold, Rule: "policy.no_direct",
		Reason: route.Reason + ", but direct delivery is switched off (direct.enabled)",
	}
}

// A report is filed in the INBOX of its recipient, if relayd can reach it by IMAP.
// An account that is degraded is one whose IMAP fails.
func report(f Facts) (relay.Route, bool) {
	switch {
	case f.Kind != relay.KindReport:
		return relay.Route{}, false
	case f.Account != nil && !f.Lapsed && f.Account.State == relay.AccountVerified && f.Account.IMAP.Host != "":
		return relay.Route{
			Kind: relay.RouteInbox, Account: f.Account.ID, Rule: "report.inbox",
			Reason: fmt.Sprintf("the return path %s owns a verified account, so the report is filed in its inbox", f.Address),
		}, true
	}
	return relay.Route{
		Kind: relay.RouteDirect, Rule: "report.direct",
		Reason: fmt.Sprintf("no account of %s can take the report now, so it is delivered directly", f.Address),
	}, true
}

// What relayd itself writes to a person never waits for an account: it may be about
// that very account.
func notice(f Facts) (relay.Route, bool) {
	return relay.Route{
		Kind: relay.RouteDirect, Rule: "notice.direct",
		Reason: "relayd's own mail to people never goes through an account",
	}, f.Kind == relay.KindNotice
}

// Mail with the null return path speaks for a machine, not for a person, and no
// provider takes it from a user.
func nullSender(f Facts) (relay.Route, bool) {
	return relay.Route{
		Kind: relay.RouteDirect, Rule: "sender.null",
		Reason: "mail with the null return path never goes through a person's account",
	}, f.NullSender
}

func noAccount(f Facts) (relay.Route, bool) {
	if f.Account != nil {
		return relay.Route{}, false
	}
	return fallBack(f, "account.none", fmt.Sprintf("no account is connected for %s", f.Address)), true
}

// The submitter's right to the address does not reach into the mailbox of another
// organisation (promise G9).
func otherOrganisation(f Facts) (relay.Route, bool) {
	if f.Organisation == "" || f.Account.Organisation == f.Organisation {
		return relay.Route{}, false
	}
	reason := fmt.Sprintf("the account of %s belongs to another organisation than the submitter", f.Address)
	return fallBack(f, "account.other_organisation", reason), true
}

func usable(f Facts) (relay.Route, bool) {
	return relay.Route{
		Kind: relay.RouteAccount, Account: f.Account.ID, Rule: "account." + string(f.Account.State),
		Reason: fmt.Sprintf("%s owns an account that is %s", f.Address, f.Account.State),
	}, f.Account.State.Usable() && !f.Lapsed
}

func neverProved(f Facts) (relay.Route, bool) {
	if f.Account.State == relay.AccountParked || !f.Account.Card.VerifiedAt.IsZero() {
		return relay.Route{}, false
	}
	return fallBack(f, "account.unverified", fmt.Sprintf("the account of %s was never verified", f.Address)), true
}

// wait holds the mail of an account that was proved: it must not suddenly come from
// elsewhere because a password changed (promise G3).
func wait(f Facts) (relay.Route, bool) {
	route := relay.Route{Kind: relay.RouteHold, Account: f.Account.ID, Rule: "account.reverify",
		Reason: fmt.Sprintf("the account of %s is being verified again", f.Address)}
	if f.Lapsed {
		route.Reason = fmt.Sprintf("the servers of its account were changed, so %s must be proved again as a sender", f.Address)
	}
	if f.Account.State == relay.AccountParked {
		route.Rule = "account.parked"
		route.Reason = fmt.Sprintf("the account of %s needs attention", f.Address)
		if f.Account.StateReason != "" {
			route.Reason += ": " + f.Account.StateReason
		}
	}
	return route, true
}

// fallBack is what the organisation wants for mail without a verified account. The
// hold names the account, so that it ends when the account is verified.
func fallBack(f Facts, rule, reason string) relay.Route {
	if f.Policy.FallBack != relay.FallBackHold {
		return relay.Route{Kind: relay.RouteDirect, Rule: rule, Reason: reason + ", so it is delivered directly"}
	}
	route := relay.Route{
		Kind: relay.RouteHold, Rule: "policy.fall_back",
		Reason: reason + ", and the organisation holds such mail until an account is verified",
	}
	if f.Account != nil && rule == "account.unverified" {
		route.Account = f.Account.ID
	}
	return route
}
