package queue

import (
	"bytes"
	"time"

	"github.com/relayd/relayd/relay"
)

// laneKind says what the tasks of a lane have in common.
type laneKind uint8

const (
	laneAccount laneKind = iota // attempts through one account
	laneDomain                  // direct attempts to one destination domain
	laneInbox                   // reports filed in one mailbox
	laneReturn                  // messages that go back to their senders; touches no network
	laneCopy                    // Sent copies of one mailbox
	laneReport                  // making reports; touches no network
	laneReload                  // reading messages again after a fault; touches no network
)

var laneNames = [...]string{"account", "domain", "inbox", "return", "copy", "report", "reload"}

// laneKey names a lane: the account's id or the destination domain.
type laneKey struct {
	kind laneKind
	name string
}

// String is the lane as it stands in the API: "account:01h…", "domain:example.org".
func (k laneKey) String() string { return laneNames[k.kind] + ":" + k.name }

// hasPeer reports whether the tasks of the lane need somebody who answers.
func (k laneKey) hasPeer() bool {
	return k.kind != laneReturn && k.kind != laneReport && k.kind != laneReload
}

// isAttempt reports whether the tasks of the lane are attempts to deliver.
func (k laneKey) isAttempt() bool { return k.kind <= laneReturn }

// task is one message in one lane. It says only that something may be due: the
// truth is in the message's state when the task's turn comes, and a task that
// finds nothing to do ends without a trace.
type task struct {
	id        relay.ID
	lane      *lane
	submitter string
	ring      ring // of its lane when it began to run
	told      bool // its delay notice was planned although its turn had not come
}

// before puts the oldest message first.
func (t task) before(other task) bool { return bytes.Compare(t.id[:], other.id[:]) < 0 }

// lane gathers the tasks that share one peer. All fields belong to the scheduler's
// lock.
type lane struct {
	key       laneKey
	limit     int // attempts at one time, once the lane is proven
	active    int
	proven    bool          // the last attempt reached its peer; until then one attempt at a time
	doubted   bool          // the last attempt did not reach its peer
	width     int           // attempts at one time that it has earned so far
	queued    bool          // stands in the scheduler's ring of runnable lanes
	restUntil time.Time     // trouble of the whole lane
	rest      time.Duration // the last rest, doubled at each repetition
	resting   string        // why it rests, in plain words
	ageless   time.Time     // until then nothing that waits in it grows old: it is a quota that it waits for
	turns     []*turn       // submitters with ready tasks, in the order of their turns
	bySender  map[string]*turn
	ready     int
}

// turn is one submitter's ready tasks, oldest message first.
type turn struct {
	submitter string
	tasks     minHeap[task]
}

func newLane(key laneKey, limit int) *lane {
	l := &lane{key: key, limit: limit, width: 1, bySender: make(map[string]*turn)}
	if !key.hasPeer() {
		l.proven, l.width = true, limit
	}
	return l
}

// push adds a ready task.
func (l *lane) push(t task) {
	own := l.bySender[t.submitter]
	if own == nil {
		own = &turn{submitter: t.submitter}
		l.bySender[t.submitter] = own
		l.turns = append(l.turns, own)
	}
	own.tasks.push(t)
	l.ready++
}

// pop takes the oldest task of the submitter whose turn it is.
func (l *lane) pop() task {
	own := l.turns[0]
	l.turns = l.turns[1:]
	t := own.tasks.pop()
	l.ready--
	if len(own.tasks) > 0 {
		l.turns = append(l.turns, own)
	} else {
		delete(l.bySender, own.submitter)
	}
	return t
}

// runnable reports whether an attempt may start now.
func (l *lane) runnable(now time.Time) bool {
	return l.ready > 0 && l.active < l.room() && !now.Before(l.restUntil)
}

// room is how many attempts the lane may have at one time. A lane whose peer has
// not answered lately gets one, so that a hundred dead peers take a hundred places
// and not all of them. From there it widens by one with each attempt that reached its
// peer: what waited for days does not all come down on it at once.
func (l *lane) room() int {
	if l.proven {
		return min(max(l.width, 1), l.limit)
	}
	return 1
}

// ring is where the lane stands while it may run.
func (l *lane) ring() ring {
	switch {
	case l.proven:
		return ringProven
	case l.key.kind == laneAccount:
		return either(l.doubted, ringDoubtedAccounts, ringAccounts)
	case l.key.kind == laneDomain:
		return either(l.doubted, ringDoubtedDomains, ringDomains)
	}
	return either(l.doubted, ringDoubtedMailboxes, ringMailboxes)
}

func either(is bool, a, b ring) ring {
	if is {
		return a
	}
	return b
}

// idle reports whether the lane holds nothing and can be forgotten.
func (l *lane) idle(now time.Time) bool {
	return l.ready == 0 && l.active == 0 && !now.Before(l.restUntil)
}

// The rest of a troubled lane: at least minRest, doubled at each repetition.
const (
	minRest = time.Minute
	maxRest = 24 * time.Hour
)

// slow lets the lane rest for at least pause. After it one attempt finds out whether
// the trouble is over. Attempts that ran beside each other met the same trouble: it is
// doubled once for all of them.
func (l *lane) slow(now time.Time, pause time.Duration, why string) {
	l.resting = why
	l.proven, l.width = false, 1
	pause = min(max(pause, minRest), maxRest)
	if resting := l.restUntil.Sub(now); resting > 0 {
		l.rest = max(l.rest, pause)
		l.restUntil = now.Add(max(resting, pause))
		return
	}
	l.rest = min(max(2*l.rest, pause), maxRest)
	l.restUntil = now.Add(l.rest)
}

// why says for people why the lane rests: what the trouble is, with the peer's words if
// they can only be about the lane's own mail. A destination gets mail of many senders,
// and what was said about one of them is not for the others.
func (l *lane) why(t *relay.Trouble) string {
	reply := t.Reply.String()
	switch {
	case l.key.kind == laneDomain && t.Hint == "":
		return "the destination is in trouble"
	case l.key.kind == laneDomain, reply == "":
		return t.Hint
	case t.Hint == "":
		return reply
	}
	return t.Hint + " (" + reply + ")"
}

// learn notes whether an attempt reached its peer. Success widens the lane and ends the
// doubling of rests.
func (l *lane) learn(reached bool) {
	if !l.key.hasPeer() {
		return
	}
	l.proven, l.doubted = reached, !reached
	if !reached {
		l.width = 1
		return
	}
	l.width = min(l.width+1, l.limit)
	l.rest = 0
}
