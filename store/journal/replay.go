package journal

import (
	"fmt"
	"io"
)

// replay reads the segments in their order. It returns the last one that holds
// anything, and the records of its last group if that may not be durable.
func (j *Journal) replay(used []*openedSegment) (*segment, []kept, error) {
	var last *segment
	var tail []kept
	for i, s := range used {
		var next *openedSegment
		if i+1 < len(used) {
			next = used[i+1]
		}
		j.missing(last, s)
		own, err := j.replaySegment(s.segment, next)
		if err != nil {
			return nil, nil, err
		}
		if next == nil && s.end == blockSize {
			// Begun, but nothing was ever written, maybe not even the tail of the one
			// before: to be begun anew.
			return last, tail, j.unbegin(s.segment)
		}
		tail = own
		if j.oldest == 0 {
			j.oldest = s.seq
		}
		last = s.segment
	}
	return last, tail, nil
}

// missing reports segments that are not there.
func (j *Journal) missing(last *segment, s *openedSegment) {
	if last != nil && s.seq != last.seq+1 {
		reason := fmt.Sprintf("segments %d to %d are missing", last.seq+1, s.seq-1)
		j.opt.Damaged(Damage{Segment: last.seq + 1, Reason: reason}, eof{})
	}
}

func (j *Journal) unbegin(s *segment) error {
	delete(j.segments, s.seq)
	if err := s.blank(); err != nil {
		return err
	}
	return j.pool.give(s)
}

// replaySegment reads one segment. The header of the next one, if there is one,
// says where it ends.
func (j *Journal) replaySegment(s *segment, next *openedSegment) (tail []kept, err error) {
	var c *scan
	c = newScan(s, func(it *Item) error {
		if c.tailAt > 0 {
			k, err := keep(it)
			if err != nil {
				return err
			}
			tail = append(tail, k)
		}
		return j.opt.Replay(it)
	})
	c.verify = true
	c.damaged = func(from, to int64, reason string) {
		d := Damage{File: s.name, Segment: s.seq, From: from, To: to, Reason: reason}
		j.opt.Damaged(d, io.NewSectionReader(s.file, from, to-from))
	}
	if next != nil && next.seq == s.seq+1 {
		c.limit, c.durable = int64(next.header.prevEnd), int64(next.header.prevDurable)
	}
	if s.end, err = c.run(blockSize); err != nil {
		return nil, fmt.Errorf("replay segment %s: %w", s.name, err)
	}
	s.durable = s.end
	if c.tailAt > 0 {
		s.durable = c.tailAt
	}
	return tail, nil
}

// keep copies a record out of the window.
func keep(it *Item) (kept, error) {
	p, err := it.Payload(-1)
	if err != nil {
		return kept{}, err
	}
	r := Record{ID: it.ID, Revision: it.Revision, Type: it.Type}
	return kept{Record: r, payload: append([]byte(nil), p...)}, nil
}

// eof is an empty reader.
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }
