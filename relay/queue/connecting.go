package queue

import (
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// RuleGaveWay is the reply rule of an attempt that was broken off because its peer did
// not answer while others waited for its place.
const RuleGaveWay = "queue.gave_way"

// silence is how long a peer may let a new connection wait for its first words, sign-in
// included, while others wait for the place. A peer that has none to wait for it gets all
// the time of RFC 5321 §4.5.3.2.
const silence = 10 * time.Second

// connecting is an attempt that makes a connection. All fields belong to the
// scheduler's lock.
type connecting struct {
	ring     ring
	since    time.Time
	breakOff func()
	over     bool // the peer is ready, or will not be
	broken   bool
}

// connect notes that an attempt makes a connection.
func (s *scheduler) connect(t task, breakOff func(), now time.Time) *connecting {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &connecting{ring: t.ring, since: now, breakOff: breakOff}
	all := &s.connecting[c.ring]
	*all = append(*all, c)
	if len(*all) > 2*s.running[c.ring]+sparePlaces {
		*all = slices.DeleteFunc(*all, func(c *connecting) bool { return c.over })
	}
	if s.active >= s.limit || s.full(c.ring) {
		s.signal() // others may wait for the place: Run finds out until when
	}
	return c
}

// sparePlaces is how many entries that are over a list of connections may hold beside
// those of running attempts, before they are cleared away.
const sparePlaces = 64

// connected notes that it is over.
func (s *scheduler) connected(c *connecting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave(c)
}

func (s *scheduler) leave(c *connecting) {
	if !c.over && c.broken {
		s.leaving[c.ring]--
	}
	c.over = true
}

// gaveWay reports whether the attempt was broken off.
func (s *scheduler) gaveWay(c *connecting) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.broken
}

// relieve breaks off attempts whose peers have been silent for too long, as many as lanes
// wait for a place that no attempt is about to give up. It tells when the next one may
// be; 0 if nothing waits, or nothing will be.
func (s *scheduler) relieve(now time.Time) (next time.Duration) {
	if s.active >= s.limit { // whoever gives way makes room for anybody
		need := 0
		for r := range ringCount {
			if !s.full(r) {
				need += len(s.rings[r])
			}
			need -= s.leaving[r]
		}
		for r := ringCount - 1; r >= 0; r-- { // the proven ones last
			next = sooner(next, s.relieveRing(r, &need, now))
		}
		return next
	}
	for r := range ringCount {
		if s.full(r) {
			need := len(s.rings[r]) - s.leaving[r]
			next = sooner(next, s.relieveRing(r, &need, now))
		}
	}
	return next
}

// relieveRing breaks off attempts in one ring, as many as are needed.
func (s *scheduler) relieveRing(r ring, need *int, now time.Time) time.Duration {
	all := s.connecting[r]
	for len(all) > 0 && all[0].over {
		all = all[1:]
	}
	s.connecting[r] = all
	for _, c := range all {
		if *need <= 0 {
			return 0
		}
		switch left := c.since.Add(silence).Sub(now); {
		case c.over || c.broken:
		case left > 0:
			return left
		default:
			c.broken = true
			s.leaving[r]++
			*need--
			c.breakOff()
		}
	}
	return 0
}

// sooner gives the shorter of two times, of which 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// gaveWay makes an attempt that was broken off one whose peer did not answer: that is
// what it was.
func gaveWay(a *relay.Attempt) {
	if a.Trouble == nil || a.Trouble.Kind != relay.TroubleAborted {
		return
	}
	a.Trouble = nil
	for i := range a.Results {
		if r := &a.Results[i]; r.Outcome == relay.Deferred && r.Reply.Code == 0 {
			r.Rule, r.Hint = RuleGaveWay, "The mail server does not answer; relayd keeps trying."
			r.Reply = relay.Local("timeout", "while connecting; the attempt gave way to others")
		}
	}
}
