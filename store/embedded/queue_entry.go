package embedded

import (
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/journal"
)

// entry is what memory holds of a message that is not retired: about 130 octets
// with its place in the map.
type entry struct {
	id       relay.ID
	revision uint64
	size     int64       // of the body
	content  journal.Ref // the accepted or relocated record
	state    journal.Ref // the newest state; equal to content if none was recorded since

	prev, next *entry // of the same segment

	inFile     bool
	busy       bool // a record of it is on its way to the disk
	relocating bool // its content is being written again
}

// segmentUse is what still counts of one segment of the journal.
type segmentUse struct {
	first *entry
	keys  []*keyEntry
}

// use must be called with the lock held, as all of this file.
func (q *Queue) use(seq uint64) *segmentUse {
	u := q.segments[seq]
	if u == nil {
		u = &segmentUse{}
		q.segments[seq] = u
	}
	return u
}

// link notes that the content of e lies at ref.
func (q *Queue) link(e *entry, ref journal.Ref) {
	e.content = ref
	u := q.use(ref.Segment)
	e.prev, e.next = nil, u.first
	if u.first != nil {
		u.first.prev = e
	}
	u.first = e
	q.liveBytes += int64(ref.Length)
}

// unlink undoes link.
func (q *Queue) unlink(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.use(e.content.Segment).first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	q.liveBytes -= int64(e.content.Length)
}

// admit makes a message live.
func (q *Queue) admit(e *entry, ref journal.Ref) {
	q.live[e.id] = e
	e.state = ref
	q.link(e, ref)
}

// dismiss forgets a message that is retired.
func (q *Queue) dismiss(e *entry) {
	delete(q.live, e.id)
	q.unlink(e)
}
