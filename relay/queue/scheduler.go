package queue

import (
	"sync"
	"time"
)

// scheduler decides which task is next. It knows lanes and times, no messages.
//
// A task waits in the clock until its time, then in its lane until the lane may
// run and its submitter's turn comes. Lanes that may run stand in a ring, so that
// each gets its turn however much waits in the others. Those that are not proven have
// rings of their own, and the rings take turns: however many dead peers stand in one,
// nobody has to look past them, and dead destinations do not keep accounts waiting.
// Whether a peer answered is remembered when its lane is gone, so that neither those who
// always do nor those of whom nothing is known wait behind those who did not.
type scheduler struct {
	mu      sync.Mutex
	lanes   map[laneKey]*lane
	clock   minHeap[timed]     // tasks whose time has not come
	rests   minHeap[resting]   // lanes that rest
	rings   [ringCount][]*lane // lanes that may run, each at most once
	turn    ring               // the one that is asked first
	active  int
	limit   int              // attempts at one time, in all
	running [ringCount]int   // by the ring of their lanes when they began
	known   map[laneKey]bool // of lanes that are gone: whether the last attempt reached the peer

	connecting [ringCount][]*connecting // attempts that make connections, oldest first
	leaving    [ringCount]int           // of them, those that are broken off
	limits     map[laneKind]int
	wake       chan struct{} // has a value when the earliest time or the ring changed
	closed     bool
}

// ring is a row of lanes that may run.
type ring int

// The rings: of proven lanes, and by kind of those that are not: where no attempt was
// made yet, and where the last one did not reach its peer.
const (
	ringProven ring = iota
	ringAccounts
	ringDomains
	ringMailboxes
	ringDoubtedAccounts
	ringDoubtedDomains
	ringDoubtedMailboxes
	ringCount
)

// share is how much of all attempts, in percent, may run in lanes of a ring: however
// many peers are dead, the living ones find places, and those of another kind as well.
func (r ring) share() int {
	switch r {
	case ringAccounts:
		return 40
	case ringDomains:
		return 20
	case ringMailboxes:
		return 10
	case ringDoubtedAccounts, ringDoubtedDomains, ringDoubtedMailboxes:
		return 5
	}
	return 100
}

// full reports whether no more attempts may run in doubt in lanes of a ring.
func (s *scheduler) full(r ring) bool {
	return r != ringProven && s.running[r] >= max(1, s.limit*r.share()/100)
}

func newScheduler(o *Options) *scheduler {
	return &scheduler{
		lanes: make(map[laneKey]*lane),
		known: make(map[laneKey]bool),
		limit: o.Attempts,
		limits: map[laneKind]int{
			laneAccount: o.PerAccount, laneDomain: o.PerDestination,
			laneInbox: o.PerMailbox, laneReturn: o.PerDestination, laneCopy: o.PerMailbox, laneReport: o.PerDestination, laneReload: o.PerDestination,
		},
		wake: make(chan struct{}, 1),
	}
}

// add plans a task of message id; the zero at means now.
func (s *scheduler) add(t task, key laneKey, at time.Time, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.lane = s.lane(key)
	if at.After(now) {
		s.clock.push(timed{at: at.UnixNano(), task: t})
		if s.clock[0].id != t.id {
			return // not the earliest: nothing to wake
		}
	} else {
		t.lane.push(t)
		s.enter(t.lane, now)
	}
	s.signal()
}

// next takes a task that may run now and counts it as active; ok is false if
// there is none, and wait then tells when there may be (0 means: only after a
// change).
func (s *scheduler) next(now time.Time) (t task, ok bool, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnClock(now)
	if s.closed {
		return task{}, false, 0
	}
	if s.active >= s.limit {
		return task{}, false, s.relieve(now)
	}
	first := s.turn
	s.turn = (s.turn + 1) % ringCount
	for i := range ringCount {
		if l := s.pick((first+i)%ringCount, now); l != nil {
			return s.start(l, now), true, 0
		}
	}
	return task{}, false, sooner(s.untilNext(now), s.relieve(now))
}

// pick takes the next lane that may run out of a ring, or gives nil. No lane becomes
// proven while it stands among those in doubt, since it has no attempt there.
func (s *scheduler) pick(r ring, now time.Time) *lane {
	for len(s.rings[r]) > 0 && !s.full(r) {
		l := s.rings[r][0]
		s.rings[r] = s.rings[r][1:]
		l.queued = false
		switch {
		case !l.runnable(now):
		case s.full(l.ring()):
			s.enter(l, now) // it lost its proof since it entered
		default:
			return l
		}
	}
	return nil
}

// start takes a lane's next task and counts it as active.
func (s *scheduler) start(l *lane, now time.Time) task {
	t := l.pop()
	t.ring = l.ring()
	s.running[t.ring]++
	l.active++
	s.active++
	s.enter(l, now)
	return t
}

// done gives back the place of a task in its lane.
func (s *scheduler) done(t task, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.lane.active--
	s.active--
	s.running[t.ring]--
	s.enter(t.lane, now)
	if t.lane.idle(now) {
		s.forget(t.lane)
	}
	s.signal()
}

