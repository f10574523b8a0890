package route

import (
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// The organisation's policy for an account that nobody mends: the time counts from when
// the message and the trouble were both there.
func TestMailForAnAccountThatNobodyMends(t *testing.T) {
	t.Parallel()
	broke := time.Unix(1_790_000_000, 0)
	direct, bounce := relay.Policy{Broken: relay.BrokenDirect}, relay.Policy{Broken: relay.BrokenReturn, BrokenAfter: time.Hour}
	for name, tc := range map[string]struct {
		policy   relay.Policy
		state    relay.AccountState
		accepted time.Duration // after the account broke
		now      time.Duration // after the account broke
		kind     relay.RouteKind
		rule     string
	}{
		"hold, for ever":                     {relay.Policy{}, relay.AccountParked, 0, 10_000 * time.Hour, relay.RouteHold, "account.parked"},
		"hold, whatever the time says":       {relay.Policy{BrokenAfter: time.Hour}, relay.AccountParked, 0, 2 * time.Hour, relay.RouteHold, "account.parked"},
		"direct, just before its time":       {direct, relay.AccountParked, 0, 72*time.Hour - 1, relay.RouteHold, "account.parked"},
		"direct, at its time":                {direct, relay.AccountParked, 0, 72 * time.Hour, relay.RouteDirect, RuleBrokenDirect},
		"direct, accepted long before":       {direct, relay.AccountParked, -100 * time.Hour, 71 * time.Hour, relay.RouteHold, "account.parked"},
		"direct, accepted before":            {direct, relay.AccountParked, -100 * time.Hour, 72 * time.Hour, relay.RouteDirect, RuleBrokenDirect},
		"direct, accepted later":             {direct, relay.AccountParked, 50 * time.Hour, 121 * time.Hour, relay.RouteHold, "account.parked"},
		"direct, accepted later, due":        {direct, relay.AccountParked, 50 * time.Hour, 122 * time.Hour, relay.RouteDirect, RuleBrokenDirect},
		"direct, being proved again":         {direct, relay.AccountUnverified, 0, 72 * time.Hour, relay.RouteDirect, RuleBrokenDirect},
		"direct, verified":                   {direct, relay.AccountVerified, 0, 72 * time.Hour, relay.RouteAccount, "account.verified"},
		"return, before its time":            {bounce, relay.AccountParked, 0, 59 * time.Minute, relay.RouteHold, "account.parked"},
		"return, at its time":                {bounce, relay.AccountParked, 0, time.Hour, relay.RouteReturn, RuleBrokenReturn},
		"a choice that nobody knows: hold":   {relay.Policy{Broken: "burn"}, relay.AccountParked, 0, 100 * time.Hour, relay.RouteHold, "account.parked"},
		"a time below zero: the default one": {relay.Policy{Broken: relay.BrokenDirect, BrokenAfter: -1}, relay.AccountParked, 0, time.Hour, relay.RouteHold, "account.parked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := account(tc.state, true)
			a.StateSince, a.StateReason = broke, "the password was refused"
			f := Facts{Account: a, Policy: tc.policy, Accepted: broke.Add(tc.accepted), Now: broke.Add(tc.now)}
			got := Decide(f)
			if got.Kind != tc.kind || got.Rule != tc.rule {
				t.Errorf("Decide = %+v, want %v %s", got, tc.kind, tc.rule)
			}
			waits := tc.kind == relay.RouteHold && (tc.policy.Broken == relay.BrokenDirect || tc.policy.Broken == relay.BrokenReturn)
			if until := heldUntil(f); waits != until.After(f.Now) || waits == until.IsZero() {
				t.Errorf("at %v time ends the hold at %v", f.Now, until)
			}
			if strings.HasPrefix(tc.rule, "policy.") && !strings.Contains(got.Reason, a.StateReason) {
				t.Errorf("the reason %q does not hold %q", got.Reason, a.StateReason)
			}
		})
	}
	f := Facts{Account: account(relay.AccountParked, true), Policy: direct, NoDirect: true, Accepted: broke, Now: broke.Add(100 * time.Hour)}
	if got := Decide(f); got.Kind != relay.RouteHold || !heldUntil(f).IsZero() {
		t.Errorf("direct delivery is switched off: %+v", got)
	}
}

// Explain says what will become of mail that waits, and when.
func TestExplainTellsWhatBecomesOfMailThatWaits(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for want, policy := range map[string]relay.Policy{
		"No: the organisation keeps such mail until the account is mended.":                               {},
		"No: if nobody mends the account by 2026-11-24 10:00 UTC, the message is delivered directly.":     {Broken: relay.BrokenDirect},
		"No: if nobody mends the account by 2026-11-21 11:00 UTC, the message is returned to its sender.": {Broken: relay.BrokenReturn, BrokenAfter: time.Hour},
	} {
		_, steps := decide(Facts{Account: account(relay.AccountParked, true), Policy: policy, Accepted: since, Now: since})
		if text := strings.Join(steps, "\n"); !strings.Contains(text, want) {
			t.Errorf("steps %s\nwant %q", text, want)
		}
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Hour: "an hour", 72 * time.Hour: "72 hours", 90 * time.Minute: "1h30m", 45 * time.Second: "45s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
