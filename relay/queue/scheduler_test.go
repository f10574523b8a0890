package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

func TestHeapGivesTheFirstFirst(t *testing.T) {
	t.Parallel()
	var h minHeap[timed]
	var want []int64
	for range 1000 {
		at := rand.Int64N(500)
		h.push(timed{at: at})
		want = append(want, at)
	}
	slices.Sort(want)
	for i, w := range want {
		if got := h.pop().at; got != w {
			t.Fatalf("element %d is %d, want %d", i, got, w)
		}
	}
}

// scheduling drives a scheduler by hand.
type scheduling struct {
	*scheduler
	now  time.Time
	next uint64
}

func newScheduling(change func(*Options)) *scheduling {
	o := Options{}
	o.setDefaults()
	if change != nil {
		change(&o)
	}
	return &scheduling{scheduler: newScheduler(&o), now: time.UnixMilli(1_000_000)}
}

func (s *scheduling) put(submitter string, key laneKey, n int) {
	for range n {
		s.next++
		id := relay.NewID(time.UnixMilli(int64(s.next)))
		s.add(task{id: id, submitter: submitter}, key, time.Time{}, s.now)
	}
}

// prove makes a lane one whose peer answers.
func (s *scheduling) prove(key laneKey) {
	l := s.lane(key)
	l.proven, l.width = true, l.limit
}

func (s *scheduling) take() (task, bool) {
	t, ok, _ := s.scheduler.next(s.now)
	return t, ok
}

func TestSubmittersTakeTurnsOldestFirst(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneAccount, "a"}
	s.put("bulk", key, 1000)
	s.put("one", key, 2)
	var order []string
	var last relay.ID
	for range 6 {
		got, ok := s.take()
		if !ok {
			t.Fatal("nothing runs")
		}
		if got.submitter == "bulk" {
			if last.Time().After(got.id.Time()) {
				t.Error("a younger message went first")
			}
			last = got.id
		}
		order = append(order, got.submitter)
		s.done(got, s.now)
	}
	if want := []string{"bulk", "one", "bulk", "one", "bulk", "bulk"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

func TestLanesTakeTurnsWithinTheirLimits(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.PerAccount = 3 })
	full, other := laneKey{laneAccount, "full"}, laneKey{laneAccount, "other"}
	s.prove(full)
	s.put("x", full, 100_000)
	s.put("x", other, 1)
	running := map[string]int{}
	for {
		got, ok := s.take()
		if !ok {
			break
		}
		running[got.lane.key.name]++
	}
	if running["full"] != 3 || running["other"] != 1 {
		t.Errorf("running %v", running)
	}
}

func TestUnprovenLaneGetsOneAttemptUntilItsPeerAnswers(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneDomain, "b.example"}
	s.put("x", key, 10)
	first, _ := s.take()
	if _, ok := s.take(); ok {
		t.Fatal("a second attempt ran before the peer had answered")
	}
	s.learn(first.lane, true, s.now)
	s.done(first, s.now)
	n := 0
	for _, ok := s.take(); ok; _, ok = s.take() {
		n++
	}
	if n != 2 {
		t.Errorf("%d attempts run after success, want 2", n)
	}
}

// After trouble a lane widens by one with each success, up to its limit; a peer that is
// not reached makes it narrow again.
func TestLaneWidensStepByStep(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.PerAccount = 5 })
	key := laneKey{laneAccount, "mended"}
	s.put("x", key, 100)
	round := func(reached bool) (n int) {
		var running []task
		for got, ok := s.take(); ok; got, ok = s.take() {
			running = append(running, got)
		}
		for _, got := range running {
			s.learn(got.lane, reached, s.now)
			s.done(got, s.now)
		}
		return len(running)
	}
	var widths []int
	for range 5 {
		widths = append(widths, round(true))
	}
	round(false)
	widths = append(widths, round(true), round(true))
	if want := []int{1, 2, 4, 5, 5, 1, 2}; !slices.Equal(widths, want) {
		t.Errorf("attempts at one time %v, want %v", widths, want)
	}
}

// Promise G6: however many peers are dead, mail for a living one finds a place.
func TestDeadPeersLeaveRoomForTheLiving(t *testing.T) {
	t.Parallel()
	s := newScheduling(func(o *Options) { o.Attempts = 100 })
	for i := range 500 {
		s.put("x", laneKey{laneDomain, "dead" + string(rune('a'+i%26)) + time.Duration(i).String()}, 3)
	}
	dead := 0
	for _, ok := s.take(); ok; _, ok = s.take() {
		dead++
	}
	living := laneKey{laneAccount, "living"}
	s.prove(living)
	s.put("x", living, 3)
	got, ok := s.take()
	if dead != 20 || !ok || got.lane.key != living {
		t.Errorf("%d attempts at dead peers; the living lane runs: %v", dead, ok)
	}
	others := []laneKey{{laneAccount, "new"}, {laneCopy, "new"}, {laneReport, ""}}
	for _, key := range others {
		s.put("x", key, 1)
	}
	ran := map[laneKey]bool{}
	for got, ok := s.take(); ok; got, ok = s.take() {
		ran[got.lane.key] = true
	}
	for _, key := range others {
		if !ran[key] {
			t.Errorf("behind dead destinations %s does not run", key)
		}
	}
}