// slow lets a lane rest because of trouble that concerns all of it, and tells for how
// long. why is for people.
func (s *scheduler) slow(l *lane, pause time.Duration, why string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.slow(now, pause, why)
	s.rests.push(resting{until: l.restUntil.UnixNano(), lane: l})
	s.signal()
	return l.restUntil.Sub(now)
}

// endRest lets a resting lane try again now.
func (s *scheduler) endRest(key laneKey, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.lanes[key]; l != nil && now.Before(l.restUntil) {
		l.restUntil = time.Time{}
		s.enter(l, now)
		s.signal()
	}
}

// learn notes whether an attempt in the lane reached its peer.
func (s *scheduler) learn(l *lane, reached bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.learn(reached)
	s.enter(l, now)
}

// untold gives, once each, the messages accepted before some time that wait for the
// turn of their lane.
func (s *scheduler) untold(before time.Time) (tasks []task) {
	s.eachReady(before, func(t *task) {
		if !t.told && t.lane.key.isAttempt() {
			t.told = true
			tasks = append(tasks, task{id: t.id, submitter: t.submitter})
		}
	})
	return tasks
}

// acceptedBefore gives the messages accepted before some time that wait for the turn
// of their lane.
func (s *scheduler) acceptedBefore(before time.Time) (tasks []task) {
	now := time.Now()
	s.eachReady(before, func(t *task) {
		if t.lane.key.isAttempt() && !now.Before(t.lane.ageless) {
			tasks = append(tasks, *t)
		}
	})
	return tasks
}

// quotaWindow is the longest window of a provider's quota. While a lane sends what such
// a window lets it send, the rest of its mail still waits for the next one.
const quotaWindow = 24 * time.Hour

// stopClock keeps what waits in a lane from growing too old until a quota has room, and
// through the window after it.
func (s *scheduler) stopClock(l *lane, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.ageless = until.Add(quotaWindow)
}

func (s *scheduler) eachReady(before time.Time, do func(*task)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		for _, own := range l.turns {
			for i := range own.tasks {
				if own.tasks[i].id.Time().Before(before) {
					do(&own.tasks[i])
				}
			}
		}
	}
}

// close makes next give nothing more.
func (s *scheduler) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// lane finds or makes a lane. The clock refers to lanes by pointer, so a lane is
// forgotten only when nothing waits in it; a task that comes back from the clock
// to a forgotten lane brings it back.
func (s *scheduler) lane(key laneKey) *lane {
	l := s.lanes[key]
	if l == nil {
		l = newLane(key, s.limits[key.kind])
		if reached, known := s.known[key]; known {
			l.proven, l.doubted = reached, !reached
			delete(s.known, key)
		}
		s.lanes[key] = l
	}
	return l
}

// forget keeps of a lane no more than whether its peer answered.
func (s *scheduler) forget(l *lane) {
	if s.lanes[l.key] != l {
		return
	}
	delete(s.lanes, l.key)
	if !l.key.hasPeer() || !l.proven && !l.doubted {
		return
	}
	if len(s.known) >= maxKnown {
		for any := range s.known {
			delete(s.known, any)
			break
		}
	}
	s.known[l.key] = l.proven
}

// maxKnown is of how many lanes it is remembered, some 15 MB, whether their peers
// answered. Of more than that some are taken for new ones.
const maxKnown = 100_000

// enter puts a lane into its ring if it may run.
func (s *scheduler) enter(l *lane, now time.Time) {
	if l.queued || !l.runnable(now) {
		return
	}
	l.queued = true
	s.rings[l.ring()] = append(s.rings[l.ring()], l)
}

// turnClock moves what has become due into the lanes.
func (s *scheduler) turnClock(now time.Time) {
	n := now.UnixNano()
	for len(s.rests) > 0 && s.rests[0].until <= n {
		rested := s.rests.pop().lane
		s.enter(rested, now)
		if rested.idle(now) {
			s.forget(rested)
		}
	}
	for len(s.clock) > 0 && s.clock[0].at <= n {
		due := s.clock.pop()
		due.lane = s.lane(due.lane.key)
		due.lane.push(due.task)
		s.enter(due.lane, now)
	}
}

// untilNext is the time to the next moment at which something becomes due; 0 if
// nothing will by itself.
func (s *scheduler) untilNext(now time.Time) time.Duration {
	var at int64
	if len(s.clock) > 0 {
		at = s.clock[0].at
	}
	if len(s.rests) > 0 && (at == 0 || s.rests[0].until < at) {
		at = s.rests[0].until
	}
	if at == 0 {
		return 0
	}
	return max(time.Duration(at-now.UnixNano()), 1)
}

func (s *scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// timed is a task that waits for its time, in nanoseconds since 1970.
type timed struct {
	task
	at int64
}

func (t timed) before(other timed) bool { return t.at < other.at }

// resting is a lane in trouble.
type resting struct {
	until int64
	lane  *lane
}

func (r resting) before(other resting) bool { return r.until < other.until }
