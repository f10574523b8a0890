package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// overlayRecords is how much of the journal a question reads beside the index. If
// the index is further behind, the question waits for it.
const overlayRecords = 4 * batchRecords

// List implements store.Queue.
func (q *Queue) List(ctx context.Context, f store.Filter) (page store.Page, err error) {
	if f.Limit = min(f.Limit, store.MaxPage); f.Limit <= 0 {
		f.Limit = store.DefaultPage
	}
	err = q.survey(ctx, func(s *survey) error {
		page, err = s.list(ctx, &f)
		return err
	})
	if err != nil {
		return store.Page{}, fmt.Errorf("list messages: %w", err)
	}
	return page, nil
}

// survey is one consistent view: the index, and the part of the journal that it has
// not seen.
type survey struct {
	live    *bolt.Tx
	history []*bolt.Tx
	overlay *batch
}

// survey opens a view and calls read with it. The index of what lives is opened
// first: whatever leaves it afterwards is in the overlay or in the history.
func (q *Queue) survey(ctx context.Context, read func(*survey) error) error {
	q.mu.Lock()
	err := q.usable()
	q.mu.Unlock()
	for err == nil {
		var again bool
		if again, err = q.trySurvey(read); !again {
			return err
		}
		if err = ctx.Err(); err == nil {
			err = q.index.passed(ctx, q.journal.Durable())
		}
	}
	return err
}

// trySurvey reports whether the view could not be had and must be tried again: the
// index was too far behind, or the journal was released under it.
func (q *Queue) trySurvey(read func(*survey) error) (again bool, err error) {
	q.index.changing.RLock()
	defer q.index.changing.RUnlock()
	view := func(tx *bolt.Tx) error {
		s := &survey{live: tx}
		from, now := positionIn(tx), q.journal.Durable()
		s.overlay, err = q.index.collect(from, overlayRecords)
		if err != nil {
			return err
		}
		oldest, _ := q.journal.Oldest()
		behind := s.overlay.to.Before(now)
		if lost := from.Segment != 0 && from.Segment < oldest; lost || (behind && q.index.healthy()) {
			again = true
			return nil
		}
		return q.index.history.begin(func(txs []*bolt.Tx) error {
			s.history = txs
			return read(s)
		})
	}
	err = guarded(func() error { return q.index.db.View(view) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		err = store.ErrClosed
	}
	return again, err
}

// begin opens a view of every month.
func (h *history) begin(read func([]*bolt.Tx) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var txs []*bolt.Tx
	defer func() {
		for _, tx := range txs {
			tx.Rollback() //nolint:errcheck // it only read
		}
	}()
	for _, month := range h.months() {
		tx, err := h.files[month].Begin(false)
		if err != nil {
			return fmt.Errorf("read history of %s: %w", month, err)
		}
		txs = append(txs, tx)
	}
	return read(txs)
}

// list merges the sources, newest first.
func (s *survey) list(ctx context.Context, f *store.Filter) (store.Page, error) {
	sources := s.sources(f)
	var page store.Page
	var last relay.ID
	for seen := 0; ; seen++ {
		if seen%256 == 0 && ctx.Err() != nil {
			return store.Page{}, ctx.Err()
		}
		src := newest(sources)
		if src == nil {
			return page, nil
		}
		id := src.id
		r, err := src.load()
		src.next()
		if err != nil {
			return store.Page{}, err
		}
		if id == last || r == nil || !matches(f, r) {
			continue
		}
		last = id
		if len(page.Records) == f.Limit {
			page.More = true
			return page, nil
		}
		page.Records = append(page.Records, *r)
	}
}

// source gives messages one by one, newest first.
type source struct {
	id   relay.ID // of the current one
	ok   bool     // there is a current one
	next func()
	load func() (*store.Record, error) // reads the current one; nil if another source has it
}

func newest(sources []*source) *source {
	var best *source
	for _, s := range sources {
		if s.ok && (best == nil || bytes.Compare(s.id[:], best.id[:]) > 0) {
			best = s
		}
	}
	return best
}

func (s *survey) sources(f *store.Filter) []*source {
	prefix := rarest(f)
	live := cursorSource(s.live, prefix, f.After, func(id relay.ID) (*store.Record, error) {
		if s.overlay.changes[id] != nil {
			return nil, nil
		}
		return liveRecord(s.live, id)
	})
	sources := []*source{s.overlaySource(f.After), live}
	if f.Waiting {
		return sources
	}
	for _, tx := range s.history {
		sources = append(sources, cursorSource(tx, prefix, f.After, func(id relay.ID) (*store.Record, error) {
			return historyRecord(tx, id)
		}))
	}
	return sources
}

func historyRecord(tx *bolt.Tx, id relay.ID) (*store.Record, error) {
	r, _, err := decodeHistory(tx.Bucket(bucketMessages).Get(id[:]), false)
	if err != nil {
		return nil, fmt.Errorf("history of message %s: %w", id, err)
	}
	return r, nil
}

// cursorSource walks back through the keys with a prefix, or through all messages if
// there is none, from the one before after on.
func cursorSource(tx *bolt.Tx, prefix []byte, after relay.ID, load func(relay.ID) (*store.Record, error)) *source {
	bucket := bucketKeys
	if prefix == nil {
		bucket = bucketMessages
	}
	c := tx.Bucket(bucket).Cursor()
	s := &source{}
	set := func(k []byte) {
		if s.ok = len(k) == len(prefix)+len(s.id) && bytes.HasPrefix(k, prefix); s.ok {
			copy(s.id[:], k[len(prefix):])
		}
	}
	s.next = func() { k, _ := c.Prev(); set(k) }
	s.load = func() (*store.Record, error) { return load(s.id) }
	set(seekBefore(c, prefix, after))
	return s
}

// seekBefore finds the last key with the prefix whose ID is below after; a zero after
// is above all.
func seekBefore(c *bolt.Cursor, prefix []byte, after relay.ID) []byte {
	if after.IsZero() {
		after = relay.ID(bytes.Repeat([]byte{0xff}, len(after)))
	}
	if k, _ := c.Seek(append(slices.Clone(prefix), after[:]...)); k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ := c.Prev()
	return k
}

// overlaySource gives the messages that changed since the index was written.
func (s *survey) overlaySource(after relay.ID) *source {
	changes := s.overlay.sorted()
	i := len(changes)
	src := &source{}
	src.next = func() {
		for i--; i >= 0 && !after.IsZero() && bytes.Compare(changes[i].id[:], after[:]) >= 0; i-- {
		}
		if src.ok = i >= 0; src.ok {
			src.id = changes[i].id
		}
	}
	src.load = func() (*store.Record, error) { return s.changed(changes[i]) }
	src.next()
	return src
}

// changed gives a message of the overlay.
func (s *survey) changed(c *change) (*store.Record, error) {
	before, err := liveRecord(s.live, c.id)
	if err != nil || (before == nil && c.message == nil) {
		return nil, err
	}
	return merge(before, c), nil
}
