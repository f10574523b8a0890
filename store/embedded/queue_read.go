package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// Get implements store.Queue.
func (q *Queue) Get(ctx context.Context, id relay.ID) (*relay.Message, *relay.State, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var h *head
	err := q.follow(id, func(e *entry) (err error) {
		h, err = q.load(e)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("get message %s: %w", id, err)
	}
	return h.message, h.state, nil
}

// follow calls read with a copy of the entry of a message; again if meanwhile its
// records went to another place.
func (q *Queue) follow(id relay.ID, read func(e *entry) error) error {
	for {
		q.mu.Lock()
		err := q.usable()
		e := q.live[id]
		var now entry
		if e != nil {
			now = *e
		}
		q.mu.Unlock()
		switch {
		case err != nil:
			return err
		case e == nil:
			return store.ErrNotFound
		}
		if err := read(&now); !errors.Is(err, journal.ErrGone) {
			return err
		}
	}
}

// load reads the message and its newest state.
func (q *Queue) load(e *entry) (*head, error) {
	frame, err := q.frameAt(e.content)
	if err != nil {
		return nil, err
	}
	h, err := decodeHead(frame)
	if err != nil {
		return nil, err
	}
	switch {
	case e.state != e.content:
		h.state, err = q.stateAt(e.state)
		if errors.Is(err, ErrDamaged) {
			q.opt.Log.Error("message is held: its state does not read", "message", e.id, "error", err)
			h.state, err = damagedState(h.message, e.revision), nil
		}
	case h.state == nil:
		h.state = relay.NewState(h.message)
	}
	return h, err
}

func (q *Queue) stateAt(ref journal.Ref) (*relay.State, error) {
	change, err := q.frameAt(ref)
	if err != nil {
		return nil, err
	}
	s, _, err := decodeState(change)
	return s, err
}

// damagedState stands in for a state that does not read: to begin anew by itself
// could send the message twice (promise G4), so a person decides.
func damagedState(m *relay.Message, revision uint64) *relay.State {
	s := relay.NewState(m)
	s.Revision = revision
	s.Hold = &relay.Hold{
		Rule: ruleDamaged, Since: m.Accepted,
		Reason: "the disk lost the record of its deliveries: some recipients may have it already",
	}
	return s
}

// firstRead is how much of a record is read at once: nearly every head and state is
// smaller.
const firstRead = 2 << 10

// frameAt reads the first frame of the record at ref.
func (q *Queue) frameAt(ref journal.Ref) ([]byte, error) {
	p, err := q.journal.Open(ref)
	if err != nil {
		return nil, err
	}
	defer p.Close() //nolint:errcheck // it was only read
	b := make([]byte, min(firstRead, p.Size()))
	if err := readFull(p, b, 0); err != nil {
		return nil, err
	}
	n, err := frameSize(b)
	if err != nil || n <= len(b) {
		return b, err
	}
	if int64(n) > p.Size() {
		return nil, fmt.Errorf("frame longer than its record: %w", ErrDamaged)
	}
	b = append(b, make([]byte, n-len(b))...)
	return b, readFull(p, b[firstRead:], firstRead)
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return fmt.Errorf("read record: %w", err)
}

// Open implements store.Queue.
func (q *Queue) Open(ctx context.Context, id relay.ID) (store.Content, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var c *content
	err := q.follow(id, func(e *entry) (err error) {
		c, err = q.openContent(e)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open content of message %s: %w", id, err)
	}
	return c, nil
}

func (q *Queue) openContent(e *entry) (*content, error) {
	p, err := q.journal.Open(e.content)
	if err != nil {
		return nil, err
	}
	start := make([]byte, min(prefixSize, p.Size()))
	if err = readFull(p, start, 0); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	pre, err := decodePrefix(start)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	c := &content{size: pre.size, sum: pre.sum}
	if pre.inFile {
		f, err := q.openBody(e)
		c.source, c.closer = f, f
		return c, errors.Join(err, p.Close())
	}
	n, err := frameSize(start)
	if err != nil || int64(n)+pre.size > p.Size() {
		return nil, errors.Join(fmt.Errorf("body beyond its record: %w", ErrDamaged), err, p.Close())
	}
	c.source, c.closer = io.NewSectionReader(p, int64(n), pre.size), p
	return c, nil
}

// Waiting implements store.Queue.
func (q *Queue) Waiting(ctx context.Context, each func(*relay.Message, *relay.State) bool) error {
	for _, id := range q.liveIDs() {
		m, s, err := q.Get(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue // retired meanwhile
		case errors.Is(err, ErrDamaged):
			q.opt.Log.Error("message does not read", "message", id, "error", err)
			continue
		case err != nil:
			return fmt.Errorf("waiting messages: %w", err)
		}
		if !each(m, s) {
			return nil
		}
	}
	return nil
}

// liveIDs are the messages that wait, oldest first.
func (q *Queue) liveIDs() []relay.ID {
	q.mu.Lock()
	ids := make([]relay.ID, 0, len(q.live))
	for id := range q.live {
		ids = append(ids, id)
	}
	q.mu.Unlock()
	slices.SortFunc(ids, func(a, b relay.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
