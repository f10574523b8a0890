package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/relayd/relayd/relay"
)

// codecVersion begins everything that is encoded. A later version reads the earlier
// ones: 2 added the way and the UIDVALIDITY of a Sent copy.
const (
	codecVersion = 2
	codecOldest  = 1
)

// ErrDamaged means that a record or a body does not read as it was written.
var ErrDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHeader is the length and the checksum before the content of a frame.
const frameHeader = 8

// beginFrame leaves room for the header of a frame that endFrame fills in.
func beginFrame(b []byte) (frame []byte, at int) {
	return append(b, make([]byte, frameHeader)...), len(b)
}

func endFrame(b []byte, at int) []byte {
	content := b[at+frameHeader:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(content)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(content, castagnoli))
	return b
}

// frameSize is how long the frame is that begins with b.
func frameSize(b []byte) (int, error) {
	if len(b) < frameHeader {
		return 0, fmt.Errorf("frame of %d octets: %w", len(b), ErrDamaged)
	}
	n := binary.LittleEndian.Uint32(b)
	if n > 1<<30 {
		return 0, fmt.Errorf("frame that says %d octets: %w", n, ErrDamaged)
	}
	return frameHeader + int(n), nil
}

// openFrame gives the content of the frame that b begins with, and what follows it.
func openFrame(b []byte) (content, rest []byte, err error) {
	n, err := frameSize(b)
	if err != nil {
		return nil, nil, err
	}
	if n > len(b) {
		return nil, nil, fmt.Errorf("frame is cut short: %w", ErrDamaged)
	}
	content = b[frameHeader:n]
	if crc32.Checksum(content, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, nil, fmt.Errorf("frame has a wrong checksum: %w", ErrDamaged)
	}
	return content, b[n:], nil
}

// encoder appends values to b. Numbers are varints, texts have their length before
// them.
type encoder struct{ b []byte }

func (e *encoder) byte(v byte)          { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)        { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)          { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) raw(v []byte)         { e.b = append(e.b, v...) }
func (e *encoder) text(v string)        { e.uint(uint64(len(v))); e.b = append(e.b, v...) }
func (e *encoder) uint32(v uint32)      { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) uint64(v uint64)      { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) span(d time.Duration) { e.int(int64(d)) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

// time writes a moment to the nanosecond; the zero time is a zero octet.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.byte(0)
		return
	}
	e.byte(1)
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond()))
}

func (e *encoder) address(a relay.Address) {
	e.text(a.Local)
	e.text(a.Domain)
}

// decoder takes values from b. After the first error every value is zero.
type decoder struct {
	b   []byte
	v   byte // the format version of what is being read
	err error
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s does not read: %w", what, ErrDamaged)
	}
	d.b = nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.fail("value")
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if v := d.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("number")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	if v := d.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if v := d.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// count reads the length of a list of things that take at least one octet each.
func (d *decoder) count() int {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("count")
		return 0
	}
	return int(n)
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("text")
		return ""
	}
	return string(d.take(int(n)))
}

func (d *decoder) bool() bool          { return d.byte() != 0 }
func (d *decoder) span() time.Duration { return time.Duration(d.int()) }

func (d *decoder) time() time.Time {
	if d.byte() == 0 {
		return time.Time{}
	}
	sec, nsec := d.int(), d.uint()
	if nsec > 999_999_999 {
		d.fail("time")
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec)).UTC()
}

func (d *decoder) address() relay.Address {
	return relay.Address{Local: d.text(), Domain: d.text()}
}

// version reads the octet that everything encoded begins with, and remembers it for
// what is read behind it.
func (d *decoder) version() {
	d.v = d.byte()
	if (d.v < codecOldest || d.v > codecVersion) && d.err == nil {
		d.err = fmt.Errorf("format version %d is not known to this program", d.v)
		d.b = nil
	}
}

// end checks that nothing is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("end")
	}
	return d.err
}
