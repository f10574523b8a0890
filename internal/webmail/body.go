package webmail

import (
	"encoding/base64"
	"errors"
	"io"
	"sync"
)

var (
	errShorter = errors.New("the message is shorter than it was announced")
	errLonger  = errors.New("the message is longer than it was announced")
	errSealed  = errors.New("the request is over")
)

// exact holds a message to its announced size. Its last octets come only after the
// source has said that it is at its end: a message of another length never leaves as
// a whole.
type exact struct {
	source io.Reader
	left   int64
}

func (e *exact) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > e.left {
		p = p[:e.left]
	}
	n, err := e.source.Read(p)
	e.left -= int64(n)
	switch {
	case e.left == 0 && (err == nil || errors.Is(err, io.EOF)):
		if err = e.end(); err != nil {
			return 0, err
		}
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, errShorter
	}
	return n, err
}

func (e *exact) end() error {
	var more [1]byte
	switch n, err := io.ReadFull(e.source, more[:]); {
	case n > 0:
		return errLonger
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// rawChunk is how much is encoded at a time: a multiple of three, so that padding
// stands at the end only.
const rawChunk = 24 << 10

// encoder gives its source in base64 (RFC 4648 §4), in one line.
type encoder struct {
	source io.Reader
	raw    []byte
	text   []byte // encoded
	rest   []byte // of text, not yet given
	err    error
}

func newEncoder(source io.Reader) *encoder {
	return &encoder{
		source: source,
		raw:    make([]byte, rawChunk),
		text:   make([]byte, base64.StdEncoding.EncodedLen(rawChunk)),
	}
}

func (e *encoder) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		if e.fill(); len(e.rest) == 0 {
			return 0, e.err
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *encoder) fill() {
	n, err := io.ReadFull(e.source, e.raw)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		e.err = io.EOF
	case err != nil:
		e.err = err
		if !errors.Is(err, io.EOF) {
			return // what was read with an error is not part of a whole message
		}
	}
	base64.StdEncoding.Encode(e.text, e.raw[:n])
	e.rest = e.text[:base64.StdEncoding.EncodedLen(n)]
}

// upload is the body of a request. It knows at any moment whether the transport has
// all of it: only then can the service have carried the request out.
type upload struct {
	mu     sync.Mutex
	source io.Reader
	left   int64
	begun  bool
	sealed bool
	err    error // of source
}

// Read is called by the transport, from a goroutine of its own. What the source gives
// after the end of the request goes nowhere.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.source.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sealed {
		return 0, errSealed
	}
	u.left -= int64(n)
	u.begun = u.begun || n > 0
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}

// Close is called by the transport when it is done with the body.
func (u *upload) Close() error { return nil }

// seal ends the reading: from now on what the upload knows does not change. The
// transport may go on reading for a moment after it gave up a request, and must not
// send the end of a message that is taken for broken off.
func (u *upload) seal() (begun, whole bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sealed = true
	return u.begun, u.left <= 0, u.err
}
