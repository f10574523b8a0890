package embedded

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Timeline implements store.Queue. Its first event is the acceptance, which Put
// records without an event of its own.
func (q *Queue) Timeline(ctx context.Context, id relay.ID) (r *store.Record, events []relay.Event, err error) {
	err = q.survey(ctx, func(s *survey) error {
		r, events, err = s.timeline(id)
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("timeline of message %s: %w", id, err)
	}
	accepted := relay.Event{At: r.Message.Accepted, Kind: relay.EventAccepted}
	return r, append([]relay.Event{accepted}, events...), nil
}

func (s *survey) timeline(id relay.ID) (*store.Record, []relay.Event, error) {
	c := s.overlay.changes[id]
	if c == nil {
		c = &change{id: id}
	}
	r, err := s.changed(c)
	if err != nil {
		return nil, nil, err
	}
	if r == nil {
		return s.past(id)
	}
	if err := eachEvent(s.live, id, func(v numbered) { c.addEvent(v) }); err != nil {
		return nil, nil, err
	}
	events := make([]relay.Event, len(c.events))
	for i := range c.events {
		events[i] = c.events[i].Event
	}
	return r, events, nil
}

// past looks for a message in the history.
func (s *survey) past(id relay.ID) (*store.Record, []relay.Event, error) {
	for _, tx := range s.history {
		if v := txMessage(tx, id); v != nil {
			r, events, err := decodeHistory(v, true)
			if err != nil {
				return nil, nil, fmt.Errorf("history of message %s: %w", id, err)
			}
			return r, events, nil
		}
	}
	return nil, nil, store.ErrNotFound
}

func txMessage(tx *bolt.Tx, id relay.ID) []byte { return tx.Bucket(bucketMessages).Get(id[:]) }
