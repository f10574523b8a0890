package queue

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

const recheckAfter = 10 * time.Minute

func filedOnce() relay.Filed {
	return relay.Filed{Status: relay.CopyFiled, Folder: "Sent", UID: 7, Validity: 3, Recheck: recheckAfter}
}

// A filed copy is looked at once more, at its time; what changed stands in the timeline,
// and what did not does not.
func TestFiledCopyIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	kept, late := filedOnce(), relay.Filed{Status: relay.CopyByProvider, Folder: "Sent", UID: 8, Validity: 3, Reason: "late"}
	kept.Recheck = 0
	for name, tc := range map[string]struct {
		second relay.Filed
		events []relay.EventKind
	}{
		"it stays":                    {kept, []relay.EventKind{relay.EventCopy, relay.EventCopyKept}},
		"the provider filed one late": {late, []relay.EventKind{relay.EventCopy, relay.EventCopy}},
	} {
		synctest.Test(t, func(t *testing.T) {
			st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
				a := answering(relay.Delivered, 250)(ctx, d)
				a.Way, a.Results[0].Reply.Text = relay.WaySMTP, "OK <given@provider.example>"
				return a
			})
			st.filer.filed = []relay.Filed{filedOnce(), tc.second}
			st.run(func() {
				id := st.put(message("b.example"))
				s := st.store.state(id)
				if s.Done() || s.Copy.Status != relay.CopyFiled || s.Copy.Validity != 3 || !s.Copy.Next.Equal(time.Now().Add(recheckAfter)) {
					t.Fatalf("%s: after the filing %+v", name, s.Copy)
				}
				st.after(recheckAfter - time.Second)
				if len(st.filer.asked()) != 1 {
					t.Errorf("%s: looked at before its time", name)
				}
				st.after(time.Second)
				k := st.store.state(id).Copy
				if len(st.filer.asked()) != 2 || k.Status != tc.second.Status || k.UID != tc.second.UID || !st.store.state(id).Done() || !st.c.Oldest().IsZero() {
					t.Errorf("%s: %d looks, %+v", name, len(st.filer.asked()), k)
				}
				if events := st.store.eventsOf(id)[2:]; !slices.Equal(events, tc.events) {
					t.Errorf("%s: events %q", name, events)
				}
				first, second := st.filer.asked()[0], st.filer.asked()[1]
				if first.Filed != nil || first.Way != relay.WaySMTP || first.Reply.Text != "OK <given@provider.example>" {
					t.Errorf("%s: asked to file %+v", name, first)
				}
				if f := second.Filed; f == nil || f.UID != 7 || f.Validity != 3 || second.Body == nil || !second.Sent.Equal(first.Sent) {
					t.Errorf("%s: asked to look with %+v", name, second)
				}
			})
		})
	}
}

// The clock of the look survives a restart.
func TestLookAtAFiledCopySurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, answering(relay.Delivered, 250))
		kept := filedOnce()
		kept.Recheck = 0
		st.filer.filed = []relay.Filed{filedOnce(), kept}
		var id relay.ID
		st.run(func() { id = st.put(message("b.example")) })
		st.after(time.Minute)
		st.run(func() {
			if len(st.filer.asked()) != 1 {
				t.Error("looked at at once")
			}
			st.after(recheckAfter)
			if len(st.filer.asked()) != 2 || !st.store.state(id).Done() {
				t.Errorf("%d looks, %+v", len(st.filer.asked()), st.store.state(id).Copy)
			}
		})
	})
}

// Neither a retry that a person asks for nor a panic makes a filed copy one that is to
// be filed.
func TestFiledCopyIsNeverFiledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			a := answering(relay.Delivered, 250)(ctx, d)
			if sends.Add(1) == 1 {
				a.Results[1].Outcome, a.Results[1].Reply.Code, a.Results[1].Pause = relay.Deferred, 451, 12*time.Hour
			}
			return a
		})
		st.filer.filed = []relay.Filed{filedOnce()}
		st.filer.panics = func(f *relay.Filing) bool { return f.Filed != nil }
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			if err := st.c.Retry(context.Background(), id, "ann"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if k := st.store.state(id).Copy; len(st.filer.asked()) != 1 || k.Status != relay.CopyFiled || k.Next.IsZero() {
				t.Errorf("after the retry: %d filings, %+v", len(st.filer.asked()), k)
			}
			st.after(recheckAfter)
			if s := st.store.state(id); s.Copy.Status != relay.CopyFiled || s.Copy.UID != 7 || !s.Done() {
				t.Errorf("after the panic: %+v", s.Copy)
			}
			st.log.faults = nil
		})
	})
}

