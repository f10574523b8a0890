package embedded

import (
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
)

// ruleDamaged is the rule of a hold that damage of the disk brought about.
const ruleDamaged = "spool.damaged"

// settleLost looks for messages that the index knows and the journal has no more: they
// lay in a part of it that was set aside. Nothing else can be done for them, so they
// leave those that wait; but they stay visible, held with the reason (promise G3).
// Whatever goes wrong here is told and keeps no mail from going.
func (q *Queue) settleLost() {
	err := guarded(func() error {
		lost, err := q.lost()
		if err != nil || len(lost.changes) == 0 {
			return err
		}
		return q.index.apply(lost)
	})
	if err != nil {
		q.opt.Log.Error("the index could not be searched for lost messages", "error", err)
	}
}

func (q *Queue) lost() (*batch, error) {
	b := &batch{changes: map[relay.ID]*change{}, to: q.index.at()}
	err := q.index.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketMessages).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			id := relay.ID(k)
			if _, retired := q.retired[id]; retired || q.live[id] != nil {
				continue
			}
			r, err := liveRecord(tx, id)
			if err != nil {
				return err
			}
			b.changes[id] = q.lostChange(r.Message, r.State)
			q.opt.Log.Error("message was lost to damage of the journal", "message", id, "from", r.Message.From.String(), "recipients", len(r.Message.Envelope.Recipients))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("search for lost messages: %w", err)
	}
	return b, nil
}

// lostChange ends a message in the state that the index knew last.
func (q *Queue) lostChange(m *relay.Message, s *relay.State) *change {
	const reason = "the disk lost the message: what is left of it was set aside"
	now := q.opt.Now().UTC()
	s = s.Clone()
	s.Revision++
	s.Hold = &relay.Hold{Rule: ruleDamaged, Since: now, Reason: reason}
	c := &change{id: m.ID, message: m, state: s, retired: true, retiredAt: now}
	c.addEvent(numbered{s.Revision, relay.Event{At: now, Kind: relay.EventHeld, Detail: reason}})
	return c
}
