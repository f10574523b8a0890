package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/journal"
)

// batch is what a part of the journal says, by message.
type batch struct {
	changes map[relay.ID]*change
	to      journal.Position
	retired []relay.ID
}

// change is what a part of the journal says of one message.
type change struct {
	id        relay.ID
	message   *relay.Message // nil if it was accepted before this part
	state     *relay.State   // the newest; nil if none was recorded
	events    []numbered
	retired   bool
	retiredAt time.Time
}

// numbered is an event with the revision of its state, which orders a timeline.
type numbered struct {
	revision uint64
	relay.Event
}

// collect reads the journal from a position on, about limit records of it.
func (x *index) collect(from journal.Position, limit int) (*batch, error) {
	b := &batch{changes: map[relay.ID]*change{}}
	var err error
	b.to, err = x.queue.journal.Scan(from, limit, func(it *journal.Item) error {
		err := b.take(it)
		if errors.Is(err, ErrDamaged) { // everything else goes on
			x.queue.opt.Log.Error("record left out of the index", "error", err)
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read journal for the index: %w", err)
	}
	return b, nil
}

func (b *batch) of(id relay.ID) *change {
	c := b.changes[id]
	if c == nil {
		c = &change{id: id}
		b.changes[id] = c
	}
	return c
}

// sorted gives the changes in the order of their IDs, which is the order in which
// bbolt writes them fastest.
func (b *batch) sorted() []*change {
	list := make([]*change, 0, len(b.changes))
	for _, c := range b.changes {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *change) int { return bytes.Compare(a.id[:], b.id[:]) })
	return list
}

func (b *batch) take(it *journal.Item) error {
	var err error
	switch it.Type {
	case recordAccepted, recordRelocated:
		err = b.takeContent(it)
	case recordState, recordRetired:
		err = b.takeState(it)
	}
	if err != nil {
		return fmt.Errorf("message %s: %w", relay.ID(it.ID), err)
	}
	return nil
}

func (b *batch) takeContent(it *journal.Item) error {
	start, err := it.Payload(frameHeader)
	if err != nil {
		return err
	}
	n, err := frameSize(start)
	if err != nil {
		return err
	}
	frame, err := it.Payload(n)
	if err != nil {
		return err
	}
	h, err := decodeHead(frame)
	if err != nil {
		return err
	}
	c := b.of(relay.ID(it.ID))
	c.message = h.message
	if h.state != nil && (c.state == nil || h.state.Revision >= c.state.Revision) {
		c.state = h.state
	}
	return nil
}

func (b *batch) takeState(it *journal.Item) error {
	p, err := it.Payload(-1)
	if err != nil {
		return err
	}
	s, v, err := decodeChange(p)
	if err != nil {
		return err
	}
	c := b.of(relay.ID(it.ID))
	if c.state == nil || s.Revision >= c.state.Revision {
		c.state = s
	}
	c.addEvent(numbered{s.Revision, v})
	if it.Type == recordRetired && !c.retired {
		if c.retired, c.retiredAt = true, v.At; v.At.IsZero() {
			c.retiredAt = c.id.Time()
		}
		b.retired = append(b.retired, c.id)
	}
	return nil
}

// addEvent keeps the order of revisions, and each once: a record may be there twice.
func (c *change) addEvent(v numbered) {
	i, found := slices.BinarySearchFunc(c.events, v.revision, func(e numbered, r uint64) int {
		return int(e.revision) - int(r)
	})
	if !found {
		c.events = slices.Insert(c.events, i, v)
	}
}
