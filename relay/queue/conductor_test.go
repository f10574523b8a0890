package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func wantOutcome(t *testing.T, st *stage, id relay.ID, want ...relay.Outcome) {
	t.Helper()
	for i, w := range want {
		if got := st.store.state(id).Recipients[i].Outcome; got != w {
			t.Errorf("recipient %d is %s, want %s", i, got, w)
		}
	}
}

func TestAccountRouteFilesOneCopyAndEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, answering(relay.Delivered, 250))
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered)
			want := []relay.EventKind{relay.EventDotSent, relay.EventAttempt, relay.EventCopy}
			if got := st.store.eventsOf(id); !slices.Equal(got, want) {
				t.Errorf("events %q, want %q", got, want)
			}
			if st.filer.files != 1 || !slices.Equal(st.log.done, []relay.ID{id}) {
				t.Errorf("%d copies, done %v", st.filer.files, st.log.done)
			}
		})
	})
}

func TestDirectRouteMakesOneDeliveryForEachDomainAndNoCopy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deliveries := make(chan int, 10)
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			deliveries <- len(d.Recipients)
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.run(func() {
			m := message("b.example", "c.example", "b.example")
			m.Envelope.Recipients[2].Address.Local = "ann"
			id := st.put(m)
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered, relay.Delivered)
			if a, b := <-deliveries, <-deliveries; a+b != 3 || len(deliveries) != 0 || st.filer.files != 0 {
				t.Errorf("deliveries of %d and %d recipients, %d more, %d copies", a, b, len(deliveries), st.filer.files)
			}
		})
	})
}

// The schedule of the issue: 1, 5, 10, 20, 40 minutes, then hourly up to five days.
func TestDeferredMailFollowsTheScheduleAndEndsAsDSN(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, answering(relay.Deferred, 451))
		st.run(func() {
			start := time.Now()
			id := st.put(message("b.example"))
			st.after(6 * 24 * time.Hour)
			var minutes []int
			for _, at := range st.log.times()[:8] {
				minutes = append(minutes, int(at.Sub(start).Minutes()))
			}
			if want := []int{0, 1, 6, 16, 36, 76, 136, 196}; !slices.Equal(minutes, want) {
				t.Errorf("attempts after %v minutes, want %v", minutes, want)
			}
			wantOutcome(t, st, id, relay.Failed)
			if r := st.store.state(id).Recipients[0]; r.Rule != RuleExpired || r.Reply.Code != 451 {
				t.Errorf("ended by %q with %q, want the last words of the peer", r.Rule, r.Reply)
			}
			wantKinds := []relay.ReportKind{relay.ReportDelay, relay.ReportFailure}
			if !slices.Equal(st.reporter.kinds, wantKinds) {
				t.Fatalf("reports %v, want %v", st.reporter.kinds, wantKinds)
			}
			if told := st.reporter.at[0].Sub(start); told != DefaultDelayAfter {
				t.Errorf("delay notice after %v", told)
			}
			if last := st.log.times()[len(st.log.times())-1].Sub(start); last < 5*24*time.Hour || last > 5*24*time.Hour+time.Hour {
				t.Errorf("last attempt after %v", last)
			}
		})
	})
}

func TestOneRefusedOfTwoIsOneDeliveryOneCopyAndOneReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			a := answering(relay.Delivered, 250)(ctx, d)
			a.Results[1].Outcome, a.Results[1].Reply.Code = relay.Failed, 550
			return a
		})
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			wantOutcome(t, st, id, relay.Delivered, relay.Failed)
			if len(st.reporter.to) != 1 || !slices.Equal(st.reporter.to[0], []int{1}) || st.filer.files != 1 {
				t.Errorf("reports for %v, %d copies", st.reporter.to, st.filer.files)
			}
			if !st.store.state(id).Done() || !st.c.Oldest().IsZero() {
				t.Error("the message is not done")
			}
		})
	})
}

func TestReportsAreNeverReportedAbout(t *testing.T) {
	t.Parallel()
	for _, change := range []func(*relay.Message){
		func(m *relay.Message) { m.Kind = relay.KindReport },
		func(m *relay.Message) { m.Envelope.ReturnPath = relay.Address{} },
		func(m *relay.Message) { m.Envelope.Recipients[0].Notify = relay.NotifyNever },
		func(m *relay.Message) { m.Envelope.Recipients[0].Notify = relay.NotifySuccess },
	} {
		synctest.Test(t, func(t *testing.T) {
			st := newStage(t, direct, answering(relay.Failed, 550))
			st.run(func() {
				m := message("b.example")
				change(m)
				id := st.put(m)
				wantOutcome(t, st, id, relay.Failed)
				if len(st.reporter.kinds) != 0 || !st.store.state(id).Done() {
					t.Errorf("reports %v", st.reporter.kinds)
				}
			})
		})
	}
}

