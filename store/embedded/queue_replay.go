package embedded

import (
	"fmt"
	"io"
	"path"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/journal"
)

// replayer rebuilds memory from the journal at start.
type replayer struct {
	queue *Queue
	// orphans have a state but no content. Usually their retired record comes later;
	// what remains at the end lost its content to damage.
	orphans map[relay.ID]struct{}
	damaged bool
}

// replay opens the journal and learns every message that waits.
func (q *Queue) replay() error {
	r := &replayer{queue: q, orphans: map[relay.ID]struct{}{}}
	o := q.opt.Journal
	o.FS, o.Dir, o.Replay, o.Damaged = q.fs, "journal", r.record, r.setAside
	if o.Now == nil {
		o.Now = q.opt.Now
	}
	var err error
	if q.journal, err = journal.Open(o); err != nil {
		return err
	}
	for id := range r.orphans {
		r.damaged = true
		q.opt.Log.Error("message lost its content to damage of the journal", "message", id)
	}
	return q.sweep(r.damaged)
}

// record takes one record. Nobody else uses the queue yet.
func (r *replayer) record(it *journal.Item) error {
	id := relay.ID(it.ID)
	var err error
	switch it.Type {
	case recordAccepted, recordRelocated:
		err = r.content(id, it)
	case recordState:
		r.state(id, it)
	case recordRetired:
		r.retired(id, it.Ref)
	case recordAcknowledged:
		if k := r.queue.keys.byID[id]; k != nil {
			r.queue.dropKey(k)
		}
	case recordKey:
		err = r.key(id, it)
	default:
		err = fmt.Errorf("a record of type %d is not known to this program", it.Type)
	}
	if err != nil {
		return fmt.Errorf("replay message %s: %w", id, err)
	}
	return nil
}

func (r *replayer) content(id relay.ID, it *journal.Item) error {
	b, err := it.Payload(prefixSize)
	if err != nil {
		return err
	}
	p, err := decodePrefix(b)
	if err != nil {
		return err
	}
	delete(r.orphans, id)
	q := r.queue
	e := q.live[id]
	if e == nil {
		e = &entry{id: id, size: p.size, inFile: p.inFile}
		q.admit(e, it.Ref)
		q.usage.Messages++
		q.usage.Bytes += p.size
	} else {
		q.unlink(e)
		q.link(e, it.Ref)
	}
	if it.Revision >= e.revision {
		e.revision, e.state = it.Revision, it.Ref
	}
	if it.Type == recordAccepted && p.keyed {
		r.remember(&keyEntry{key: p.key, id: id, at: p.at}, it.Ref.Segment)
	}
	return nil
}

func (r *replayer) state(id relay.ID, it *journal.Item) {
	e := r.queue.live[id]
	switch {
	case e == nil:
		r.orphans[id] = struct{}{}
	case it.Revision >= e.revision:
		e.revision, e.state = it.Revision, it.Ref
	}
}

func (r *replayer) retired(id relay.ID, ref journal.Ref) {
	delete(r.orphans, id)
	q := r.queue
	q.retired[id] = ref
	if e := q.live[id]; e != nil {
		q.dismiss(e)
		q.usage.Messages--
		q.usage.Bytes -= e.size
	}
}

func (r *replayer) key(id relay.ID, it *journal.Item) error {
	b, err := it.Payload(-1)
	if err != nil {
		return err
	}
	at, key, err := decodeKey(b)
	if err != nil {
		return err
	}
	r.remember(&keyEntry{key: key, id: id, at: at}, it.Ref.Segment)
	return nil
}

func (r *replayer) remember(k *keyEntry, segment uint64) {
	q := r.queue
	if old := q.keys.byID[k.id]; old != nil {
		q.dropKey(old)
	}
	if k.expired(q.opt.Now()) || q.keys.full() {
		return
	}
	q.keys.add(k)
	q.placeKey(k, segment)
}

// setAside keeps the octets of a damaged part for a person, before its segment is
// used again.
func (r *replayer) setAside(d journal.Damage, content io.Reader) {
	r.damaged = true
	q := r.queue
	q.opt.Log.Error("part of the journal is damaged and was set aside",
		"file", d.File, "segment", d.Segment, "from", d.From, "to", d.To, "reason", d.Reason)
	name := path.Join(quarantineDir, fmt.Sprintf("segment-%d-%d-%d", d.Segment, d.From, d.To))
	if err := q.quarantine(name, content); err != nil {
		q.opt.Log.Error("the damaged part could not be copied", "file", name, "error", err)
	}
}

func (q *Queue) quarantine(name string, content io.Reader) error {
	if err := q.fs.Mkdir(quarantineDir); err != nil {
		return err
	}
	if f, err := q.fs.Open(name); err == nil {
		return f.Close() // it was kept at an earlier start
	}
	_, err := safeio.Write(q.fs, name, content)
	return err
}
