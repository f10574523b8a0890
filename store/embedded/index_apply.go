package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// apply writes a batch: the history first, for once the position is written nobody
// would read the journal for it again. Every step gives the same if it is done twice.
func (x *index) apply(b *batch) error {
	changes := b.sorted()
	done, err := x.complete(changes)
	if err != nil {
		return err
	}
	if err := x.history.put(done); err != nil {
		return err
	}
	err = x.db.Update(func(tx *bolt.Tx) error {
		var keys keyChanges
		for _, c := range changes {
			if err := applyChange(tx, c, &keys); err != nil {
				return fmt.Errorf("message %s: %w", c.id, err)
			}
		}
		if err := keys.apply(tx.Bucket(bucketKeys)); err != nil {
			return err
		}
		return putPosition(tx, b.to)
	})
	if err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	return nil
}

// complete gives the retired messages of a batch with all that the index knew of
// them before.
func (x *index) complete(changes []*change) ([]*change, error) {
	var done []*change
	err := x.db.View(func(tx *bolt.Tx) error {
		for _, c := range changes {
			if !c.retired {
				continue
			}
			if err := withEarlier(tx, c); err != nil {
				return err
			}
			// Without a message it was relayd's own crash or a lost index: its history
			// is written already, or lost.
			if c.message != nil {
				done = append(done, c)
			}
		}
		return nil
	})
	return done, err
}

// withEarlier adds what the index knows of a message to a change.
func withEarlier(tx *bolt.Tx, c *change) error {
	r, err := liveRecord(tx, c.id)
	if err != nil || r == nil {
		return err
	}
	if c.message == nil {
		c.message = r.Message
	}
	if c.state == nil || c.state.Revision < r.State.Revision {
		c.state = r.State
	}
	return eachEvent(tx, c.id, func(v numbered) { c.addEvent(v) })
}

// liveRecord reads a message out of the index; nil if it is not there.
func liveRecord(tx *bolt.Tx, id relay.ID) (*store.Record, error) {
	v := tx.Bucket(bucketMessages).Get(id[:])
	if v == nil {
		return nil, nil
	}
	h, err := decodeHead(v)
	if err != nil {
		return nil, fmt.Errorf("index of message %s: %w", id, err)
	}
	return &store.Record{Message: h.message, State: h.state}, nil
}

func eventKey(id relay.ID, revision uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 24), id[:]...), revision)
}

func eachEvent(tx *bolt.Tx, id relay.ID, visit func(numbered)) error {
	c := tx.Bucket(bucketEvents).Cursor()
	for k, v := c.Seek(id[:]); k != nil && bytes.HasPrefix(k, id[:]); k, v = c.Next() {
		e, err := decodeEvent(v)
		if err != nil {
			return fmt.Errorf("event of message %s: %w", id, err)
		}
		visit(numbered{binary.BigEndian.Uint64(k[len(id):]), e})
	}
	return nil
}

// applyChange writes one message into the index of what lives, or takes it out.
func applyChange(tx *bolt.Tx, c *change, keys *keyChanges) error {
	before, err := liveRecord(tx, c.id)
	if err != nil {
		return err
	}
	if c.retired {
		return erase(tx, c.id, before, keys)
	}
	if before == nil && c.message == nil {
		return nil // its content was lost to damage, and that was told at start
	}
	after := merge(before, c)
	var old [][]byte
	if before != nil {
		old = keysOf(before.Message, before.State)
	}
	keys.replace(old, keysOf(after.Message, after.State))
	for _, v := range c.events {
		if err := tx.Bucket(bucketEvents).Put(eventKey(c.id, v.revision), encodeEvent(&v.Event)); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMessages).Put(c.id[:], encodeHead(nil, &head{message: after.Message, state: after.State}))
}

// merge gives the newest of what was known and what a change says.
func merge(before *store.Record, c *change) *store.Record {
	r := &store.Record{Message: c.message, State: c.state, Retired: c.retiredAt}
	if before != nil {
		r.Message = before.Message
		if r.State == nil || r.State.Revision < before.State.Revision {
			r.State = before.State
		}
	}
	if r.State == nil {
		r.State = relay.NewState(r.Message)
	}
	return r
}

// keyChanges gathers the keys of a batch: written in their order they touch each page
// of the file once.
type keyChanges struct{ drop, add [][]byte }

// replace notes the difference of two sorted lists of keys.
func (k *keyChanges) replace(before, after [][]byte) {
	for _, key := range before {
		if _, kept := slices.BinarySearchFunc(after, key, bytes.Compare); !kept {
			k.drop = append(k.drop, key)
		}
	}
	for _, key := range after {
		if _, had := slices.BinarySearchFunc(before, key, bytes.Compare); !had {
			k.add = append(k.add, key)
		}
	}
}

func (k *keyChanges) apply(b *bolt.Bucket) error {
	slices.SortFunc(k.drop, bytes.Compare)
	slices.SortFunc(k.add, bytes.Compare)
	for _, key := range k.drop {
		if err := b.Delete(key); err != nil {
			return err
		}
	}
	for _, key := range k.add {
		if err := b.Put(key, nil); err != nil {
			return err
		}
	}
	return nil
}

func erase(tx *bolt.Tx, id relay.ID, before *store.Record, keys *keyChanges) error {
	if before == nil {
		return nil
	}
	keys.replace(keysOf(before.Message, before.State), nil)
	var events [][]byte
	if err := eachEvent(tx, id, func(v numbered) { events = append(events, eventKey(id, v.revision)) }); err != nil {
		return err
	}
	for _, k := range events {
		if err := tx.Bucket(bucketEvents).Delete(k); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMessages).Delete(id[:])
}

func encodeEvent(v *relay.Event) []byte {
	b, at := beginFrame(nil)
	e := encoder{b: b}
	e.event(v)
	return endFrame(e.b, at)
}
