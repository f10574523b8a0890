package embedded

import (
	"context"
	"errors"
	"fmt"

	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

const (
	// keepSegments is how many segments are not worth giving up.
	keepSegments = 3
	// relocateBatch and relocateBytes limit what is written again at one time, and
	// so the memory that it takes and how long Record may wait for it.
	relocateBatch = 64
	relocateBytes = 4 << 20
)

// recycle gives up old segments of the journal while too little in them counts. For
// the oldest one, and only for that:
//  1. the index has durably passed it;
//  2. memory knows of everything in it;
//  3. what lives in it is written again at the head, with its full state, and so
//     are the submission keys;
//  4. it is released.
func (q *Queue) recycle(ctx context.Context) {
	for {
		for q.worthRecycling() {
			if err := q.recycleOldest(ctx); err != nil {
				q.recycleFailed(ctx, err)
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-q.journal.Rotated():
		}
	}
}

func (q *Queue) recycleFailed(ctx context.Context, err error) {
	if ctx.Err() == nil && !errors.Is(err, store.ErrUnknown) && q.complaint.allow(q.opt.Now()) {
		q.opt.Log.Warn("old part of the journal could not be given up", "error", err)
	}
}

// worthRecycling reports whether at least half of the sealed segments is dead. So
// every octet is written again once on average at most, and the journal is never
// larger than twice what lives, plus a few segments. On a full disk, one dead segment
// is worth it.
func (q *Queue) worthRecycling() bool {
	oldest, head := q.journal.Oldest()
	q.mu.Lock()
	live := q.liveBytes
	q.mu.Unlock()
	sealed := int64(head - oldest)
	if q.journal.Short() {
		return (sealed-1)*q.opt.Journal.SegmentSize > live
	}
	return sealed > 0 && (sealed-keepSegments)*q.opt.Journal.SegmentSize > 2*live
}

func (q *Queue) recycleOldest(ctx context.Context) error {
	oldest, _ := q.journal.Oldest()
	if err := q.index.passed(ctx, journal.Position{Segment: oldest + 1}); err != nil {
		return err
	}
	if head := q.letPass(); head <= oldest {
		return fmt.Errorf("segment %d is still in use", oldest)
	}
	if err := q.relocateKeys(oldest); err != nil {
		return err
	}
	for {
		moved, err := q.relocateSome(ctx, oldest)
		if err != nil {
			return err
		}
		if moved == 0 {
			break
		}
	}
	if err := q.journal.Release(oldest); err != nil {
		return err
	}
	q.mu.Lock()
	delete(q.segments, oldest)
	q.mu.Unlock()
	return nil
}

// letPass waits until memory knows of everything that was enqueued before. It returns
// the segment at the head: memory knows of all that lies before it.
func (q *Queue) letPass() uint64 {
	q.gate.Lock()
	defer q.gate.Unlock()
	_, head := q.journal.Oldest()
	return head
}

// move is one message that is written again.
type move struct {
	entry  *entry
	record journal.Record
	ticket *journal.Ticket
	ref    journal.Ref // where it is now; zero if it was not moved
}

// relocateSome writes some messages of a segment again and returns how many.
func (q *Queue) relocateSome(ctx context.Context, segment uint64) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	moves, err := q.choose(segment)
	if err != nil {
		return 0, err
	}
	defer q.settle(moves)
	ready, err := q.prepare(moves)
	if err != nil {
		return 0, err
	}
	// No lock is needed for the order: while an entry is being relocated nothing
	// else of it is enqueued.
	for _, m := range ready {
		if err == nil {
			m.ticket, err = q.journal.Enqueue(m.record)
		}
	}
	for _, m := range ready {
		if m.ticket != nil {
			var failure error
			m.ref, failure = m.ticket.Wait()
			err = errors.Join(err, failure)
		}
	}
	return len(moves), err
}

// settle tells memory where the messages are now.
func (q *Queue) settle(moves []*move) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range moves {
		m.entry.relocating = false
		if m.ref.Segment != 0 {
			q.unlink(m.entry)
			q.link(m.entry, m.ref)
			m.entry.state = m.ref
		}
	}
	q.settled.Broadcast()
}

// choose takes messages of a segment that nobody is changing; Record waits for them
// from now on. If all of them are being changed, it waits for one. None, without an
// error, means that nothing lives in the segment: it may be given up.
func (q *Queue) choose(segment uint64) ([]*move, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		var moves []*move
		var bytes int64
		u := q.use(segment)
		for e := u.first; e != nil && len(moves) < relocateBatch && bytes < relocateBytes; e = e.next {
			if !e.busy {
				e.relocating = true
				moves = append(moves, &move{entry: e})
				bytes += int64(e.content.Length)
			}
		}
		if len(moves) > 0 || u.first == nil {
			return moves, nil
		}
		if err := q.usable(); err != nil {
			return nil, err
		}
		q.settled.Wait()
	}
}

// relocateKeys writes the submission keys of a segment again.
func (q *Queue) relocateKeys(segment uint64) error {
	q.mu.Lock()
	now := q.opt.Now()
	var keys []*keyEntry
	var tickets []*journal.Ticket
	var err error
	for _, k := range q.use(segment).keys {
		if k == nil || err != nil {
			continue
		}
		if k.expired(now) {
			q.dropKey(k)
			continue
		}
		var t *journal.Ticket
		t, err = q.journal.Enqueue(journal.Record{
			ID: k.id, Type: recordKey, Use: journal.UseLast, Payload: [][]byte{encodeKey(k.at, k.key)},
		})
		if err == nil {
			keys, tickets = append(keys, k), append(tickets, t)
		}
	}
	q.mu.Unlock()
	for i, t := range tickets {
		ref, failure := t.Wait()
		if err = errors.Join(err, failure); failure == nil {
			q.mu.Lock()
			if keys[i].segment != 0 {
				q.placeKey(keys[i], ref.Segment)
			}
			q.mu.Unlock()
		}
	}
	return err
}