// Promise G3: a wrong password holds mail, however long; its return releases it,
// and the time of the hold does not age it.
func TestParkedAccountHoldsMailUntilItReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if mended.Load() {
				return answering(relay.Delivered, 250)(ctx, d)
			}
			a := deferred(d, time.Now(), relay.Reply{Code: 535})
			a.Trouble = &relay.Trouble{Kind: relay.TroublePark, Pause: time.Hour}
			return a
		})
		st.accounts.onPark = func(string) { st.router.set(parked) }
		st.run(func() {
			id := st.put(message("b.example"))
			second := st.put(message("b.example"))
			st.after(10 * 24 * time.Hour)
			s := st.store.state(id)
			if !st.c.Oldest().Equal(id.Time()) || st.c.Held() != 2 {
				t.Errorf("oldest %v, %d held", st.c.Oldest(), st.c.Held())
			}
			if s.Hold == nil || s.Hold.Rule != "account.parked" || s.Recipients[0].Attempts != 0 {
				t.Fatalf("hold %+v, attempts %d", s.Hold, s.Recipients[0].Attempts)
			}
			if len(st.accounts.parked) != 1 || len(st.reporter.kinds) != 0 {
				t.Errorf("parked %v, reports %v", st.accounts.parked, st.reporter.kinds)
			}
			mended.Store(true)
			st.router.set(throughAccount)
			st.accounts.change()
			st.after(time.Second)
			wantOutcome(t, st, id, relay.Delivered)
			wantOutcome(t, st, second, relay.Delivered)
			if held := st.store.state(id).HeldFor; held < 10*24*time.Hour {
				t.Errorf("held for %v", held)
			}
		})
	})
}

// Promise G4: what a crash left between dot and answer is unknown, and is looked
// up before anything is sent again.
func TestUnknownOutcomeIsLookedUpInSent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		found relay.Found
		err   error
		sends int
		finds int
	}{
		{relay.FoundYes, nil, 0, 1},
		{relay.FoundNo, nil, 1, 1},
		{relay.FoundUnsearchable, nil, 1, 1},
		{relay.FoundNo, errors.New("connection lost"), 1, maxLookUps + 1},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			var sends atomic.Int32
			st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
				sends.Add(1)
				return answering(relay.Delivered, 250)(ctx, d)
			})
			st.filer.found, st.filer.findErr = test.found, test.err
			m := message("b.example")
			crashed(t, st, m)
			st.run(func() {
				if int(sends.Load())+st.filer.looks() != 0 {
					t.Error("touched before the outcome had time to become visible")
				}
				st.after(24 * time.Hour)
				wantOutcome(t, st, m.ID, relay.Delivered)
				if int(sends.Load()) != test.sends || st.filer.looks() != test.finds {
					t.Errorf("%v %v: sent %d times, looked up %d times", test.found, test.err, sends.Load(), st.filer.looks())
				}
				st.log.faults = slices.DeleteFunc(st.log.faults, func(string) bool { return test.err != nil })
			})
		})
	}
}

// Promise G4 never costs a delivery: after a crash in the second transaction of a
// message, the copy that the first one left in Sent says nothing about the second.
func TestCopyOfOneTransactionProvesNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := message("b.example", "c.example")
		var crash *relay.State
		before := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			a := answering(relay.Delivered, 250)(ctx, &relay.Delivery{Recipients: []int{0}, BeforeDot: d.BeforeDot})
			b := answering(relay.Delivered, 250)(ctx, &relay.Delivery{Recipients: []int{1}, BeforeDot: d.BeforeDot})
			a.Results = append(a.Results, b.Results...)
			return a
		})
		before.store.fail = func(e relay.Event) error {
			if e.Kind == relay.EventAttempt {
				crash = before.store.states[m.ID].Clone() // what a crash here leaves
			}
			return nil
		}
		before.run(func() { before.put(m) })
		var sent atomic.Int32
		after := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			sent.Add(int32(len(d.Recipients))) //nolint:gosec // two
			return answering(relay.Delivered, 250)(ctx, d)
		})
		after.filer.found = relay.FoundYes
		after.store.messages[m.ID], after.store.states[m.ID] = m, crash
		after.run(func() {
			after.after(time.Hour)
			wantOutcome(t, after, m.ID, relay.Delivered, relay.Delivered)
			if sent.Load() != 2 {
				t.Errorf("sent to %d recipients again, want 2: nobody knows about them", sent.Load())
			}
		})
	})
}

// crashed puts a message into the store as a crash after its final dot leaves it.
func crashed(t *testing.T, st *stage, m *relay.Message) {
	t.Helper()
	s := relay.NewState(m)
	s.Route, s.RouteFixed = throughAccount, true
	for i := range s.Recipients {
		s.Recipients[i].DotSent = true
		s.Recipients[i].Attempts = 5 // deferrals from before: they are no look-ups
	}
	st.store.messages[m.ID], st.store.states[m.ID] = m, s
}

