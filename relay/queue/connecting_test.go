package queue

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// Promise G6: accounts whose servers say nothing give up the places that others wait
// for, and nobody stands behind them a second time.
func TestSilentPeersGiveWay(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.Attempts = 100 })
	broken := 0
	take := func() (n int) {
		for got, ok := s.take(); ok; got, ok = s.take() {
			c := s.connect(got, nil, s.now)
			c.breakOff = func() {
				broken++
				go func() { // as the attempt itself, not under the lock
					s.connected(c)
					s.learn(got.lane, false, s.now)
					s.done(got, s.now)
				}()
			}
			n++
		}
		return n
	}
	synctest.Test(t, func(t *testing.T) {
		for i := range 60 {
			s.put("x", laneKey{laneAccount, fmt.Sprint("silent", i)}, 5)
		}
		if n := take(); n != 40 {
			t.Fatalf("%d attempts at silent servers, want 40", n)
		}
		if _, _, wait := s.scheduler.next(s.now); wait != silence {
			t.Errorf("the next look is in %v, want %v", wait, silence)
		}
		s.now = s.now.Add(silence - time.Second)
		if take(); broken != 0 {
			t.Error("broken off too early")
		}
		s.now = s.now.Add(time.Second)
		take()
		synctest.Wait()
		if broken != 20 {
			t.Errorf("%d gave way, want 20: so many lanes wait", broken)
		}
		if n := take(); n != 20+5 { // those that were not tried yet, and a share of the others
			t.Errorf("%d attempts followed, want 25", n)
		}
		s.now = s.now.Add(silence)
		s.put("x", laneKey{laneAccount, "new"}, 1)
		take()
		synctest.Wait() // one of them gives way at once
		if got, ok := s.take(); !ok || got.lane.key.name != "new" {
			t.Error("an account of which nothing is known waits behind silent ones")
		}
	})
}

// A server that is slow to answer keeps its place while nobody waits for it.
func TestSilentPeerKeepsAPlaceThatNobodyWants(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.Attempts = 100 })
	s.put("x", laneKey{laneAccount, "slow"}, 3)
	got, _ := s.take()
	c := s.connect(got, func() { t.Error("broken off, and nobody wants its place") }, s.now)
	s.now = s.now.Add(time.Hour)
	s.put("x", laneKey{laneAccount, "other"}, 1)
	if got, ok := s.take(); !ok || got.lane.key.name != "other" {
		t.Error("the other lane does not run")
	}
	s.take()
	s.connected(c)
	if s.gaveWay(c) {
		t.Error("an attempt that met its peer is said to have given way")
	}
}

// When every place is taken, as many give way as others wait, and those first whose peers
// were not reached before.
func TestNoMoreGiveWayThanNeeded(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.Attempts = 3 })
	broken := map[string]bool{}
	begin := func(name string) {
		s.put("x", laneKey{laneAccount, name}, 1)
		got, ok := s.take()
		if !ok {
			t.Fatalf("%s does not run", name)
		}
		s.connect(got, func() { broken[name] = true }, s.now)
	}
	for _, name := range []string{"first", "second"} {
		s.prove(laneKey{laneAccount, name})
		begin(name)
	}
	begin("unknown")
	s.now = s.now.Add(silence)
	s.prove(laneKey{laneAccount, "living"})
	s.put("x", laneKey{laneAccount, "living"}, 1)
	for range 3 {
		s.take()
	}
	if len(broken) != 1 || !broken["unknown"] {
		t.Errorf("gave way: %v, want the unknown one alone", broken)
	}
}

// An attempt in the middle of its work is left alone, however many wait.
func TestConnectedAttemptNeverGivesWay(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.Attempts = 2 })
	for i := range 10 {
		key := laneKey{laneAccount, fmt.Sprint(i)}
		s.prove(key)
		s.put("x", key, 1)
	}
	for range 2 {
		got, _ := s.take()
		s.connected(s.connect(got, func() { t.Error("broken off") }, s.now))
	}
	s.now = s.now.Add(time.Hour)
	if _, ok, wait := s.scheduler.next(s.now); ok || wait != 0 {
		t.Errorf("something runs: %v; next look in %v", ok, wait)
	}
}

// The list of connections does not grow with what was sent (promise G7).
func TestConnectionsThatAreOverAreForgotten(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneAccount, "a"}
	s.prove(key)
	s.put("x", key, 10_001)
	slow, _ := s.take()
	s.connect(slow, func() {}, s.now)
	for range 10_000 {
		got, _ := s.take()
		s.connected(s.connect(got, func() {}, s.now))
		s.done(got, s.now)
	}
	if n := len(s.connecting[ringProven]); n > 2*s.limit+sparePlaces {
		t.Errorf("%d connections are kept", n)
	}
}

// Whether a peer answered outlives its lane, within limits.
func TestStandingIsRemembered(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	for name, reached := range map[string]bool{"good": true, "bad": false} {
		key := laneKey{laneAccount, name}
		s.put("x", key, 1)
		got, _ := s.take()
		s.learn(got.lane, reached, s.now)
		s.done(got, s.now)
	}
	if len(s.lanes) != 0 {
		t.Fatalf("%d idle lanes are kept", len(s.lanes))
	}
	for name, want := range map[string]ring{"good": ringProven, "bad": ringDoubtedAccounts, "new": ringAccounts} {
		if got := s.lane(laneKey{laneAccount, name}).ring(); got != want {
			t.Errorf("%s stands in ring %d, want %d", name, got, want)
		}
	}
	for i := range maxKnown + 1000 {
		l := newLane(laneKey{laneDomain, fmt.Sprint(i)}, 1)
		l.proven = true
		s.lanes[l.key] = l
		s.forget(l)
	}
	if len(s.known) > maxKnown {
		t.Errorf("%d are remembered, want at most %d", len(s.known), maxKnown)
	}
}

// A thousand messages of silent accounts, and one of an account that works: that one is
// sent, and what gave way is tried again by the ordinary schedule, with its reason.
func TestSilentAccountsDelayNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int32
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			end := d.StartConnecting()
			defer end()
			if !strings.HasPrefix(d.Route.Account, "silent") {
				sent.Add(1)
				return answering(relay.Delivered, 250)(ctx, d)
			}
			<-ctx.Done()
			return aborted(d, time.Now(), 0, "broken off")
		})
		st.o.Attempts = 20
		st.router.decide = func(m *relay.Message) relay.Route {
			return relay.Route{Kind: relay.RouteAccount, Account: m.From.Local}
		}
		var first relay.ID
		st.run(func() {
			for i := range 1000 {
				m := message("b.example")
				m.From.Local = fmt.Sprint("silent", i%50)
				st.put(m)
				if i == 0 {
					first = m.ID
				}
			}
			st.after(10 * time.Minute)
			st.put(message("b.example"))
			st.after(silence)
			if sent.Load() != 1 {
				t.Error("the message of the account that works was not sent")
			}
			r := &st.store.state(first).Recipients[0]
			if r.Outcome != relay.Deferred || r.Rule != RuleGaveWay || r.Attempts == 0 || !strings.Contains(r.Reply.Text, "timeout") {
				t.Errorf("a message of a silent account stands at %+v", r)
			}
		})
	})
}
