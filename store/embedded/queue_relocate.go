package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"path"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/journal"
)

// prepare reads the messages, and makes the records with their full state. It gives
// those that are to be written; what does not read any more is set aside.
func (q *Queue) prepare(moves []*move) (ready []*move, err error) {
	for _, m := range moves {
		payload, err := q.whole(m.entry)
		switch {
		case errors.Is(err, ErrDamaged):
			err = q.abandon(m.entry, err)
		case err == nil:
			m.record = journal.Record{
				ID: m.entry.id, Revision: m.entry.revision, Type: recordRelocated, Use: journal.UseLast, Payload: payload,
			}
			ready = append(ready, m)
		}
		if err != nil {
			return nil, fmt.Errorf("write message %s again: %w", m.entry.id, err)
		}
	}
	return ready, nil
}

// whole gives a message with its full state. Submission keys are written again by
// themselves. The body is taken as it is: whoever reads it compares its checksum.
func (q *Queue) whole(e *entry) ([][]byte, error) {
	h, err := q.load(e)
	if err != nil {
		return nil, err
	}
	h.keyed, h.key = false, relay.SubmissionKey{}
	record, err := q.recordAt(e.content)
	if err != nil {
		return nil, err
	}
	n, err := frameSize(record)
	return [][]byte{encodeHead(nil, h), record[min(n, len(record)):]}, err
}

// recordAt reads a record without understanding it.
func (q *Queue) recordAt(ref journal.Ref) ([]byte, error) {
	p, err := q.journal.Open(ref)
	if err != nil {
		return nil, err
	}
	defer p.Close() //nolint:errcheck // it was only read
	b := make([]byte, p.Size())
	return b, readFull(p, b, 0)
}

// abandon gives up a message whose envelope does not read: nobody can say any more
// whose it is. As at start, what is left of it is kept for a person; written again it
// would get a checksum that says that all is well.
func (q *Queue) abandon(e *entry, reason error) error {
	record, err := q.recordAt(e.content)
	if err != nil {
		return err
	}
	name := path.Join(quarantineDir, "message-"+e.id.String())
	if err := q.quarantine(name, bytes.NewReader(record)); err != nil {
		return fmt.Errorf("set aside: %w", err)
	}
	if e.inFile {
		if err := q.orphan(path.Base(bodyName(e.id)), true); err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
	}
	q.opt.Log.Error("message lost its envelope to damage of the journal and was set aside", "message", e.id, "file", name, "error", reason)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dismiss(e)
	q.usage.Messages--
	q.usage.Bytes -= e.size
	return nil
}
