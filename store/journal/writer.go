package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// run writes groups until the journal is closed or a flush fails.
func (j *Journal) run() {
	for j.await() {
		for len(j.pending) > 0 {
			if err := j.commitNext(); err != nil {
				j.refuseRest()
				return
			}
		}
	}
	j.markEnd()
}

// await moves what waits to the writer; false means that nothing will come any more.
func (j *Journal) await() bool {
	for {
		j.mu.Lock()
		if j.due() {
			j.drain()
			j.mu.Unlock()
			return true
		}
		closing := j.closing
		j.mu.Unlock()
		if closing {
			return false
		}
		<-j.wake
	}
}

// drain must be called with the lock held.
func (j *Journal) drain() {
	j.drained = append(j.drained[:0], j.queue...)
	j.pending = j.drained
	clear(j.queue)
	j.queue = j.queue[:0]
	j.urgent, j.lazyDue = 0, false
	if j.lazy != nil {
		j.lazy.Stop()
		j.lazy = nil
	}
}

// commitNext makes one group of the first of the pending records. The error is
// final: a flush failed.
func (j *Journal) commitNext() error {
	n, err := j.choose()
	if err != nil {
		return j.fail(err)
	}
	if n == 0 {
		return nil
	}
	batch := j.pending[:n]
	j.pending = j.pending[n:]
	end, err := j.write(batch)
	switch {
	case err == nil:
		j.publish(end)
	case !errors.Is(err, store.ErrFull):
		err = j.fail(err)
	}
	for _, t := range batch {
		t.finish(t.ref, err)
	}
	if errors.Is(err, store.ErrFull) {
		return nil
	}
	return err
}

// choose counts how many of the pending records go into the next group. Records for
// which there is no room are answered and taken away; 0 means to come again.
func (j *Journal) choose() (int, error) {
	size := 0
	for n, t := range j.pending {
		if err := j.pool.await(t.record.Use.leaves(j.opt.Reserve), j.stop); err != nil {
			return n, j.refuse(n, err)
		}
		grown := size + recordSize(t.length)
		if n > 0 && (groupSize(grown) > j.opt.MaxGroup || !j.fits(grown)) {
			return n, nil
		}
		if !j.fits(grown) {
			if err := j.rotate(t.record.Use); err != nil {
				return 0, j.refuse(0, err)
			}
		}
		size = grown
	}
	return len(j.pending), nil
}

func (j *Journal) fits(records int) bool {
	return j.head.end+int64(groupSize(records)) <= j.head.size
}

// refuse answers the record at n for want of room. Any other error is final.
func (j *Journal) refuse(n int, err error) error {
	if !errors.Is(err, store.ErrFull) {
		return err
	}
	poke(j.rotated)
	j.pending[n].finish(Ref{}, err)
	copy(j.pending[n:], j.pending[n+1:])
	j.pending = j.pending[:len(j.pending)-1]
	return nil
}

func (j *Journal) refuseRest() {
	j.mu.Lock()
	rest := slices.Concat(j.pending, j.queue)
	j.queue, j.pending = nil, nil
	reason := j.failure
	j.mu.Unlock()
	for _, t := range rest {
		t.finish(Ref{}, reason)
	}
}

// rotate begins the next segment.
func (j *Journal) rotate(use Use) error {
	s := j.begun
	if s == nil {
		var err error
		if s, err = j.pool.take(use.leaves(j.opt.Reserve), j.stop); err != nil {
			return err
		}
	}
	// Until its first group is flushed a crash may leave a header without groups.
	// There must never be two of one number, so the same file is tried again.
	j.begun = s
	if err := s.begin(j.head.seq+1, j.head); err != nil {
		return asFull(err)
	}
	j.begun = nil
	j.install(s)
	poke(j.rotated)
	return nil
}

// install makes s the head.
func (j *Journal) install(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head = s
	j.segments[s.seq] = s
	j.serial = 0
}

// asFull turns an error of a write into ErrFull if it was one of room: what was not
// written whole does not read, so nothing is unknown.
func asFull(err error) error {
	if safeio.IsFull(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}

// write puts the batch on the disk as one group and sets the refs. It returns where
// the group ends.
func (j *Journal) write(batch []*Ticket) (int64, error) {
	group := j.encode(batch)
	off := j.head.end
	if _, err := j.head.file.WriteAt(group, off); err != nil {
		return 0, asFull(fmt.Errorf("write to segment %s: %w", j.head.name, err))
	}
	began := time.Now()
	if err := j.head.file.Sync(); err != nil {
		return 0, &safeio.FlushError{Name: j.head.name, Err: err} // never ErrFull, whatever the reason
	}
	j.opt.Flushed(len(batch), time.Since(began))
	return off + int64(len(group)), nil
}

// encode makes the group in the writer's buffer.
func (j *Journal) encode(batch []*Ticket) []byte {
	s, off := j.head, j.head.end
	used := groupHeaderSize
	for _, t := range batch {
		used += recordSize(t.length)
	}
	j.serial++
	g := groupHeader{
		size: uint32(groupSize(used - groupHeaderSize)), serial: j.serial,
		count: uint32(len(batch)), durable: uint32(off), used: uint32(used),
	}
	b := j.grow(int(g.size))
	at := groupHeaderSize
	for _, t := range batch {
		at += j.encodeRecord(b[at:], t, off+int64(at))
	}
	clear(b[used : len(b)-groupTrailer])
	g.encode(b, s, off)
	binary.LittleEndian.PutUint64(b[len(b)-groupTrailer:], g.trailer(s, off))
	return b
}

// encodeRecord writes one record into b and returns what it takes.
func (j *Journal) encodeRecord(b []byte, t *Ticket, off int64) int {
	at := recordHeader
	for _, p := range t.record.Payload {
		at += copy(b[at:], p)
	}
	size := recordSize(t.length)
	clear(b[at:size])
	h := header{
		id: t.record.ID, revision: t.record.Revision, kind: t.record.Type, length: uint32(t.length),
		sum: crc32.Update(j.head.seed, castagnoli, b[recordHeader:at]),
	}
	h.encode(b, j.head, j.serial, off)
	t.ref = Ref{Segment: j.head.seq, Offset: uint32(off + recordHeader), Length: uint32(t.length)}
	return size
}

// grow gives n octets of the writer's buffer. A buffer that one large record made
// large is given up again.
func (j *Journal) grow(n int) []byte {
	if cap(j.buffer) < n || cap(j.buffer) > 2*max(n, j.opt.MaxGroup) {
		j.buffer = make([]byte, max(n, min(2*n, j.opt.MaxGroup)))
	}
	return j.buffer[:n]
}

func (j *Journal) publish(end int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.head.end, j.head.durable = end, end
	j.groups++
}

// markEnd writes an empty group, whose mark says that all before it is durable, so
// that after an orderly end damage of the last group is not taken for a torn tail.
func (j *Journal) markEnd() {
	if !j.fits(0) || j.head.end == blockSize {
		return
	}
	end, err := j.write(nil)
	switch {
	case err == nil:
		j.publish(end)
	case !errors.Is(err, store.ErrFull):
		j.fail(err) //nolint:errcheck // Close tells it
	}
}
