package queue

import (
	"bytes"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// waiting is how long the organisation of these tests lets mail wait.
const waiting = 72 * time.Hour

// nobodyMends routes as relay/route does for an account that is parked for ever: after
// its time mail takes another way.
func nobodyMends(st *stage, after relay.Route) {
	st.router.decide = func(m *relay.Message) relay.Route {
		if time.Since(m.Accepted) < waiting {
			return parked
		}
		return after
	}
}

var (
	brokenDirect = relay.Route{Kind: relay.RouteDirect, Rule: "policy.broken_direct", Reason: "nobody mended it"}
	brokenReturn = relay.Route{Kind: relay.RouteReturn, Rule: "policy.broken_return", Reason: "nobody mended it"}
)

// Time alone ends the hold, where the organisation wants it: no account changes.
func TestMailThatNobodyMendsGoesDirectly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, answering(relay.Delivered, 250))
		nobodyMends(st, brokenDirect)
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			st.after(waiting - time.Minute)
			if st.c.Held() != 1 || len(st.log.times()) != 0 {
				t.Fatalf("%d held, %d attempts before the time", st.c.Held(), len(st.log.times()))
			}
			st.after(overdueEvery + time.Minute)
			wantOutcome(t, st, id, relay.Delivered, relay.Delivered)
			if s := st.store.state(id); st.c.Held() != 0 || s.Route.Rule != brokenDirect.Rule || s.Copy.Status != relay.CopyNone || len(st.reporter.made()) != 0 {
				t.Errorf("%d held, route %+v, copy %v, reports %v", st.c.Held(), s.Route, s.Copy.Status, st.reporter.made())
			}
		})
	})
}

// A router that tells when the hold ends is asked at that moment, and not minutes later:
// also for what is held already when the policy changes, and after a start.
func TestMailThatNobodyMendsGoesInTime(t *testing.T) {
	t.Parallel()
	const short = 2 * time.Second
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, answering(relay.Delivered, 250))
		patience := atomic.Int64{} // of the policy; 0: for ever
		st.router.decide = func(m *relay.Message) relay.Route {
			if until := st.router.until(m); until.IsZero() || time.Now().Before(until) {
				return parked
			}
			return brokenDirect
		}
		st.router.until = func(m *relay.Message) time.Time {
			if patience.Load() == 0 {
				return time.Time{}
			}
			return m.Accepted.Add(time.Duration(patience.Load()))
		}
		old := message("b.example")
		st.store.messages[old.ID], st.store.states[old.ID] = old, relay.NewState(old)
		st.run(func() {
			st.after(time.Hour)
			wantOutcome(t, st, old.ID, relay.Pending)
			patience.Store(int64(2 * time.Hour))
			st.accounts.change() // the policy
			st.after(time.Hour - time.Minute)
			wantOutcome(t, st, old.ID, relay.Pending)
			st.after(time.Minute + agedPause)
			wantOutcome(t, st, old.ID, relay.Delivered)
			patience.Store(int64(short))
			id := st.put(message("c.example"))
			st.after(short - time.Millisecond)
			wantOutcome(t, st, id, relay.Pending)
			st.after(agedPause)
			wantOutcome(t, st, id, relay.Delivered)
		})
	})
}

// The hold ends with a DSN to everybody who wants one, and no recipient is forgotten.
func TestMailThatNobodyMendsIsReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, func(context.Context, *relay.Delivery) relay.Attempt {
			t.Error("something was sent")
			return relay.Attempt{}
		})
		nobodyMends(st, brokenReturn)
		st.run(func() {
			m := message("b.example", "c.example", "d.example")
			m.Envelope.Recipients[1].Notify = relay.NotifyNever
			id := st.put(m)
			st.after(waiting + overdueEvery)
			wantOutcome(t, st, id, relay.Failed, relay.Failed, relay.Failed)
			r := st.store.state(id).Recipients[0]
			if r.Rule != brokenReturn.Rule || r.Reply.Enhanced != (relay.Enhanced{5, 4, 7}) || r.Reply.Text != "local: returned nobody mended it" {
				t.Errorf("ended by %q with %q", r.Rule, r.Reply)
			}
			if !slices.Equal(st.reporter.made(), []relay.ReportKind{relay.ReportFailure}) || !slices.Equal(st.reporter.to[0], []int{0, 2}) {
				t.Errorf("reports %v for %v", st.reporter.made(), st.reporter.to)
			}
			want := []relay.EventKind{relay.EventHeld, relay.EventReleased, relay.EventAttempt, relay.EventReport}
			if got := st.store.eventsOf(id); !slices.Equal(got, want) || !st.store.state(id).Done() || !st.c.Oldest().IsZero() {
				t.Errorf("events %q, want %q", got, want)
			}
		})
	})
}