// A filer that never comes to an end with a filed copy does not keep the message for
// ever.
func TestLooksAtAFiledCopyEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newStage(t, throughAccount, answering(relay.Delivered, 250))
		st.filer.filed = []relay.Filed{filedOnce()}
		st.run(func() {
			id := st.put(message("b.example"))
			st.after(8 * 24 * time.Hour)
			if s := st.store.state(id); s.Copy.Status != relay.CopyFiled || !s.Done() {
				t.Errorf("after eight days: %+v", s.Copy)
			}
		})
	})
}

// An account whose owner switched copies off: that is said once, whoever is accepted
// later.
func TestCopySwitchedOffIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
			a := answering(relay.Delivered, 250)(ctx, d)
			if sends.Add(1) == 1 {
				a.Results[1].Outcome, a.Results[1].Reply.Code = relay.Deferred, 451
			}
			return a
		})
		st.filer.filed = []relay.Filed{{Status: relay.CopyNone, Reason: "switched off"}}
		st.run(func() {
			id := st.put(message("b.example", "c.example"))
			st.after(time.Hour)
			s := st.store.state(id)
			if !s.Done() || len(st.filer.asked()) != 1 || s.Copy.Status != relay.CopyNone || s.Copy.Reason == "" {
				t.Errorf("%d filings, %+v", len(st.filer.asked()), s.Copy)
			}
		})
	})
}

// webProvider is an HTTP API that files what it accepts, and shows it some time later.
type webProvider struct {
	mu       sync.Mutex
	accepted []time.Time
	shows    time.Duration
	dead     bool // the program that talks to it is gone
}

func (p *webProvider) die() { p.mu.Lock(); defer p.mu.Unlock(); p.dead = true }

// alive reports whether the program still is there, unless it dies now.
func (p *webProvider) alive(now bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = p.dead || now
	return !p.dead
}

func (p *webProvider) accept() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted = append(p.accepted, time.Now())
}

func (p *webProvider) find() relay.Found {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.ContainsFunc(p.accepted, func(at time.Time) bool { return time.Since(at) >= p.shows }) {
		return relay.FoundYes
	}
	return relay.FoundNo
}

// The moments of a crash, in the order of a message's life.
const (
	crashAtDot = iota
	crashBeforeAccept
	crashAfterAccept
	crashAtResult
	crashAtCopy
	noCrash
)

// boot runs the program until it crashed, or for two minutes, and gives what the disk
// then says of the message.
func (p *webProvider) boot(t *testing.T, m *relay.Message, kept *relay.State, crash int) *relay.State {
	p.dead = false
	st := newStage(t, throughAccount, func(ctx context.Context, d *relay.Delivery) relay.Attempt {
		if d.BeforeDot(ctx, d.Recipients) != nil || !p.alive(crash == crashBeforeAccept) {
			return aborted(d, time.Now(), 0, "broken off")
		}
		p.accept()
		p.alive(crash == crashAfterAccept)
		return relay.Attempt{Way: relay.WayGraph, Results: []relay.Result{{Outcome: relay.Delivered, Reply: relay.Reply{Code: 202}}}}
	})
	st.filer.find = p.find
	st.filer.filed = []relay.Filed{{Status: relay.CopyByProvider, Folder: "Sent"}}
	moments := map[relay.EventKind]int{relay.EventDotSent: crashAtDot, relay.EventAttempt: crashAtResult, relay.EventCopy: crashAtCopy}
	st.store.fail = func(e relay.Event) error {
		if at, ok := moments[e.Kind]; !p.alive(ok && at == crash) {
			return store.ErrClosed
		}
		return nil
	}
	if kept != nil {
		st.store.messages[m.ID], st.store.states[m.ID] = m, kept
	}
	st.run(func() {
		if kept == nil {
			st.put(m)
		}
		st.after(2 * time.Minute)
		p.die()
		kept = st.store.state(m.ID).Clone()
		st.log.faults = nil
	})
	return kept
}

// Promise G4 and G5 for the ways over HTTP: a crash at any moment between accept and
// the record of the copy. Every message is accepted once and lies in Sent once.
func TestCrashesWithAnAPIThatFiles(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			provider := &webProvider{shows: time.Duration(random.IntN(50)) * time.Second}
			m := message("b.example")
			var kept *relay.State
			var crashes []int
			for kept == nil || !kept.Done() {
				crash := noCrash
				if len(crashes) < 4 {
					crash = random.IntN(noCrash + 1)
				}
				crashes = append(crashes, crash)
				if kept = provider.boot(t, m, kept, crash); len(crashes) > 20 {
					t.Fatalf("seed %d: never done: %+v", seed, kept)
				}
			}
			if len(provider.accepted) != 1 || kept.Recipients[0].Outcome != relay.Delivered || kept.Copy.Status != relay.CopyByProvider {
				t.Errorf("seed %d: crashes %v: accepted %d times, %+v, copy %+v", seed, crashes, len(provider.accepted), kept.Recipients[0], kept.Copy)
			}
		})
	}
}
