package queue

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Promise G3: whatever the answers and their pauses are, every recipient has its
// next attempt. Two recipients of one lane are deferred for different times; the one
// that is due first ends, and the other must not be forgotten.
func TestRecipientsOfOneLaneWithClocksOfTheirOwnAllEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if attempts.Add(1) > 1 {
				return answering(relay.Delivered, 250)(ctx, d)
			}
			a := answering(relay.Deferred, 451)(ctx, d)
			a.Results[1].Pause = time.Hour
			return a
		})
		st.run(func() {
			m := message("b.example", "b.example")
			m.Envelope.Recipients[1].Address.Local = "ann"
			id := st.put(m)
			st.after(2 * time.Minute)
			wantOutcome(t, st, id, relay.Delivered, relay.Deferred)
			st.after(2 * time.Hour)
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered)
		})
	})
}

// Recipients that one attempt deferred are tried again in one attempt.
func TestJitterKeepsTheRecipientsOfAnAttemptTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if attempts.Add(1) > 1 {
				return answering(relay.Delivered, 250)(ctx, d)
			}
			return answering(relay.Deferred, 451)(ctx, d)
		})
		st.o.Backoff = DefaultBackoff()
		st.o.Random = rand.Float64
		st.run(func() {
			m := message("b.example", "b.example", "b.example")
			id := st.put(m)
			st.after(time.Hour)
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered, relay.Delivered)
			if n := attempts.Load(); n != 2 {
				t.Errorf("%d attempts, want 2", n)
			}
		})
	})
}

// A fault of the store that is neither a full disk nor a failed flush costs time, and
// no message: not when a result is recorded, not at a hold, a release or a copy.
func TestFaultOfTheStoreForgetsNoMessage(t *testing.T) {
	t.Parallel()
	for _, kind := range []relay.EventKind{relay.EventDotSent, relay.EventAttempt, relay.EventHeld, relay.EventReleased, relay.EventCopy} {
		synctest.Test(t, func(t *testing.T) {
			st := newStage(t, throughAccount, answering(relay.Delivered, 250))
			if kind == relay.EventHeld || kind == relay.EventReleased {
				st.router.set(parked)
			}
			var once sync.Once
			st.store.fail = func(e relay.Event) (err error) {
				if e.Kind == kind {
					once.Do(func() { err = errors.New("input/output error") })
				}
				return err
			}
			st.run(func() {
				id := st.put(message("b.example"))
				st.after(time.Hour)
				st.router.set(throughAccount)
				st.accounts.change()
				st.after(time.Hour)
				st.accounts.change()
				st.after(time.Hour)
				wantOutcome(t, st, id, relay.Delivered)
				if !st.store.state(id).Done() || st.c.Held() != 0 {
					t.Errorf("%s: the message is forgotten: %+v, %d held", kind, st.store.state(id), st.c.Held())
				}
				if len(st.log.faults) == 0 {
					t.Errorf("%s: nobody heard of the fault", kind)
				}
				st.log.faults = nil
			})
		})
	}
}

// After a failed flush nothing is planned: the program ends and reads the disk again.
func TestFailedFlushPlansNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			sends.Add(1)
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.store.fail = func(e relay.Event) error {
			if e.Kind == relay.EventAttempt {
				return store.ErrUnknown
			}
			return nil
		}
		st.run(func() {
			st.put(message("b.example"))
			st.after(24 * time.Hour)
			if n := sends.Load(); n != 1 {
				t.Errorf("sent %d times", n)
			}
			st.log.faults = nil
		})
	})
}

// A content that cannot be read once delays a Sent copy, also while an attempt for
// another recipient is under way.
func TestUnreadableContentDelaysTheCopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		var broken atomic.Bool
		end := make(chan struct{})
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if attempts.Add(1) > 1 {
				<-end
				return answering(relay.Delivered, 250)(ctx, d)
			}
			a := answering(relay.Delivered, 250)(ctx, d)
			a.Results[1].Outcome, a.Results[1].Reply.Code = relay.Deferred, 451
			return a
		})
		st.filer.filed = []relay.Filed{{Status: relay.CopyPending}, {Status: relay.CopyFiled}}
		st.store.failOpen = func() error {
			if broken.Swap(false) {
				return errors.New("input/output error")
			}
			return nil
		}
		st.o.CopyBackoff = Backoff{Steps: []time.Duration{90 * time.Second}, Then: time.Hour, GiveUpAfter: 24 * time.Hour}
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			st.after(80 * time.Second) // the second attempt runs
			broken.Store(true)
			st.after(10 * time.Minute)
			if k := st.store.state(id).Copy; k.Status != relay.CopyFiled || len(st.log.faults) != 1 {
				t.Errorf("the copy is %+v after %v", k, st.log.faults)
			}
			st.log.faults = nil
			close(end)
			synctest.Wait()
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered)
		})
	})
}
