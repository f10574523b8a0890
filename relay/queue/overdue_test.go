package queue

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// Promise G3: in a lane whose peer slows everybody down for a week most messages
// never meet an attempt. Each still gets its delay notice after four hours and ends
// after five days.
func TestMessagesOfARestingLaneAreToldAboutAndEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, func(_ context.Context, d *relay.Delivery) relay.Attempt {
			a := deferred(d, time.Now(), relay.Reply{Code: 421})
			a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: 24 * time.Hour}
			return a
		})
		st.run(func() {
			start := time.Now()
			var ids []relay.ID
			for range 20 {
				ids = append(ids, st.put(message("b.example")))
			}
			st.after(DefaultDelayAfter + 2*overdueEvery)
			want := slices.Repeat([]relay.ReportKind{relay.ReportDelay}, len(ids))
			if got := st.reporter.made(); !slices.Equal(got, want) {
				t.Errorf("reports %v for %d messages", got, len(ids))
			}
			st.after(5*24*time.Hour - time.Since(start) + 2*overdueEvery)
			// Those that met the trouble wait for the end of its pause, at most a day.
			ended := 0
			for _, id := range ids {
				if st.store.state(id).Done() {
					ended++
				}
			}
			if ended < len(ids)-len(st.log.times()) || ended == 0 {
				t.Errorf("%d of %d messages have ended after five days", ended, len(ids))
			}
			st.after(2 * 24 * time.Hour)
			for _, id := range ids {
				wantOutcome(t, st, id, relay.Failed)
				if !st.store.state(id).Done() {
					t.Error("a message that was given up was not reported")
				}
			}
			if n := len(st.reporter.made()); n != 2*len(ids) {
				t.Errorf("%d reports for %d messages", n, len(ids))
			}
		})
	})
}

// Promise G6 within a lane: a message that makes the peer slow down each time does not
// keep the others from their turn.
func TestMessageThatSlowsItsLaneLetsTheOthersPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Value
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if d.Message.ID != bad.Load() {
				return answering(relay.Delivered, 250)(ctx, d)
			}
			a := deferred(d, time.Now(), relay.Reply{Code: 421})
			a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: 15 * time.Minute}
			return a
		})
		st.run(func() {
			m := message("b.example")
			bad.Store(m.ID)
			st.put(m)
			st.after(time.Second)
			good := st.put(message("b.example"))
			st.after(16 * time.Minute)
			wantOutcome(t, st, good, relay.Delivered)
			wantOutcome(t, st, m.ID, relay.Deferred)
		})
	})
}

// Time on hold is not part of the age, and what a person holds does not end.
func TestHeldMessagesDoNotExpireInARestingLane(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, parked, func(_ context.Context, d *relay.Delivery) relay.Attempt {
			a := deferred(d, time.Now(), relay.Reply{Code: 421})
			a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: 24 * time.Hour}
			return a
		})
		st.run(func() {
			first, second := st.put(message("b.example")), st.put(message("b.example"))
			st.after(6 * 24 * time.Hour)
			st.router.set(throughAccount)
			st.accounts.change()
			st.after(24 * time.Hour)
			for _, id := range []relay.ID{first, second} {
				if st.store.state(id).Recipients[0].Outcome.Final() {
					t.Errorf("%s ended a day after its hold", id)
				}
			}
			st.after(7 * 24 * time.Hour)
			wantOutcome(t, st, first, relay.Failed)
			wantOutcome(t, st, second, relay.Failed)
		})
	})
}

// A used-up quota never bounces mail, however long it takes to send what waits, and
// although the lane works in between (promise G3).
func TestQuotaDoesNotAgeMail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := map[int]int{} // by day
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			day := time.Now().YearDay()
			if sent[day] < 3 {
				sent[day]++
				return answering(relay.Delivered, 250)(ctx, d)
			}
			a := deferred(d, time.Now(), relay.Reply{Code: 550})
			a.Trouble = &relay.Trouble{Kind: relay.TroubleSlow, Pause: 24 * time.Hour, Rule: "quota.daily", ClockStops: true}
			return a
		})
		st.run(func() {
			var ids []relay.ID
			for range 30 {
				ids = append(ids, st.put(message("b.example")))
			}
			st.after(20 * 24 * time.Hour)
			for _, id := range ids {
				wantOutcome(t, st, id, relay.Delivered)
			}
		})
	})
}
