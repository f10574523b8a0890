package embedded

import "github.com/relayd/relayd/relay"

// The types of record in the journal. The numbers are part of the format.
const (
	recordAccepted     = 1 // head, then the body unless it lies in a file
	recordState        = 2 // state, event
	recordRetired      = 3 // the same; the message is done
	recordRelocated    = 4 // as accepted, with the state at that time
	recordAcknowledged = 5 // empty: the client saw the 250
	recordKey          = 6 // a submission key that still waits for its 250
)

// prefixSize is how much of a head can be read without its message: the header of
// the frame, version, flags, moment, size and checksum of the body, submission key.
const prefixSize = frameHeader + 2 + 8 + 8 + 4 + 32

// head is the first part of an accepted or relocated record.
type head struct {
	prefix
	message *relay.Message
	state   *relay.State // nil in an accepted record
}

// prefix is what the queue keeps in memory of a head.
type prefix struct {
	at     int64 // when it was put, in Unix nanoseconds
	size   int64 // octets of the body
	sum    uint32
	inFile bool
	keyed  bool
	key    relay.SubmissionKey
}

const (
	headInFile = 1 << iota
	headKeyed
	headState
)

// encodeHead gives the head as one frame.
func encodeHead(b []byte, h *head) []byte {
	b, at := beginFrame(b)
	e := encoder{b: b}
	e.byte(codecVersion)
	var flags byte
	if h.inFile {
		flags |= headInFile
	}
	if h.keyed {
		flags |= headKeyed
	}
	if h.state != nil {
		flags |= headState
	}
	e.byte(flags)
	e.uint64(uint64(h.at))
	e.uint64(uint64(h.size))
	e.uint32(h.sum)
	e.raw(h.key[:])
	e.message(h.message)
	if h.state != nil {
		e.state(h.state)
	}
	return endFrame(e.b, at)
}

func (d *decoder) prefix() (p prefix, flags byte) {
	d.version()
	flags = d.byte()
	p.inFile, p.keyed = flags&headInFile != 0, flags&headKeyed != 0
	p.at = int64(d.uint64())
	p.size = int64(d.uint64())
	p.sum = d.uint32()
	copy(p.key[:], d.take(len(p.key)))
	if p.size < 0 {
		d.fail("size")
	}
	return p, flags
}

// decodePrefix reads the first prefixSize octets of a head, whose checksum the
// journal has verified.
func decodePrefix(b []byte) (prefix, error) {
	d := decoder{b: b}
	d.take(frameHeader)
	p, _ := d.prefix()
	return p, d.err
}

func decodeHead(frame []byte) (*head, error) {
	content, _, err := openFrame(frame)
	if err != nil {
		return nil, err
	}
	d := decoder{b: content}
	h := &head{}
	var flags byte
	h.prefix, flags = d.prefix()
	h.message = d.message()
	if flags&headState != 0 {
		h.state = d.state()
	}
	return h, d.end()
}

// encodeChange gives a state and the event that led to it, as two frames.
func encodeChange(b []byte, s *relay.State, v *relay.Event) []byte {
	b, at := beginFrame(b)
	e := encoder{b: b}
	e.state(s)
	b, at2 := beginFrame(endFrame(e.b, at))
	e = encoder{b: b}
	e.event(v)
	return endFrame(e.b, at2)
}

func decodeState(frame []byte) (s *relay.State, rest []byte, err error) {
	content, rest, err := openFrame(frame)
	if err != nil {
		return nil, nil, err
	}
	d := decoder{b: content}
	s = d.state()
	return s, rest, d.end()
}

func decodeEvent(frame []byte) (relay.Event, error) {
	content, _, err := openFrame(frame)
	if err != nil {
		return relay.Event{}, err
	}
	d := decoder{b: content}
	v := d.event()
	return v, d.end()
}

func decodeChange(b []byte) (*relay.State, relay.Event, error) {
	s, rest, err := decodeState(b)
	if err != nil {
		return nil, relay.Event{}, err
	}
	v, err := decodeEvent(rest)
	return s, v, err
}

// encodeKey gives the payload of a recordKey.
func encodeKey(at int64, key relay.SubmissionKey) []byte {
	e := encoder{}
	e.byte(codecVersion)
	e.uint64(uint64(at))
	e.raw(key[:])
	return e.b
}

func decodeKey(b []byte) (at int64, key relay.SubmissionKey, err error) {
	d := decoder{b: b}
	d.version()
	at = int64(d.uint64())
	copy(key[:], d.take(len(key)))
	return at, key, d.end()
}
