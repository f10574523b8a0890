package queue

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// Promise G3: also a message to which nothing was answered yet shows what it waits for.
func TestWaitsSayWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	busy := relay.Reply{Code: 421, Text: "busy with ceo@other.example"}
	for name, test := range map[string]struct {
		route   relay.Route
		hint    string
		hangs   bool
		first   string // what the first message waits for
		second  string
		resting bool
	}{
		"an attempt that hangs":     {route: throughAccount, hangs: true, first: "under way", second: "other messages"},
		"an account that rests":     {route: throughAccount, hint: "Too fast.", second: "rests: Too fast. (421 busy", resting: true},
		"one without a hint":        {route: throughAccount, second: "rests: 421 busy", resting: true},
		"a destination that rests":  {route: direct, hint: "Too fast.", second: "rests: Too fast.", resting: true},
		"one of which is said less": {route: direct, second: "rests: the destination", resting: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t, test.route, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
					if test.hangs {
						<-ctx.Done()
					}
					a := deferred(d, time.Now(), busy)
					a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: time.Hour, Reply: busy, Hint: test.hint}
					return a
				})
				st.o.Grace = time.Second
				st.run(func() {
					first, second := message("b.example"), message("b.example")
					st.put(first)
					st.put(second)
					waits := func(m *relay.Message) []relay.Wait { return st.c.Waits(context.Background(), m, st.store.state(m.ID)) }
					checkWait(t, waits(first), test.first, false)
					checkWait(t, waits(second), test.second, test.resting)
				})
			})
		})
	}
}

// checkWait wants one wait with a reason, or none for "".
func checkWait(t *testing.T, got []relay.Wait, reason string, until bool) {
	t.Helper()
	switch {
	case reason == "" && len(got) == 0:
	case reason == "" || len(got) != 1:
		t.Errorf("waits %+v, want one because of %q", got, reason)
	case !strings.Contains(got[0].Reason, reason) || got[0].Until.IsZero() == until || got[0].Lane == "":
		t.Errorf("waits %+v, want %q with a time: %v", got[0], reason, until)
	case strings.HasPrefix(got[0].Lane, "domain:") && strings.Contains(got[0].Reason, "ceo@"):
		t.Errorf("what a destination said about others is shown: %s", got[0].Reason)
	}
}

// What is held or done waits for nothing that its state does not say.
func TestHeldMessageHasNoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, parked, answering(relay.Delivered, 250))
		st.run(func() {
			m := message("b.example")
			st.put(m)
			if waits := st.c.Waits(context.Background(), m, st.store.state(m.ID)); len(waits) != 0 {
				t.Errorf("a held message waits for %+v", waits)
			}
		})
	})
}
