package journal

import (
	"fmt"
	"sync"
	"time"
)

// Record is something to keep. The log knows nothing of what is in it.
type Record struct {
	ID       [16]byte
	Revision uint64
	Type     byte
	Payload  [][]byte // not changed until the record is durable

	Use Use // of the room that is held back
}

// Use says which part of the reserve a record may use.
type Use byte

// The uses. When the disk is full, what is already accepted goes on, and the log can
// always be recycled.
const (
	UseFree    Use = iota // nothing of the reserve: for what can be refused
	UseReserve            // all but the last segment: for what became of things already kept
	UseLast               // the last segment too: for what makes room by being written again
)

// leaves is how many free segments must remain behind a record of this use.
func (u Use) leaves(reserve int) int {
	switch u {
	case UseFree:
		return reserve
	case UseReserve:
		return min(1, reserve)
	}
	return 0
}

func (r *Record) length() int {
	n := 0
	for _, p := range r.Payload {
		n += len(p)
	}
	return n
}

// Ticket stands for a record that was enqueued. Wait must be called exactly once.
type Ticket struct {
	record Record
	length int
	lazy   bool
	done   chan struct{} // receives one value
	pool   *sync.Pool    // where it goes when its caller knows
	ref    Ref
	err    error
}

// Append keeps a record: it is durable when Append returns nil. store.ErrFull means
// that there is no room and that it was not kept; store.ErrUnknown, that nobody can
// say.
func (j *Journal) Append(r Record) (Ref, error) {
	t, err := j.Enqueue(r)
	if err != nil {
		return Ref{}, err
	}
	return t.Wait()
}

// Enqueue takes a record and does not wait. Records become durable in the order in
// which they were enqueued.
func (j *Journal) Enqueue(r Record) (*Ticket, error) {
	t, ok := j.tickets.Get().(*Ticket)
	if !ok {
		t = &Ticket{done: make(chan struct{}, 1), pool: &j.tickets}
	}
	t.record, t.length = r, r.length()
	if err := j.enqueue(t); err != nil {
		t.free()
		return nil, err
	}
	return t, nil
}

// EnqueueLazy takes a record that becomes durable with the next group, or by itself
// after a while. Nobody waits for it, and on a full disk it may be lost.
func (j *Journal) EnqueueLazy(r Record) error {
	t := &Ticket{record: r, length: r.length(), lazy: true}
	return j.enqueue(t)
}

func (j *Journal) enqueue(t *Ticket) error {
	if most := j.opt.SegmentSize - blockSize; int64(groupSize(recordSize(t.length))) > most {
		return fmt.Errorf("a record of %d octets is larger than a segment of the journal holds", t.length)
	}
	j.mu.Lock()
	if err := j.refusal(); err != nil {
		j.mu.Unlock()
		return err
	}
	j.queue = append(j.queue, t)
	if !t.lazy {
		j.urgent++
	} else if j.lazy == nil {
		j.lazy = time.AfterFunc(j.opt.LazyDelay, j.lazyExpired)
	}
	wake := j.due()
	j.mu.Unlock()
	if wake {
		j.signal()
	}
	return nil
}

func (j *Journal) lazyExpired() {
	j.mu.Lock()
	j.lazyDue = true
	j.mu.Unlock()
	j.signal()
}

// due reports whether there is something to write now.
func (j *Journal) due() bool {
	return j.urgent > 0 || len(j.queue) >= maxLazy || (len(j.queue) > 0 && (j.lazyDue || j.closing))
}

// Wait returns when the record is durable, or why it is not.
func (t *Ticket) Wait() (Ref, error) {
	<-t.done
	ref, err := t.ref, t.err
	t.free()
	return ref, err
}

func (t *Ticket) finish(ref Ref, err error) {
	if t.lazy {
		return
	}
	t.ref, t.err = ref, err
	t.done <- struct{}{}
}

func (t *Ticket) free() {
	t.record, t.ref, t.err = Record{}, Ref{}, nil
	t.pool.Put(t)
}
