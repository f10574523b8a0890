package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// scan reads the groups of one segment. What does not read because the disk says so is
// no damage: it may read again later, and the error ends the scan.
type scan struct {
	seg     *segment
	window  window
	limit   int64 // groups begin below this
	durable int64 // what ends at or below this was durable, and must read
	verify  bool  // check the payloads too

	visit   func(*Item) error
	damaged func(from, to int64, reason string)

	serial uint64 // of the last group
	tailAt int64  // where the last group begins, if it may not be durable; else 0
}

func newScan(s *segment, visit func(*Item) error) *scan {
	return &scan{
		seg: s, window: window{r: s.file, size: s.size}, limit: s.size, visit: visit,
		damaged: func(int64, int64, string) {},
	}
}

// report tells of damage, unless nobody can say what stands there.
func (c *scan) report(from, to int64, reason string) {
	if c.window.err == nil {
		c.damaged(from, to, reason)
	}
}

// run reads the groups from off on and returns where they end.
func (c *scan) run(off int64) (int64, error) {
	for off+blockSize <= c.limit {
		next, err := c.step(off)
		if err != nil || next == off {
			return off, err
		}
		off = next
	}
	return off, nil
}

// step reads the group at off and returns where to go on; off itself means that the
// log ends here. After a failure to read it goes nowhere.
func (c *scan) step(off int64) (int64, error) {
	next, err := c.pass(off)
	if err = errors.Join(err, c.window.err); err != nil {
		return off, err
	}
	return next, nil
}

func (c *scan) pass(off int64) (int64, error) {
	g, ok := c.group(off)
	if !ok {
		return c.skip(off), nil
	}
	end := off + int64(g.size)
	if end > c.durable && !c.followed(end, g.serial) {
		if !c.complete(off, g) {
			return off, nil // the torn tail of a crash: nobody was told that it is kept
		}
		c.tailAt = off
	}
	if err := c.records(off, g); err != nil {
		return off, err
	}
	c.serial = g.serial
	return end, nil
}

// skip sets aside what stands between off, where no group begins, and the next
// group. Without one, it is damage as far as the log was durable.
func (c *scan) skip(off int64) int64 {
	next := c.find(off+blockSize, c.serial)
	if next < 0 {
		next = max(off, c.durable)
	}
	if next > off {
		c.report(off, next, "no group begins where one should")
	}
	return next
}

// group reads the header of the group at off. Serials grow: an older one is what a
// failed write left.
func (c *scan) group(off int64) (groupHeader, bool) {
	b, err := c.window.get(off, groupHeaderSize)
	if err != nil {
		return groupHeader{}, false
	}
	g, ok := decodeGroupHeader(b, c.seg, off)
	return g, ok && g.serial > c.serial && off+int64(g.size) <= c.seg.size
}

// find gives the next group at or after off that was written after the group of
// serial after, or -1.
func (c *scan) find(off int64, after uint64) int64 {
	for ; off+blockSize <= c.limit; off += blockSize {
		if g, ok := c.group(off); ok && g.serial > after {
			return off
		}
	}
	return -1
}

// followed reports whether a group behind end says that all before it was durable.
func (c *scan) followed(end int64, serial uint64) bool {
	next := c.find(end, serial)
	if next < 0 {
		return false
	}
	g, _ := c.group(next)
	return int64(g.durable) >= end
}

// complete reports whether the whole group reads.
func (c *scan) complete(off int64, g groupHeader) bool {
	end := off + int64(g.size)
	b, err := c.window.get(end-groupTrailer, groupTrailer)
	if err != nil || binary.LittleEndian.Uint64(b) != g.trailer(c.seg, off) {
		return false
	}
	at, used := off+groupHeaderSize, off+int64(g.used)
	for n := uint32(0); n < g.count; n++ {
		h, ok := c.header(at, g.serial, used)
		if !ok || !c.intact(at, &h) {
			return false
		}
		at += int64(recordSize(int(h.length)))
	}
	return at == used
}

// records visits the records of a group. One that does not read is skipped, up to
// the next that does.
func (c *scan) records(off int64, g groupHeader) error {
	at, end := off+groupHeaderSize, off+int64(g.used)
	bad := int64(-1)
	for at < end {
		h, ok := c.header(at, g.serial, end)
		if !ok {
			if bad < 0 {
				bad = at
			}
			at += recordAlign
			continue
		}
		if bad >= 0 {
			c.report(bad, at, "the header of a record does not read")
			bad = -1
		}
		next := at + int64(recordSize(int(h.length)))
		if c.verify && !c.intact(at, &h) {
			c.report(at, next, "the checksum of a record is wrong")
		} else if err := c.visit(c.item(at, &h)); err != nil {
			return err
		}
		at = next
	}
	if bad >= 0 {
		c.report(bad, end, "the header of a record does not read")
	}
	return nil
}

func (c *scan) header(at int64, serial uint64, end int64) (header, bool) {
	if at+recordHeader > end {
		return header{}, false
	}
	b, err := c.window.get(at, recordHeader)
	if err != nil {
		return header{}, false
	}
	h, ok := decodeHeader(b, c.seg, serial, at)
	return h, ok && at+int64(recordSize(int(h.length))) <= end
}

func (c *scan) intact(at int64, h *header) bool {
	b, err := c.window.get(at+recordHeader, int(h.length))
	return err == nil && crc32.Update(c.seg.seed, castagnoli, b) == h.sum
}

func (c *scan) item(at int64, h *header) *Item {
	return &Item{
		ID: h.id, Revision: h.revision, Type: h.kind, window: &c.window,
		Ref: Ref{Segment: c.seg.seq, Offset: uint32(at + recordHeader), Length: h.length},
	}
}
