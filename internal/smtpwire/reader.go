package smtpwire

import (
	"bytes"
	"errors"
	"io"
)

// The errors of reading lines.
var (
	// ErrLineTooLong means that a line is longer than the limit. Nothing of it was
	// taken: the stream is out of step and can only be closed.
	ErrLineTooLong = errors.New("the line is too long")
	// ErrBareLineEnd means that a line holds a CR that no LF follows, or ends in an
	// LF without CR (RFC 5321 §2.3.8).
	ErrBareLineEnd = errors.New("a line end is not CR LF")
)

// smallestBuffer keeps a Reader useful whatever size it was asked for.
const smallestBuffer = 64

// Reader reads SMTP lines strictly: CR LF, together and nothing else, ends a
// line, wherever the network cut the stream. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	buf    []byte
	start  int // first octet that was not yet given out
	end    int // end of what was read
	srcErr error
}

// NewReader reads from src through a buffer of the size given. The buffer grows
// only when ReadLine is called with a limit that does not fit.
func NewReader(src io.Reader, size int) *Reader {
	return &Reader{src: src, buf: make([]byte, max(size, smallestBuffer))}
}

// Buffered tells how many octets were read from the source and not given out.
func (r *Reader) Buffered() int { return r.end - r.start }

// ReadLine gives the next line without its CR LF; limit is how long it may be,
// in octets without CR LF. The line is valid until the next call.
//
// ErrLineTooLong is final. After ErrBareLineEnd the reader stands behind the
// line's LF; the line comes with the error if it ended in CR LF and had a CR
// inside, and is nil if its LF had no CR. At the end of the source the error
// is io.EOF between lines and io.ErrUnexpectedEOF inside one.
func (r *Reader) ReadLine(limit int) ([]byte, error) {
	scanned := 0
	for {
		window := r.buf[r.start:r.end]
		if i := bytes.IndexByte(window[scanned:], '\n'); i >= 0 {
			return r.takeLine(window[:scanned+i+1], limit)
		}
		if scanned = len(window); scanned >= limit+2 {
			return nil, ErrLineTooLong
		}
		if scanned == len(r.buf) {
			r.reserve(min(2*scanned, limit+2))
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && r.Buffered() > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// takeLine judges raw, which ends in LF, and steps behind it.
func (r *Reader) takeLine(raw []byte, limit int) ([]byte, error) {
	if len(raw) > limit+2 {
		return nil, ErrLineTooLong
	}
	r.start += len(raw)
	end := len(raw) - 2
	if end < 0 || raw[end] != '\r' {
		return nil, ErrBareLineEnd
	}
	if line := raw[:end]; bytes.IndexByte(line, '\r') < 0 {
		return line, nil
	}
	return raw[:end], ErrBareLineEnd
}

// Read gives what is buffered, and else reads from the source; into p itself, if
// that is larger than the buffer.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if r.Buffered() == 0 && r.srcErr == nil && len(p) >= len(r.buf) {
		n, err := r.src.Read(p)
		r.srcErr = err
		if n > 0 {
			err = nil
		}
		return n, err
	}
	if r.Buffered() == 0 {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.buf[r.start:r.end])
	r.start += n
	return n, nil
}

// fill reads from the source once more, at least one octet. There is room for it
// whenever the caller has looked at less than the whole buffer.
func (r *Reader) fill() error {
	if r.srcErr != nil {
		return r.srcErr
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.srcErr = err
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// maxEmptyReads is how often a source may give nothing without an error, as in
// package bufio.
const maxEmptyReads = 100

// reserve makes the buffer at least size octets large.
func (r *Reader) reserve(size int) {
	if size > len(r.buf) {
		r.useBuffer(make([]byte, size))
	}
}

// useBuffer goes on with another buffer and gives back the old one, or gives
// buf back unused if it cannot hold what is buffered.
func (r *Reader) useBuffer(buf []byte) []byte {
	if len(buf) < r.Buffered() {
		return buf
	}
	n := copy(buf, r.buf[r.start:r.end])
	old := r.buf
	r.buf, r.start, r.end = buf, 0, n
	return old
}
