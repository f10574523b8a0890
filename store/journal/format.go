package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The layout, all numbers little-endian:
//
//	segment  header block, then groups, each at a block of its own
//	header   the same 64 octets twice, in two sectors of the first block
//	group    header, records, zeros up to the trailer in the last octets of its last block
//	record   header, payload, zeros up to a multiple of 8
const (
	formatVersion = 1

	blockSize       = 4096
	headerSize      = 64
	headerCopy      = 2048 // where the second copy of the segment header lies
	groupHeaderSize = 64
	groupTrailer    = 8
	recordHeader    = 56
	recordAlign     = 8

	groupOverhead = groupHeaderSize + groupTrailer
)

const (
	segmentMagic = "relayjnl"
	groupMagic   = 0x50524a52
	endMagic     = 0x444e454a
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errVersion means that a newer relayd wrote the segment.
var errVersion = errors.New("the journal has a format version that this program does not know")

// generation is what one use of a segment has that no other has, and nobody outside
// can know.
type generation [16]byte

func newGeneration() (g generation) {
	rand.Read(g[:]) //nolint:errcheck // never fails since Go 1.24
	return g
}

// seed is the start of every checksum in a segment: its generation and its number.
func seed(g generation, seq uint64) uint32 {
	var b [24]byte
	copy(b[:], g[:])
	binary.LittleEndian.PutUint64(b[16:], seq)
	return crc32.Update(0, castagnoli, b[:])
}

// segmentHeader is the first thing in a segment.
type segmentHeader struct {
	seq        uint64
	generation generation
	// prevEnd is where the groups of the segment before end; up to prevDurable they
	// were durable when this segment began.
	prevEnd, prevDurable uint32
}

func (h *segmentHeader) encode() []byte {
	block := make([]byte, blockSize)
	b := block[:headerSize]
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	copy(b[24:], h.generation[:])
	binary.LittleEndian.PutUint32(b[40:], h.prevEnd)
	binary.LittleEndian.PutUint32(b[44:], h.prevDurable)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	copy(block[headerCopy:], b)
	return block
}

// errNoHeader means that a segment is in nobody's use: its header is all zeros.
var errNoHeader = errors.New("no header")

// decodeSegmentHeader takes whichever copy is whole.
func decodeSegmentHeader(block []byte) (*segmentHeader, error) {
	h, err := decodeHeaderCopy(block[:headerSize])
	if err == nil || errors.Is(err, errVersion) {
		return h, err
	}
	other, errOther := decodeHeaderCopy(block[headerCopy : headerCopy+headerSize])
	if errOther == nil || errors.Is(errOther, errVersion) {
		return other, errOther
	}
	if errors.Is(err, errNoHeader) && !errors.Is(errOther, errNoHeader) {
		err = errOther
	}
	return nil, err
}

func decodeHeaderCopy(b []byte) (*segmentHeader, error) {
	if bytes.Equal(b, make([]byte, headerSize)) {
		return nil, errNoHeader
	}
	if string(b[:8]) != segmentMagic || crc32.Checksum(b[:60], castagnoli) != binary.LittleEndian.Uint32(b[60:]) {
		return nil, errDamaged
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return nil, fmt.Errorf("%w: %d", errVersion, v)
	}
	h := &segmentHeader{seq: binary.LittleEndian.Uint64(b[16:])}
	copy(h.generation[:], b[24:40])
	h.prevEnd = binary.LittleEndian.Uint32(b[40:])
	h.prevDurable = binary.LittleEndian.Uint32(b[44:])
	return h, nil
}

// groupHeader begins a group. Its serial counts the groups that were tried in this
// use of the segment, so that the remains of a write that failed cannot stand in
// for parts of the group that took its place.
type groupHeader struct {
	size    uint32 // octets, with header, trailer and zeros
	serial  uint64
	count   uint32 // records
	durable uint32 // up to here the segment was durable when the group was written
	used    uint32 // octets up to the end of the last record
}

func (g *groupHeader) encode(b []byte, s *segment, off int64) {
	binary.LittleEndian.PutUint32(b, groupMagic)
	binary.LittleEndian.PutUint32(b[4:], g.size)
	copy(b[8:], s.generation[:])
	binary.LittleEndian.PutUint64(b[24:], s.seq)
	binary.LittleEndian.PutUint64(b[32:], g.serial)
	binary.LittleEndian.PutUint32(b[40:], g.count)
	binary.LittleEndian.PutUint32(b[44:], g.durable)
	binary.LittleEndian.PutUint32(b[48:], g.used)
	binary.LittleEndian.PutUint32(b[52:], 0)
	binary.LittleEndian.PutUint32(b[56:], 0)
	binary.LittleEndian.PutUint32(b[60:], placed(s.seed, g.serial, off, b[:60]))
}

// decodeGroupHeader reports whether b begins a group of segment s at off.
func decodeGroupHeader(b []byte, s *segment, off int64) (groupHeader, bool) {
	g := groupHeader{
		size:    binary.LittleEndian.Uint32(b[4:]),
		serial:  binary.LittleEndian.Uint64(b[32:]),
		count:   binary.LittleEndian.Uint32(b[40:]),
		durable: binary.LittleEndian.Uint32(b[44:]),
		used:    binary.LittleEndian.Uint32(b[48:]),
	}
	ok := binary.LittleEndian.Uint32(b) == groupMagic &&
		bytes.Equal(b[8:24], s.generation[:]) &&
		binary.LittleEndian.Uint64(b[24:]) == s.seq &&
		binary.LittleEndian.Uint32(b[60:]) == placed(s.seed, g.serial, off, b[:60]) &&
		g.size%blockSize == 0 && g.size > 0 && g.used+groupTrailer <= g.size
	return g, ok
}

// trailer is the last thing in a group: without it the write was cut short.
func (g *groupHeader) trailer(s *segment, off int64) uint64 {
	return uint64(placed(s.seed, g.serial, off, []byte("end")))<<32 | endMagic
}

// header of one record.
type header struct {
	id       [16]byte
	revision uint64
	length   uint32
	kind     byte
	sum      uint32 // of the payload
}

func (h *header) encode(b []byte, s *segment, serial uint64, off int64) {
	copy(b, s.generation[:])
	copy(b[16:], h.id[:])
	binary.LittleEndian.PutUint64(b[32:], h.revision)
	binary.LittleEndian.PutUint32(b[40:], h.length)
	b[44], b[45], b[46], b[47] = h.kind, 0, 0, 0
	binary.LittleEndian.PutUint32(b[48:], h.sum)
	binary.LittleEndian.PutUint32(b[52:], placed(s.seed, serial, off, b[:52]))
}

// decodeHeader reports whether b begins a record of the group serial of segment s
// at off.
func decodeHeader(b []byte, s *segment, serial uint64, off int64) (header, bool) {
	var h header
	if !bytes.Equal(b[:16], s.generation[:]) {
		return h, false
	}
	copy(h.id[:], b[16:])
	h.revision = binary.LittleEndian.Uint64(b[32:])
	h.length = binary.LittleEndian.Uint32(b[40:])
	h.kind = b[44]
	h.sum = binary.LittleEndian.Uint32(b[48:])
	return h, binary.LittleEndian.Uint32(b[52:]) == placed(s.seed, serial, off, b[:52])
}

// placed is the checksum of something that is right only in one place of one group.
func placed(seed uint32, serial uint64, off int64, b []byte) uint32 {
	var place [16]byte
	binary.LittleEndian.PutUint64(place[:], serial)
	binary.LittleEndian.PutUint64(place[8:], uint64(off))
	return crc32.Update(crc32.Update(seed, castagnoli, place[:]), castagnoli, b)
}

// recordSize is what a record with a payload of n octets takes.
func recordSize(n int) int {
	return (recordHeader + n + recordAlign - 1) / recordAlign * recordAlign
}

// groupSize is what a group with n octets of records takes.
func groupSize(n int) int {
	return (n + groupOverhead + blockSize - 1) / blockSize * blockSize
}
