package journal

import (
	"errors"
	"fmt"
	"io"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// ErrGone means that a segment was released: whoever has a Ref into it must ask
// again where the record is now.
var ErrGone = errors.New("the segment of the journal was released")

// Payload is a payload that is being read. Its bytes are not written over until
// Close. It may be used concurrently.
type Payload struct {
	io.ReaderAt
	size    int64
	journal *Journal
	segment *segment
}

// Size is the length in octets.
func (p *Payload) Size() int64 { return p.size }

// Close gives the segment free. It must be called exactly once.
func (p *Payload) Close() error { return p.journal.unpin(p.segment) }

// Open gives the payload at ref: ErrGone if its segment was released.
func (j *Journal) Open(ref Ref) (*Payload, error) {
	s, err := j.pin(ref.Segment)
	if err != nil {
		return nil, err
	}
	return &Payload{
		ReaderAt: io.NewSectionReader(s.file, int64(ref.Offset), int64(ref.Length)),
		size:     int64(ref.Length), journal: j, segment: s,
	}, nil
}

func (j *Journal) pin(seq uint64) (*segment, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.segments[seq]
	if s == nil {
		if j.closing {
			return nil, store.ErrClosed
		}
		return nil, fmt.Errorf("segment %d: %w", seq, ErrGone)
	}
	s.pins++
	return s, nil
}

func (j *Journal) unpin(s *segment) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	s.pins--
	if s.pins == 0 && s.released {
		return s.file.Close()
	}
	return nil
}

// Oldest is the number of the oldest segment, and Head that of the newest.
func (j *Journal) Oldest() (oldest, head uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.oldest, j.head.seq
}

// Short reports whether there is no room for another segment.
func (j *Journal) Short() bool { return j.pool.short() }

// Durable is the end of what is durable.
func (j *Journal) Durable() Position {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Position{Segment: j.head.seq, Offset: uint32(j.head.end)}
}

// Holds reports whether the log still has everything from p on.
func (j *Journal) Holds(p Position) bool {
	oldest, head := j.Oldest()
	return p.Segment >= oldest && (p.Segment < head || !j.Durable().Before(p))
}

// Release gives up the oldest segment. The caller has made sure that nothing in it
// counts any more: what still counts was written again, and is durable. If a reader
// has the segment open, its file is deleted rather than written over.
func (j *Journal) Release(seq uint64) error {
	s, pinned, err := j.detach(seq)
	if err != nil {
		return err
	}
	if pinned {
		return j.discard(s)
	}
	var flush *safeio.FlushError
	switch err := s.blank(); {
	case err == nil:
		return j.pool.give(s)
	case !safeio.IsFull(err) || errors.As(err, &flush):
		return j.fail(err)
	}
	// A file system that never writes in place has no room even for zeros.
	return errors.Join(j.discard(s), s.file.Close())
}

// detach takes the oldest segment out of the log.
func (j *Journal) detach(seq uint64) (s *segment, pinned bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.refusal(); err != nil {
		return nil, false, err
	}
	s = j.segments[seq]
	if seq != j.oldest || s == nil || s == j.head {
		return nil, false, fmt.Errorf("segment %d is not the oldest that can be released", seq)
	}
	delete(j.segments, seq)
	for j.oldest = seq + 1; j.segments[j.oldest] == nil; j.oldest++ {
	}
	if s.pins > 0 {
		s.released = true
	}
	return s, s.pins > 0, nil
}

// discard deletes the file of a segment. Its place in the log must be gone for good
// before the next segment may go, so that a failure is final.
func (j *Journal) discard(s *segment) error {
	if err := j.opt.FS.Remove(s.name); err != nil {
		return j.fail(fmt.Errorf("delete segment %s: %w", s.name, err))
	}
	if err := j.opt.FS.SyncDir(j.opt.Dir); err != nil {
		return j.fail(err)
	}
	j.pool.ask()
	return nil
}

// Scan visits the records from a position on, up to the durable end or until about
// limit records were seen. It returns where the next call goes on. A position in a
// released segment counts as the beginning of the log.
func (j *Journal) Scan(from Position, limit int, visit func(*Item) error) (Position, error) {
	seen := 0
	count := func(it *Item) error { seen++; return visit(it) }
	for seen < limit {
		s, end, sealed, err := j.pinFor(&from)
		if err != nil || (!sealed && int64(from.Offset) >= end) {
			return from, errors.Join(err, j.unpinIf(s))
		}
		reached, err := j.scanSome(s, from, end, func() bool { return seen < limit }, count)
		if err = errors.Join(err, j.unpin(s)); err != nil {
			return from, err
		}
		from.Offset = uint32(reached)
		if reached >= end && sealed {
			from = Position{Segment: from.Segment + 1, Offset: blockSize}
		}
	}
	return from, nil
}

func (j *Journal) unpinIf(s *segment) error {
	if s == nil {
		return nil
	}
	return j.unpin(s)
}

// pinFor pins the segment that holds from, or the first one after it.
func (j *Journal) pinFor(from *Position) (s *segment, end int64, sealed bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closing && len(j.segments) == 0 {
		return nil, 0, false, store.ErrClosed
	}
	if from.Segment < j.oldest {
		*from = Position{Segment: j.oldest, Offset: blockSize}
	}
	for from.Segment < j.head.seq && j.segments[from.Segment] == nil {
		*from = Position{Segment: from.Segment + 1, Offset: blockSize}
	}
	if s = j.segments[from.Segment]; s == nil {
		return nil, 0, false, fmt.Errorf("segment %d: %w", from.Segment, ErrGone)
	}
	s.pins++
	return s, s.end, s != j.head, nil
}

// scanSome reads group by group while more says so.
func (j *Journal) scanSome(s *segment, from Position, end int64, more func() bool, visit func(*Item) error) (int64, error) {
	c := newScan(s, visit)
	c.limit, c.durable = end, end
	off := max(int64(from.Offset), blockSize)
	for off < end && more() {
		next, err := c.step(off)
		if err != nil {
			return off, err
		}
		off = next
	}
	return off, nil
}
