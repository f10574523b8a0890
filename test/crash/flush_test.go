package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/test/programtest"
)

// settleFlushes is how long a relayd without work may take to flush what it keeps in
// the background.
const settleFlushes = 1500 * time.Millisecond

// sampled is which part of the flushes one run looks at: every third.
const sampled = 3

// The letters of the flush tests: one lies in the journal, one in a file of its own.
func flushedSizes() map[string]int { return map[string]int{"inline": 1000, "file": 9000} }

// session --SMTP--> relayd, killed just before its n-th flush --SMTP--> sink
//
// The flushes of one letter's whole life are counted first. Then, for every third n
// from a random one on, another relayd is killed when it is about to make the n-th.
// The application comes again until it is answered; the letter arrives, twice only
// after an unknown outcome.
func TestKillBesideEveryFlushLosesNothing(t *testing.T) {
	t.Parallel()
	for name, size := range flushedSizes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flushes := countFlushes(t, size)
			if flushes < 3 {
				t.Fatalf("%d flushes were seen: accepting, the dot and the result need one each", flushes)
			}
			t.Logf("a life has %d flushes", flushes)
			for n := 1 + rand.IntN(sampled); n <= flushes; n += sampled { //nolint:gosec // a sample
				t.Run(fmt.Sprint(n), func(t *testing.T) {
					t.Parallel()
					killBeside(t, size, n)
				})
			}
		})
	}
}

// countFlushes leads one letter through its life.
func countFlushes(t *testing.T, size int) int {
	t.Helper()
	w := newWorld(t, "", nil)
	var seen atomic.Int64
	trace := w.start().TraceFlushes(func(n int) { seen.Store(int64(n)) })
	<-w.post(w.letterOf(size))
	w.drained()
	pause(t.Context(), settleFlushes)
	trace.Stop()
	w.settle()
	return int(seen.Load())
}

func killBeside(t *testing.T, size, n int) {
	t.Helper()
	w := newWorld(t, "", nil)
	p := w.start()
	p.TraceFlushes(func(seen int) {
		if seen == n {
			p.Strike()
		}
	})
	done := w.post(w.letterOf(size))
	w.awaitEndOrIdle(p, done)
	w.start()
	<-done
	v := w.settle()
	t.Logf("killed at %d of the flushes: %d arrivals, %d of them duplicates with an unknown outcome", n, v.arrived, v.duplicates)
}

// awaitEndOrIdle returns when the process is gone, or when it has nothing left to
// do: groups form as they like, so a life may have a flush less than the one before.
func (w *world) awaitEndOrIdle(p *programtest.Process, done <-chan struct{}) {
	select {
	case <-p.Ended():
		return
	case <-done:
	}
	timer := time.NewTimer(programtest.Patience)
	defer timer.Stop()
	idle := time.NewTimer(4 * settleFlushes)
	defer idle.Stop()
	select {
	case <-p.Ended():
	case <-idle.C:
		w.Log("the flush never came")
		p.Kill()
	case <-timer.C:
		w.Fatal("neither end nor idleness")
	}
}

// A flush that fails is final: the client gets no answer, relayd ends with an error,
// and the next start has exactly what was acknowledged. Were a flush tried again,
// the second try would succeed here, and the client would be told 250 (promise G2).
func TestTortureFailedFlushIsFinal(t *testing.T) {
	t.Parallel()
	for name, size := range flushedSizes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			p := w.start()
			<-w.post(w.letterOf(size))
			w.drained()
			pause(t.Context(), settleFlushes)
			p.FailFlushes()
			letter := w.letterOf(size)
			s, err := programtest.Dial(t.Context(), p.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			id, err := s.Submit(letter)
			var refusal *programtest.Refusal
			if err == nil || errors.As(err, &refusal) {
				t.Errorf("after a flush that failed the client was told %q, %v", id, err)
			}
			p.AwaitEnd()
			if p.Err() == nil {
				t.Error("relayd ended as if nothing had happened")
			}
			if p.Count("a flush failed") == 0 {
				t.Errorf("relayd does not say why it ended:\n%v", p.Log())
			}
			w.start()
			<-w.post(letter)
			w.settle()
		})
	}
}

// The same under load, and with the flushes of the journal alone.
func TestTortureFailedFlushUnderLoad(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	p := w.start()
	d := w.drive(sessions)
	pause(t.Context(), killWithin)
	segments, err := filepath.Glob(filepath.Join(w.install.Data, "queue", "journal", "*"))
	if err != nil || len(segments) == 0 {
		t.Fatalf("the segments of the journal: %v, %v", segments, err)
	}
	p.FailFlushes(segments...)
	p.AwaitEnd()
	if p.Err() == nil {
		t.Error("relayd ended as if nothing had happened")
	}
	w.start()
	pause(t.Context(), killWithin)
	d.stop()
	v := w.settle()
	t.Logf("%d letters acknowledged, %d arrivals, %d duplicates with an unknown outcome", v.acked, v.arrived, v.duplicates)
}

// The index can be made again from the journal, so its trouble must not stop mail.
func TestTortureIndexThatCannotBeFlushedStopsNoMail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "", nil)
	p := w.start()
	p.FailFlushes(filepath.Join(w.install.Data, "queue", "index", "state.db"))
	w.postMany(20)
	w.drained()
	pause(t.Context(), settleFlushes)
	select {
	case <-p.Ended():
		t.Errorf("relayd ended because of its index: %v", p.Err())
	default:
		p.Kill()
	}
	w.start()
	w.settle()
}
