package queue

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// A message that can go no other way than through an account that is gone stays held;
// younger mail of the same account must not wait behind it.
func TestOneThatStaysHeldKeepsNoOtherHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, parked, answering(relay.Delivered, 250))
		half := message("b.example", "c.example")
		s := relay.NewState(half)
		s.Route, s.RouteFixed = throughAccount, true
		s.Recipients[0].Outcome, s.Recipients[0].Reported = relay.Delivered, true
		st.store.messages[half.ID], st.store.states[half.ID] = half, s
		time.Sleep(time.Second) // fake time of the bubble
		st.run(func() {
			younger := st.put(message("b.example"))
			if st.c.Held() != 2 {
				t.Fatalf("%d held, want 2", st.c.Held())
			}
			st.router.set(direct) // the account was removed
			st.accounts.change()
			st.after(time.Second)
			wantOutcome(t, st, younger, relay.Delivered)
			wantOutcome(t, st, half.ID, relay.Delivered, relay.Pending)
			released := len(st.store.eventsOf(half.ID))
			st.accounts.change()
			st.after(time.Second)
			if st.c.Held() != 1 || st.store.state(half.ID).Hold == nil || len(st.store.eventsOf(half.ID)) != released {
				t.Errorf("%d held; events %q", st.c.Held(), st.store.eventsOf(half.ID))
			}
			again := throughAccount
			again.Account = "a2" // the same address, connected again
			st.router.set(again)
			st.accounts.change()
			st.after(time.Second)
			wantOutcome(t, st, half.ID, relay.Delivered, relay.Delivered)
			if s := st.store.state(half.ID); s.Route.Account != "a2" || st.c.Held() != 0 {
				t.Errorf("route %+v, %d held", s.Route, st.c.Held())
			}
		})
	})
}

// An account that returns while a hold because of it is being recorded: nobody would
// look at the message again.
func TestReasonThatGoesWhileTheHoldIsRecordedEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, parked, answering(relay.Delivered, 250))
		st.store.fail = func(e relay.Event) error {
			if e.Kind == relay.EventHeld {
				st.router.set(throughAccount)
				st.accounts.change()
				time.Sleep(time.Second) // a slow disk, in the fake time of the bubble
			}
			return nil
		}
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(time.Minute)
			wantOutcome(t, st, id, relay.Delivered)
			if st.c.Held() != 0 {
				t.Errorf("%d held", st.c.Held())
			}
		})
	})
}

// A message that ends while one of its lanes holds it is not counted as held.
func TestMessageThatEndsWhileHeldIsHeldNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			<-answer
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.run(func() {
			id := st.put(message("b.example"))
			held := relay.Hold{Rule: "policy.fall_back", Reason: "policy", Since: time.Now()}
			st.router.set(relay.Route{Kind: relay.RouteHold, Rule: held.Rule})
			if err := st.c.control(context.Background(), id, func(j *job) error {
				st.c.hold(context.Background(), j, held)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			close(answer)
			synctest.Wait()
			wantOutcome(t, st, id, relay.Delivered)
			if st.c.Held() != 0 {
				t.Errorf("%d held after the end", st.c.Held())
			}
		})
	})
}

// What was cancelled sends no dot, even if its deliverer did not hear of the cancel in
// time.
func TestCancelledMessageSendsNoDot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		var dots atomic.Int32
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			<-goOn // deaf to ctx
			if d.BeforeDot(context.WithoutCancel(ctx), d.Recipients) == nil {
				dots.Add(1)
			}
			return aborted(d, time.Now(), 0, "not recorded")
		})
		st.run(func() {
			id := st.put(message("b.example"))
			if err := st.c.Cancel(context.Background(), id, "ann"); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			synctest.Wait()
			wantOutcome(t, st, id, relay.Cancelled)
			if dots.Load() != 0 {
				t.Error("the dot left after the cancel")
			}
		})
	})
}