// What may have been sent in part waits for its account, whatever the policy says; and
// it keeps no other mail from going.
func TestPolicyNeverMovesWhatMayHaveBeenSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*relay.RecipientState){
		"one recipient has it":  func(r *relay.RecipientState) { r.Outcome, r.Reported = relay.Delivered, true },
		"an answer was lost":    func(r *relay.RecipientState) { r.Outcome, r.DotSent = relay.Unknown, true },
		"the dot was refused":   func(r *relay.RecipientState) { r.Outcome = relay.Deferred },
		"a crash after the dot": func(r *relay.RecipientState) { r.DotSent = true },
	} {
		for _, after := range []relay.Route{brokenDirect, brokenReturn} {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t, direct, answering(relay.Delivered, 250))
				nobodyMends(st, after)
				partly := message("b.example", "c.example")
				s := relay.NewState(partly)
				s.Route, s.RouteFixed = throughAccount, true
				change(&s.Recipients[0])
				st.store.messages[partly.ID], st.store.states[partly.ID] = partly, s
				time.Sleep(time.Second) // fake time of the bubble
				st.run(func() {
					other := st.put(message("d.example"))
					st.after(2 * waiting)
					if s := st.store.state(partly.ID); s.Hold == nil || s.Hold.Account != "a1" || s.Recipients[1].Outcome != relay.Pending {
						t.Errorf("%s, %s: %+v", name, after.Rule, s)
					}
					want := map[relay.RouteKind]relay.Outcome{relay.RouteDirect: relay.Delivered, relay.RouteReturn: relay.Failed}[after.Kind]
					wantOutcome(t, st, other, want)
					st.router.set(throughAccount) // somebody mended it after all
					st.accounts.change()
					st.after(time.Hour)
					if s := st.store.state(partly.ID); s.Recipients[1].Outcome != relay.Delivered || st.c.Held() != 0 {
						t.Errorf("%s, %s, mended: %+v", name, after.Rule, s)
					}
				})
			})
		}
	}
}

// Only what is due goes, oldest first, and the looks in between cost one question for
// each account, however much is held.
func TestHeldMailIsReleasedAsItAges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, direct, answering(relay.Delivered, 250))
		nobodyMends(st, brokenDirect)
		st.run(func() {
			var ids []relay.ID
			for range 200 {
				ids = append(ids, st.put(message("b.example")))
				st.after(time.Minute)
			}
			st.after(waiting - 201*time.Minute)
			st.router.questions()
			st.after(time.Minute - time.Second)
			if n := st.router.questions(); n > 1 {
				t.Errorf("%d questions while nothing is due", n)
			}
			for looks := range 10 {
				st.after(overdueEvery)
				for i, id := range ids {
					age := time.Since(id.Time())
					delivered := st.store.state(id).Recipients[0].Outcome == relay.Delivered
					if delivered != (age >= waiting) && (age < waiting || age > waiting+overdueEvery) {
						t.Errorf("look %d: message %d, %v old: delivered %v", looks, i, age, delivered)
					}
				}
			}
			st.after(200 * time.Minute)
			if st.c.Held() != 0 {
				t.Errorf("%d still held", st.c.Held())
			}
		})
	})
}