func TestPersonsControls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		st := newStage(t, direct, answering(relay.Deferred, 451))
		st.run(func() {
			id := st.put(message("b.example"))
			check := func(what string, got, want error) {
				t.Helper()
				if !errors.Is(got, want) || (want == nil && got != nil) {
					t.Errorf("%s: %v, want %v", what, got, want)
				}
				synctest.Wait()
			}
			check("release of what is not held", st.c.Release(ctx, id, "ann"), ErrNotHeld)
			check("hold", st.c.Hold(ctx, id, "ann", "legal"), nil)
			check("second hold", st.c.Hold(ctx, id, "ann", "legal"), ErrHeld)
			check("retry while held", st.c.Retry(ctx, id, "ann"), ErrHeld)
			st.after(24 * time.Hour)
			if n := len(st.log.times()); n != 1 {
				t.Errorf("%d attempts while held", n)
			}
			st.accounts.change()
			st.after(time.Second)
			if st.store.state(id).Hold == nil {
				t.Error("a change of accounts released what a person held")
			}
			check("release", st.c.Release(ctx, id, "ann"), nil)
			check("retry", st.c.Retry(ctx, id, "ann"), nil)
			if n := len(st.log.times()); n != 3 {
				t.Errorf("%d attempts after release and retry, want 3", n)
			}
			check("cancel", st.c.Cancel(ctx, id, "ann"), nil)
			wantOutcome(t, st, id, relay.Cancelled)
			check("cancel of what is gone", st.c.Cancel(ctx, id, "ann"), store.ErrNotFound)
			if len(st.reporter.kinds) != 0 {
				t.Error("a cancelled message was reported")
			}
		})
	})
}

func TestCancelBreaksOffWhatHasNotSentItsDot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			<-ctx.Done()
			return aborted(d, time.Now(), 0, "broken off")
		})
		st.run(func() {
			id := st.put(message("b.example"))
			if err := st.c.Cancel(context.Background(), id, "ann"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			wantOutcome(t, st, id, relay.Cancelled)
		})
	})
}

// Promise G5: the copy has its own clock, and its failure sends nothing again.
func TestSentCopyIsRetriedForDaysAndNeverResends(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			sends.Add(1)
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.filer.filed = []relay.Filed{{Status: relay.CopyPending, Reason: "the server does not answer"}}
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(6 * 24 * time.Hour)
			if k := st.store.state(id).Copy; k.Status != relay.CopyPending || k.Attempts < 70 {
				t.Errorf("after six days: %+v", k)
			}
			st.after(2 * 24 * time.Hour)
			if k := st.store.state(id).Copy; k.Status != relay.CopyImpossible || k.Reason == "" {
				t.Errorf("after eight days: %+v", k)
			}
			if sends.Load() != 1 || !st.store.state(id).Done() {
				t.Errorf("sent %d times", sends.Load())
			}
		})
	})
}

func TestFullDiskDelaysTheResultButKeepsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		var full atomic.Bool
		full.Store(true)
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			sends.Add(1)
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.store.fail = func(e relay.Event) error {
			if full.Load() && e.Kind == relay.EventAttempt {
				return fmt.Errorf("write: %w", store.ErrFull)
			}
			return nil
		}
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(time.Minute)
			full.Store(false)
			st.after(time.Minute)
			wantOutcome(t, st, id, relay.Delivered)
			if sends.Load() != 1 || len(st.log.faults) == 0 {
				t.Errorf("sent %d times, faults %v", sends.Load(), st.log.faults)
			}
			st.log.faults = nil
		})
	})
}

func TestEndWaitsForAttemptsAndBreaksOffTheSlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			<-ctx.Done()
			return aborted(d, time.Now(), 0, "stopping")
		})
		var id relay.ID
		start := time.Now()
		st.run(func() { id = st.put(message("b.example")) })
		if took := time.Since(start); took != DefaultGrace {
			t.Errorf("the end took %v, want the grace of %v", took, DefaultGrace)
		}
		if s := st.store.state(id); s.Recipients[0].Outcome != relay.Deferred || s.Recipients[0].Attempts != 0 {
			t.Errorf("left %+v", s.Recipients[0])
		}
	})
}

func TestPanicOfADelivererIsContained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		st := newStage(t, direct, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			if calls++; calls == 1 {
				panic("index out of range")
			}
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(5 * time.Minute)
			wantOutcome(t, st, id, relay.Delivered)
			if len(st.log.faults) != 1 {
				t.Errorf("faults %v", st.log.faults)
			}
			st.log.faults = nil
		})
	})
}
