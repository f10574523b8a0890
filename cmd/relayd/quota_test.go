package main

import (
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// A used-up quota is told once for each time that the account sleeps.
func TestQuotaIsToldOnce(t *testing.T) {
	t.Parallel()
	q := &quotaWatch{asleep: map[string]time.Time{}}
	now := time.Unix(1_800_000_000, 0)
	for _, step := range []struct {
		account string
		after   time.Duration
		want    bool
	}{
		{"a1", 0, true}, {"a1", time.Minute, false}, {"a2", time.Minute, true}, {"a1", 61 * time.Minute, true}, {"a1", 62 * time.Minute, false},
	} {
		at := now.Add(step.after)
		if got := q.first(step.account, at, at.Add(time.Hour)); got != step.want {
			t.Errorf("%s after %s: %v", step.account, step.after, got)
		}
	}
	for rule, want := range map[string]bool{
		"quota.daily.gmail": true, "quota.hourly.ionos": true, "quota.word": true, "ews.quota": true,
		"quota.rate": false, "quota.connections.microsoft": false, "auth.password_wrong": false,
	} {
		if usedUp(rule) != want {
			t.Errorf("%s: %v", rule, !want)
		}
	}
	q.Attempted(nil, relay.Route{Account: "a1"}, &relay.Attempt{}) // without trouble nothing is asked
}
