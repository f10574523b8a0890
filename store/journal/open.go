package journal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"sort"
	"strings"

	"github.com/relayd/relayd/internal/safeio"
)

// Open reads the log in the directory, gives every record to Options.Replay and
// makes the log ready for more:
//  1. open the segments, and flush them: what is read now may never have reached
//     the disk;
//  2. read them in their order;
//  3. begin a new segment;
//  4. write the records of the last group again, for a flush that failed before
//     the start may have been forgotten by the system.
func Open(o Options) (*Journal, error) {
	o.setDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	j := &Journal{
		opt: o, pool: newPool(&o), segments: map[uint64]*segment{},
		wake: make(chan struct{}, 1), failed: make(chan struct{}), stop: make(chan struct{}),
		rotated: make(chan struct{}, 1),
	}
	if err := j.open(); err != nil {
		return nil, errors.Join(err, j.abandon())
	}
	return j, nil
}

func (j *Journal) open() error {
	if err := j.opt.FS.Mkdir(j.opt.Dir); err != nil {
		return fmt.Errorf("make directory of the journal: %w", err)
	}
	used, err := j.find()
	if err != nil {
		return err
	}
	last, tail, err := j.replay(used)
	if err != nil {
		return err
	}
	if err := j.begin(last); err != nil {
		return err
	}
	j.keeping.Go(func() { j.pool.run(j.stop) })
	if err := j.rewrite(tail); err != nil {
		close(j.stop)
		j.keeping.Wait()
		return err
	}
	j.running.Go(j.run)
	return nil
}

// abandon closes the files of a log that could not be opened.
func (j *Journal) abandon() error {
	for _, s := range j.segments {
		s.file.Close() //nolint:errcheck // the reason for giving up is the error to tell
	}
	clear(j.segments)
	return j.pool.close()
}

// find opens the files of the log and gives the segments that are in use, in order.
func (j *Journal) find() ([]*openedSegment, error) {
	names, err := j.opt.FS.List(j.opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("list the journal: %w", err)
	}
	var used []*openedSegment
	for _, name := range names {
		full := path.Join(j.opt.Dir, name)
		switch {
		case !strings.HasPrefix(name, segmentPrefix) || strings.HasSuffix(name, damagedSuffix):
			continue
		case safeio.Unfinished(name):
			if err := j.opt.FS.Remove(full); err != nil {
				return nil, fmt.Errorf("remove unfinished segment: %w", err)
			}
			continue
		}
		j.pool.noteName(full)
		s, err := j.openFile(full)
		if err != nil {
			return nil, err
		}
		if s != nil {
			used = append(used, s)
		}
	}
	sort.Slice(used, func(a, b int) bool { return used[a].seq < used[b].seq })
	return used, nil
}

// openedSegment is a segment with what its header says of the one before it.
type openedSegment struct {
	*segment
	header *segmentHeader
}

// damagedSuffix marks a file whose header does not read: it is kept for a person.
const damagedSuffix = ".damaged"

// openFile opens one file; a blank one goes to the pool, a damaged one is set aside.
func (j *Journal) openFile(name string) (*openedSegment, error) {
	s, h, err := openSegment(j.opt.FS, name)
	switch {
	case errors.Is(err, errDamaged):
		return nil, j.setAside(s, err)
	case err != nil:
		return nil, err
	case h == nil:
		return nil, j.pool.give(s)
	}
	if other := j.segments[s.seq]; other != nil {
		return nil, j.setAside(s, fmt.Errorf("segment %d is there twice, also as %s", s.seq, other.name))
	}
	if err := s.file.Sync(); err != nil {
		return nil, errors.Join(&safeio.FlushError{Name: name, Err: err}, s.file.Close())
	}
	j.segments[s.seq] = s
	return &openedSegment{segment: s, header: h}, nil
}

// setAside takes a whole file out of the log.
func (j *Journal) setAside(s *segment, reason error) error {
	d := Damage{File: s.name, Segment: s.seq, To: s.size, Reason: reason.Error()}
	j.opt.Damaged(d, io.NewSectionReader(s.file, 0, s.size))
	if err := j.opt.FS.Rename(s.name, s.name+damagedSuffix); err != nil {
		return errors.Join(fmt.Errorf("set aside %s: %w", s.name, err), s.file.Close())
	}
	return s.file.Close()
}

// begin makes the head. It follows last, which is nil in an empty log.
func (j *Journal) begin(last *segment) error {
	if j.pool.count() == 0 {
		if err := j.pool.fill(); err != nil {
			return err
		}
	}
	s, err := j.pool.take(0, j.stop)
	if err != nil {
		return err
	}
	seq := uint64(1)
	if last != nil {
		seq = last.seq + 1
	}
	if err := s.begin(seq, last); err != nil {
		return errors.Join(asFull(err), s.file.Close())
	}
	j.install(s)
	if j.oldest == 0 {
		j.oldest = seq
	}
	return nil
}

// kept is a record of the last group, to be written again.
type kept struct {
	Record
	payload []byte
	ticket  *Ticket
}

// rewrite appends the records of the last group as one group, and replays them
// where they now lie.
func (j *Journal) rewrite(tail []kept) error {
	for i := range tail {
		t := &Ticket{record: tail[i].Record, length: len(tail[i].payload), done: make(chan struct{}, 1)}
		t.record.Payload, t.record.Use = [][]byte{tail[i].payload}, UseLast
		tail[i].ticket = t
		j.pending = append(j.pending, t)
	}
	for len(j.pending) > 0 {
		if err := j.commitNext(); err != nil {
			return err
		}
	}
	for i := range tail {
		t := tail[i].ticket
		if t.err != nil {
			return fmt.Errorf("write the last group again: %w", t.err)
		}
		if err := j.opt.Replay(tail[i].item(t.ref)); err != nil {
			return err
		}
	}
	return nil
}

func (k *kept) item(ref Ref) *Item {
	return &Item{
		ID: k.ID, Revision: k.Revision, Type: k.Type, Ref: ref,
		window: &window{size: int64(ref.Offset) + int64(len(k.payload)), at: int64(ref.Offset), buf: k.payload},
	}
}
