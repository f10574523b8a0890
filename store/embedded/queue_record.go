package embedded

import (
	"context"
	"fmt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// Record implements store.Queue.
func (q *Queue) Record(ctx context.Context, id relay.ID, s *relay.State, v relay.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	frame := q.buffers.get()
	defer q.buffers.put(frame)
	frame.b = encodeChange(frame.b[:0], s, &v)
	done := s.Done()
	q.gate.RLock()
	defer q.gate.RUnlock()
	e, ticket, err := q.begin(id, s.Revision, done, frame.b)
	if err != nil {
		return fmt.Errorf("record message %s: %w", id, err)
	}
	ref, err := ticket.Wait()
	q.recorded(e, ref, s.Revision, done && err == nil, err)
	q.index.notify()
	if err != nil {
		return fmt.Errorf("record message %s: %w", id, err)
	}
	if done && e.inFile {
		q.fs.Remove(bodyName(id)) //nolint:errcheck // a remainder is removed at the next start
	}
	return nil
}

// begin enqueues the change. That happens under the lock, so that in the journal a
// retired record stands behind every other record of its message: were one written
// behind it, the dead would come back.
func (q *Queue) begin(id relay.ID, revision uint64, done bool, change []byte) (*entry, *journal.Ticket, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.live[id]
	for e != nil && e.relocating && !q.closed {
		q.settled.Wait()
		e = q.live[id]
	}
	if err := q.usable(); err != nil {
		return nil, nil, err
	}
	switch {
	case e == nil:
		return nil, nil, store.ErrNotFound
	case e.busy || revision != e.revision+1:
		return nil, nil, fmt.Errorf("revision %d after %d: %w", revision, e.revision, store.ErrStale)
	}
	kind := byte(recordState)
	if done {
		kind = recordRetired
	}
	ticket, err := q.journal.Enqueue(journal.Record{
		ID: id, Revision: revision, Type: kind, Payload: [][]byte{change}, Use: journal.UseReserve,
	})
	if err != nil {
		return nil, nil, err
	}
	e.busy = true
	return e, ticket, nil
}

// recorded ends what begin began.
func (q *Queue) recorded(e *entry, ref journal.Ref, revision uint64, retired bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e.busy = false
	q.settled.Broadcast()
	if err != nil {
		return
	}
	e.revision, e.state = revision, ref
	if !retired {
		return
	}
	q.dismiss(e)
	q.retired[e.id] = ref
	q.usage.Messages--
	q.usage.Bytes -= e.size
}
