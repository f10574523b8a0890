package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// Put implements store.Queue. The order of work:
//  1. read the content, into memory up to InlineBody, into a file beyond;
//  2. see whether the same submission is known already;
//  3. reserve a place within the limits;
//  4. give the file its name, durably;
//  5. write the record; then memory learns of the message.
func (q *Queue) Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error) {
	if err := q.welcome(ctx); err != nil {
		return relay.ID{}, err
	}
	body, err := q.spool(content)
	if err != nil {
		return relay.ID{}, err
	}
	defer body.free()
	p := &arrival{message: m, body: body}
	p.at = q.opt.Now().UnixNano()
	p.size, p.sum, p.inFile = body.size, body.sum, body.inFile()
	if key != nil {
		p.keyed, p.key = true, key()
	}
	known, err := q.reserve(ctx, p)
	if err != nil || known != (relay.ID{}) {
		return known, err
	}
	if err := q.commit(p); err != nil {
		return relay.ID{}, fmt.Errorf("put message %s: %w", m.ID, err)
	}
	return m.ID, nil
}

// arrival is a message on its way into the queue.
type arrival struct {
	prefix
	message *relay.Message
	body    *spooled
	entry   *keyEntry
}

// welcome refuses before anything is read when there is no room anyway.
func (q *Queue) welcome(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.usable(); err != nil {
		return err
	}
	return q.within(0)
}

// within checks the limits for one more message of n octets. It must be called with
// the lock held.
func (q *Queue) within(n int64) error {
	switch {
	case q.usage.Messages >= q.opt.MaxMessages:
		return fmt.Errorf("%d messages wait: %w", q.usage.Messages, store.ErrFull)
	case q.usage.Bytes+n > q.opt.MaxBytes:
		return fmt.Errorf("%d octets wait: %w", q.usage.Bytes, store.ErrFull)
	}
	return q.room.check()
}

// reserve takes the place of a message, or gives the ID under which the same
// submission is kept already.
func (q *Queue) reserve(ctx context.Context, p *arrival) (relay.ID, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if p.keyed {
		if known, err := q.repeated(ctx, p.key); err != nil || !known.IsZero() {
			return known, err
		}
	}
	if err := q.usable(); err != nil {
		return relay.ID{}, err
	}
	if err := q.unused(p.message); err != nil {
		return relay.ID{}, err
	}
	if err := q.within(p.size); err != nil {
		return relay.ID{}, err
	}
	q.arriving[p.message.ID] = struct{}{}
	q.usage.Messages++
	q.usage.Bytes += p.size
	if p.keyed {
		p.entry = &keyEntry{key: p.key, id: p.message.ID, at: p.at, arrived: make(chan struct{})}
		q.trimKeys()
		q.keys.add(p.entry)
	}
	return relay.ID{}, nil
}

// repeated looks for the same submission. One that is still on its way is waited
// for: only when it is durable may its ID be given. It must be called with the lock
// held, which it gives up while it waits.
func (q *Queue) repeated(ctx context.Context, key relay.SubmissionKey) (relay.ID, error) {
	for {
		k := q.keys.find(key, q.opt.Now())
		if k == nil {
			return relay.ID{}, nil
		}
		if k.segment != 0 {
			return k.id, nil
		}
		q.mu.Unlock()
		var err error
		select {
		case <-k.arrived:
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if err != nil {
			return relay.ID{}, err
		}
	}
}

// unused checks that the ID was never put. It must be called with the lock held.
func (q *Queue) unused(m *relay.Message) error {
	if m.ID.IsZero() {
		return errors.New("the message has no ID")
	}
	_, arriving := q.arriving[m.ID]
	_, retired := q.retired[m.ID]
	if arriving || retired || q.live[m.ID] != nil {
		return fmt.Errorf("message %s: %w", m.ID, store.ErrExists)
	}
	if m.Kind == relay.KindSubmission {
		// 80 random bits do not come twice. The ID of a report or notice is derived, so
		// that a crash between making it and noting it shows here.
		return nil
	}
	if q.index.retired(m.ID) {
		return fmt.Errorf("message %s: %w", m.ID, store.ErrExists)
	}
	return nil
}

// commit makes the message durable: the file, then the record.
func (q *Queue) commit(p *arrival) error {
	if p.inFile {
		if err := q.publishBody(p); err != nil {
			q.arrived(p, journal.Ref{}, err)
			return err
		}
	}
	frame := q.buffers.get()
	defer q.buffers.put(frame)
	frame.b = encodeHead(frame.b[:0], &head{prefix: p.prefix, message: p.message})
	q.gate.RLock()
	defer q.gate.RUnlock()
	ref, err := q.journal.Append(journal.Record{
		ID: p.message.ID, Type: recordAccepted, Payload: [][]byte{frame.b, p.body.inline()},
	})
	if p.inFile && err != nil && !errors.Is(err, store.ErrUnknown) {
		q.fs.Remove(bodyName(p.message.ID)) //nolint:errcheck // without a record it is removed at start
	}
	q.arrived(p, ref, err)
	q.index.notify()
	return err
}

// arrived ends what reserve began.
func (q *Queue) arrived(p *arrival, ref journal.Ref, err error) {
	q.mu.Lock()
	delete(q.arriving, p.message.ID)
	if err == nil {
		q.admit(&entry{id: p.message.ID, size: p.size, inFile: p.inFile}, ref)
		if p.entry != nil && q.keys.byKey[p.entry.key] == p.entry {
			q.placeKey(p.entry, ref.Segment)
		}
	} else {
		q.usage.Messages--
		q.usage.Bytes -= p.size
		if p.entry != nil {
			q.dropKey(p.entry)
		}
	}
	q.mu.Unlock()
	if p.entry != nil {
		close(p.entry.arrived)
	}
}

// Acknowledged implements store.Queue.
func (q *Queue) Acknowledged(id relay.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := q.keys.byID[id]
	if k == nil {
		return
	}
	q.dropKey(k)
	// Enqueued under the lock: in the journal it stands behind every record of the key.
	q.journal.EnqueueLazy(journal.Record{ID: id, Type: recordAcknowledged}) //nolint:errcheck // nobody waits for it
}