// After mending, what waited leaves in order and gently: one message first, more beside
// each other as they succeed, the oldest always next.
func TestWaitingMailLeavesInOrderAndGently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var starts [][]relay.ID // by second
		var last time.Time
		st := newStage(t, parked, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			mu.Lock()
			if now := time.Now(); !now.Equal(last) {
				starts, last = append(starts, nil), now
			}
			starts[len(starts)-1] = append(starts[len(starts)-1], d.Message.ID)
			mu.Unlock()
			time.Sleep(time.Second) // fake time of the bubble
			return answering(relay.Delivered, 250)(ctx, d)
		})
		st.o.PerAccount = 8
		st.run(func() {
			var ids []relay.ID
			for range 150 {
				ids = append(ids, st.put(message("b.example")))
				st.after(time.Second)
			}
			if st.c.Held() != len(ids) {
				t.Fatalf("%d held", st.c.Held())
			}
			st.router.set(throughAccount)
			st.accounts.change()
			st.after(time.Minute)
			mu.Lock()
			defer mu.Unlock()
			var widths []int
			sent := 0
			for _, group := range starts {
				widths = append(widths, len(group))
				slices.SortFunc(group, func(a, b relay.ID) int { return bytes.Compare(a[:], b[:]) })
				if !slices.Equal(group, ids[sent:sent+len(group)]) {
					t.Errorf("of those that began beside each other after %d some are not the oldest", sent)
				}
				sent += len(group)
			}
			if sent != len(ids) || !slices.Equal(widths[:6], []int{1, 2, 4, 8, 8, 8}) {
				t.Errorf("%d sent, %v beside each other", sent, widths)
			}
		})
	})
}

// What relayd itself writes to a person gets neither a DSN nor a Sent copy, whatever
// becomes of it.
func TestNoticeGetsNeitherReportNorCopy(t *testing.T) {
	t.Parallel()
	for outcome, code := range map[relay.Outcome]int{relay.Delivered: 250, relay.Failed: 550, relay.Deferred: 451} {
		for _, route := range []relay.Route{direct, throughAccount} {
			synctest.Test(t, func(t *testing.T) {
				st := newStage(t, route, answering(outcome, code))
				st.run(func() {
					m := message("b.example")
					m.Kind = relay.KindNotice
					m.Envelope.Recipients[0].Notify = relay.NotifySuccess | relay.NotifyFailure | relay.NotifyDelay
					id := st.put(m)
					st.after(7 * 24 * time.Hour)
					if len(st.reporter.made()) != 0 || len(st.filer.asked()) != 0 || !st.store.state(id).Done() {
						t.Errorf("%v %v: reports %v, %d copies", outcome, route.Kind, st.reporter.made(), len(st.filer.asked()))
					}
				})
			})
		}
	}
}

// The index against a plain list, whatever comes and goes.
func TestHeldIndexKeepsCount(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 3))
	var x heldIndex
	messages := make([]*relay.Message, 3000)
	for i := range messages {
		messages[i] = &relay.Message{ID: relay.NewID(time.UnixMilli(int64(i)))}
	}
	held := map[int]*relay.State{}
	const key = "account:a1"
	for range 40_000 {
		i := random.IntN(len(messages))
		if s := held[i]; s != nil {
			x.remove(messages[i], s.Hold)
			delete(held, i)
			continue
		}
		held[i] = &relay.State{Hold: &relay.Hold{Account: "a1"}, RouteFixed: random.IntN(4) == 0}
		x.add(messages[i], held[i])
	}
	var all, open, fixed []relay.ID
	for i, m := range messages {
		switch s := held[i]; {
		case s == nil:
			continue
		case s.RouteFixed:
			fixed = append(fixed, m.ID)
		default:
			open = append(open, m.ID)
		}
		all = append(all, m.ID)
	}
	if !slices.Equal(x.of(key), all) || !slices.Equal(x.fixed(key), fixed) || x.count() != len(all) {
		t.Errorf("%d held, want %d", x.count(), len(all))
	}
	for range 2 {
		if got := x.oldest(key, 50); !slices.Equal(got, open[:50]) {
			t.Errorf("oldest %v, want %v", got, open[:50])
		}
	}
	if got := x.oldest(key, len(messages)); !slices.Equal(got, open) {
		t.Errorf("%d open, want %d", len(got), len(open))
	}
	if n := len(x.groups[key].open); n > 2*len(all)+manyGone+1 {
		t.Errorf("the heap keeps %d for %d", n, len(all))
	}
	for i := range held {
		x.remove(messages[i], held[i].Hold)
	}
	if x.count() != 0 || len(x.keys()) != 0 || x.oldest(key, 1) != nil {
		t.Errorf("%d held at the end", x.count())
	}
}
