package smtpwire

import (
	"bytes"
	"errors"
	"io"
)

// ErrBadContent means that content holds a bare CR, a bare LF or a NUL, which no
// peer must ever get from us: it would let content be read as commands.
var ErrBadContent = errors.New("the content holds a bare CR, a bare LF or a NUL")

const (
	// maxPiece is how much content is checked and stuffed in one go.
	maxPiece = 16 << 10
	// writeSize is how much is handed to the connection with one call.
	writeSize = 64 << 10
)

// DotWriter writes content as DATA wants it: dots at the start of a line doubled
// (RFC 5321 §4.5.2), every octet checked before it leaves. After an error it
// writes nothing more, so that the final dot cannot follow a broken content.
type DotWriter struct {
	dst   io.Writer
	out   []byte
	lines lineState
	err   error
}

// lineState is where in a line the content stands between two pieces.
type lineState struct {
	inLine  bool // something of a line was written
	afterCR bool // the last octet was a CR
}

// NewDotWriter writes to dst through buf, whose capacity is how much it gathers for one
// call of Write.
func NewDotWriter(dst io.Writer, buf []byte) *DotWriter {
	return &DotWriter{dst: dst, out: buf[:0]}
}

// Write takes content. It is either a prefix of good content or ErrBadContent;
// nothing of a piece with bad octets leaves.
func (w *DotWriter) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 && w.err == nil {
		piece := p[:min(len(p), maxPiece)]
		if w.err = w.take(piece); w.err != nil {
			break
		}
		written += len(piece)
		p = p[len(piece):]
	}
	return written, w.err
}

// take checks one piece and stuffs it into the buffer.
func (w *DotWriter) take(p []byte) error {
	// A line of "." is three octets and becomes four: nothing grows by more.
	if need := len(p) + len(p)/3 + 2; len(w.out) > 0 && cap(w.out)-len(w.out) < need {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if p[0] == '.' && !w.lines.inLine {
		w.out = append(w.out, '.')
	}
	out, err := stuff(w.out, p, &w.lines)
	if err != nil {
		return err // w.out still ends before this piece
	}
	w.out = out
	return nil
}

// stuff appends p to out, doubling the dot behind each line end in it, and checks
// every octet. It makes few long scans, so that it runs at the speed of memory.
func stuff(out, p []byte, s *lineState) ([]byte, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		return out, ErrBadContent
	}
	// Every LF has its CR (seen below) and there are as many CR as LF: so every CR
	// has its LF as well. A CR at either end of the piece is counted in or out.
	returns := bytes.Count(p, []byte{'\r'})
	if s.afterCR {
		if p[0] != '\n' {
			return out, ErrBadContent
		}
		returns++
	}
	span, pos := 0, 0
	for {
		i := bytes.IndexByte(p[pos:], '\n')
		if i < 0 {
			break
		}
		pos += i
		if (pos == 0 && !s.afterCR) || (pos > 0 && p[pos-1] != '\r') {
			return out, ErrBadContent
		}
		returns--
		if pos++; pos < len(p) && p[pos] == '.' {
			out = append(append(out, p[span:pos]...), '.')
			span = pos
		}
	}
	s.afterCR = p[len(p)-1] == '\r'
	if s.afterCR {
		returns--
	}
	if returns != 0 {
		return out, ErrBadContent
	}
	s.inLine = pos < len(p)
	return append(out, p[span:]...), nil
}

// checkContent reports ErrBadContent for what may not be sent as it is. Content
// that stops after a CR is bad.
func checkContent(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if bytes.IndexByte(p, 0) >= 0 {
		return ErrBadContent
	}
	pairs := 0
	for pos := 0; ; pairs++ {
		i := bytes.IndexByte(p[pos:], '\n')
		if i < 0 {
			break
		}
		if pos += i; pos == 0 || p[pos-1] != '\r' {
			return ErrBadContent
		}
		pos++
	}
	if bytes.Count(p, []byte{'\r'}) != pairs {
		return ErrBadContent
	}
	return nil
}

// readFrom writes all of r; buf is the room to read into.
func (w *DotWriter) readFrom(r io.Reader, buf []byte) (int64, error) {
	var total int64
	for w.err == nil {
		n, err := r.Read(buf)
		total += int64(n)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return total, werr
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			w.err = &sourceError{err}
		}
	}
	return total, w.err
}

// sourceError marks a failure of the content's source: ours, not the peer's.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read the content: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// Complete reports whether what was written so far can be finished: the question
// to ask before the dot is announced to anybody.
func (w *DotWriter) Complete() error {
	if w.err == nil && w.lines.afterCR {
		w.err = ErrBadContent
	}
	return w.err
}

// Finish ends the content: a CR LF if its last line lacks one (RFC 5321
// §4.1.1.4), the final dot, and everything leaves. After any earlier error it
// sends nothing and returns that error.
func (w *DotWriter) Finish() error {
	if err := w.Complete(); err != nil {
		return err
	}
	w.out = w.appendEnd(w.out)
	w.err = w.flush()
	return w.err
}

func (w *DotWriter) appendEnd(out []byte) []byte {
	if w.lines.inLine {
		out = append(out, '\r', '\n')
	}
	return append(out, '.', '\r', '\n')
}

func (w *DotWriter) flush() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.dst.Write(w.out)
	w.out = w.out[:0]
	return err
}
