package journal

import (
	"errors"
	"fmt"

	"github.com/relayd/relayd/internal/safeio"
)

// segment is one file of the log. The numbers never change while the segment is in
// use; what changes is guarded by Journal.mu.
type segment struct {
	name       string
	file       safeio.File
	size       int64
	seq        uint64 // 0 while it is in nobody's use
	generation generation
	seed       uint32

	end      int64 // behind the last durable group
	durable  int64 // known to be durable up to here; less than end only after a crash
	pins     int   // readers of its bytes
	released bool  // the log is done with it; the last reader closes it
}

// begin gives the segment its place in the log and its generation. Its header
// becomes durable with its first group.
func (s *segment) begin(seq uint64, prev *segment) error {
	h := segmentHeader{seq: seq, generation: newGeneration()}
	if prev != nil {
		h.prevEnd, h.prevDurable = uint32(prev.end), uint32(prev.durable)
	}
	if _, err := s.file.WriteAt(h.encode(), 0); err != nil {
		return fmt.Errorf("begin segment %s: %w", s.name, err)
	}
	s.use(&h)
	s.end, s.durable = blockSize, blockSize
	return nil
}

func (s *segment) use(h *segmentHeader) {
	s.seq, s.generation, s.seed = h.seq, h.generation, seed(h.generation, h.seq)
}

// blank takes the segment out of the log, durably.
func (s *segment) blank() error {
	if _, err := s.file.WriteAt(make([]byte, blockSize), 0); err != nil {
		return fmt.Errorf("blank segment %s: %w", s.name, err)
	}
	if err := s.file.Sync(); err != nil {
		return &safeio.FlushError{Name: s.name, Err: err}
	}
	s.seq = 0
	return nil
}

// openSegment opens a file of the log. The header is nil if the segment is free; an
// error of errDamaged kind comes with the segment.
func openSegment(fsys safeio.FS, name string) (*segment, *segmentHeader, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("open segment: %w", err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open segment %s: %w", name, err), f.Close())
	}
	s := &segment{name: name, file: f, size: size}
	block := make([]byte, blockSize)
	if _, err := f.ReadAt(block, 0); err != nil {
		return s, nil, fmt.Errorf("read header of segment %s: %w", name, err)
	}
	h, err := decodeSegmentHeader(block)
	if errors.Is(err, errNoHeader) {
		return s, nil, nil
	}
	if err != nil {
		return s, nil, fmt.Errorf("segment %s: %w", name, err)
	}
	s.use(h)
	return s, h, nil
}
