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

// errDamaged means that the header of a segment was read, and is none.
var errDamaged = errors.New("the header of the segment is damaged")

// openSegment opens a file of the log. The header is nil if the segment is free;
// errDamaged comes with the segment, every other error without.
func openSegment(fsys safeio.FS, name string) (*segment, *segmentHeader, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("open segment: %w", err)
	}
	s := &segment{name: name, file: f}
	h, err := s.readHeader()
	switch {
	case errors.Is(err, errNoHeader):
		return s, nil, nil
	case errors.Is(err, errDamaged):
		return s, nil, fmt.Errorf("segment %s: %w", name, err)
	case err != nil:
		return nil, nil, errors.Join(fmt.Errorf("read segment %s: %w", name, err), f.Close())
	}
	s.use(h)
	return s, h, nil
}

// readHeader reads the size and the header.
func (s *segment) readHeader() (h *segmentHeader, err error) {
	if s.size, err = s.file.Size(); err != nil {
		return nil, err
	}
	if s.size < blockSize {
		return nil, fmt.Errorf("%w: the file has %d octets", errDamaged, s.size)
	}
	block := make([]byte, blockSize)
	if _, err := s.file.ReadAt(block, 0); err != nil {
		return nil, err
	}
	return decodeSegmentHeader(block)
}