func TestTroubledLaneRestsLongerEachTime(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneAccount, "a"}
	s.put("x", key, 1)
	for _, want := range []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute} {
		got, ok := s.take()
		if !ok {
			t.Fatal("the lane does not run")
		}
		s.slow(got.lane, 5*time.Minute, "busy", s.now)
		s.done(got, s.now)
		s.add(task{id: got.id}, key, time.Time{}, s.now)
		if _, ok, wait := s.scheduler.next(s.now); ok || wait != want {
			t.Fatalf("rests for %v, want %v", wait, want)
		}
		s.now = s.now.Add(want)
	}
	s.put("x", laneKey{laneAccount, "b"}, 1)
	if got, _ := s.take(); got.lane == nil {
		t.Error("nothing runs after the rest")
	}
}

func TestIdleLanesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	for i := range 100 {
		s.put("x", laneKey{laneDomain, time.Duration(i).String()}, 1)
	}
	for got, ok := s.take(); ok; got, ok = s.take() {
		s.done(got, s.now)
	}
	if len(s.lanes) != 0 {
		t.Errorf("%d lanes are kept", len(s.lanes))
	}
}

func TestTasksRunAtTheirTime(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneDomain, "b.example"}
	for _, wait := range []time.Duration{time.Hour, time.Minute, 0} {
		s.add(task{id: relay.NewID(s.now)}, key, s.now.Add(wait), s.now)
	}
	for _, want := range []time.Duration{time.Minute, 59 * time.Minute} {
		got, ok := s.take()
		if !ok {
			t.Fatal("nothing runs at its time")
		}
		s.done(got, s.now)
		_, ok, wait := s.scheduler.next(s.now)
		if ok || wait != want {
			t.Fatalf("next in %v, want %v", wait, want)
		}
		s.now = s.now.Add(wait)
	}
}

// BenchmarkSchedulerBesideDeadPeers is BenchmarkScheduler while a hundred thousand
// destinations that do not answer have all the places that they may have (promise G6).
func BenchmarkSchedulerBesideDeadPeers(b *testing.B) {
	s := newScheduling(nil)
	for i := range 100_000 {
		s.put("x", laneKey{laneDomain, time.Duration(i).String()}, 1)
	}
	for _, ok := s.take(); ok; _, ok = s.take() {
		continue
	}
	key := laneKey{laneAccount, "a"}
	s.prove(key)
	s.put("x", key, 1000)
	id := relay.NewID(time.UnixMilli(1 << 40))
	b.ReportAllocs()
	for b.Loop() {
		got, ok := s.take()
		if !ok || got.lane.key != key {
			b.Fatal("the living lane finds no place")
		}
		s.done(got, s.now)
		s.add(task{id: id, submitter: "x"}, key, time.Time{}, s.now)
	}
}

func BenchmarkScheduler(b *testing.B) {
	s := newScheduling(nil)
	key := laneKey{laneAccount, "a"}
	s.prove(key)
	s.put("x", key, 100_000)
	id := relay.NewID(time.UnixMilli(1 << 40))
	b.ReportAllocs()
	for b.Loop() {
		got, _ := s.take()
		s.done(got, s.now)
		s.add(task{id: id, submitter: "x"}, key, time.Time{}, s.now)
	}
}

// Attempts that ran beside each other met one trouble, not several: the rest is
// doubled once for them.
func TestAttemptsBesideEachOtherDoubleARestOnce(t *testing.T) {
	t.Parallel()
	s := newScheduling(nil)
	key := laneKey{laneDomain, "b.example"}
	s.prove(key)
	s.put("x", key, 20)
	for _, want := range []time.Duration{5 * time.Minute, 10 * time.Minute} {
		var running []task
		for got, ok := s.take(); ok; got, ok = s.take() {
			running = append(running, got)
		}
		for _, got := range running {
			s.slow(got.lane, 5*time.Minute, "busy", s.now)
			s.done(got, s.now)
		}
		if _, ok, wait := s.scheduler.next(s.now); ok || wait != want {
			t.Fatalf("%d attempts met the trouble: the lane rests for %v, want %v", len(running), wait, want)
		}
		s.now = s.now.Add(want)
	}
	if _, ok := s.take(); !ok {
		t.Fatal("nothing runs after the rest")
	}
	if _, ok := s.take(); ok {
		t.Error("more than one attempt finds out whether the trouble is over")
	}
}
