package accept

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/relayd/relayd/relay"
)

// firstBuffer is the size of a header buffer before it grows: most header blocks
// fit.
const firstBuffer = 16 << 10

func newBuffer() any {
	b := make([]byte, 0, firstBuffer)
	return &b
}

// header is the header block of a message, cut into fields. It lives in a buffer
// that is used again when the message is spooled.
type header struct {
	raw    []byte  // everything that was read: the block, the empty line, the start of the body
	fields []field // in their order
	end    int     // where the block ends in raw
	body   int     // where the body begins in raw; equal to end if the empty line is missing
	eof    bool    // content is at its end
}

// field is one header field, byte for byte, with its folding.
type field struct {
	raw  []byte // with the final CR LF
	name int    // length of the name; the colon follows at once
}

func (f field) value() []byte { return f.raw[f.name+1 : len(f.raw)-2] }

// is compares the name without regard to case (RFC 5322 §1.2.2).
func (f field) is(name string) bool {
	return f.name == len(name) && bytes.EqualFold(f.raw[:f.name], []byte(name))
}

// unfolded is the value without its folding and without spaces around it
// (RFC 5322 §2.2.3).
func (f field) unfolded() string {
	return string(bytes.TrimSpace(bytes.ReplaceAll(f.value(), []byte("\r\n"), nil)))
}

// all gives the fields of a name, in order.
func (h *header) all(name string) (found []field) {
	for _, f := range h.fields {
		if f.is(name) {
			found = append(found, f)
		}
	}
	return found
}

// count tells how many fields have the name.
func (h *header) count(name string) (n int) {
	for _, f := range h.fields {
		if f.is(name) {
			n++
		}
	}
	return n
}

// messageID is the client's Message-ID with its brackets; empty if there is none.
func (h *header) messageID() string {
	for _, f := range h.fields {
		if f.is("Message-ID") {
			return f.unfolded()
		}
	}
	return ""
}

// readHeader reads content up to the end of the header block, and perhaps some of
// the body with it.
func (a *Acceptor) readHeader(buffer *[]byte, content io.Reader) (*header, error) {
	h := &header{raw: (*buffer)[:0]}
	scan := scanner{limits: a.Options}
	for !scan.done {
		if err := h.fill(content); err != nil {
			return nil, err
		}
		if err := scan.lines(h.raw, h.eof); err != nil {
			return nil, err
		}
		*buffer = h.raw
		if h.eof {
			break
		}
	}
	h.end, h.body = scan.end, scan.pos
	if h.eof && !scan.done {
		h.end, h.body = len(h.raw), len(h.raw)
	}
	h.fields = scan.fields(h.raw[:h.end])
	return h, nil
}

// fill reads once and notes the end of content.
func (h *header) fill(content io.Reader) error {
	h.raw = slices.Grow(h.raw, firstBuffer/4)
	n, err := content.Read(h.raw[len(h.raw):cap(h.raw)])
	h.raw = h.raw[:len(h.raw)+n]
	if errors.Is(err, io.EOF) {
		h.eof = true
		return nil
	}
	return err
}

// scanner walks over the lines of a header block while it is being read. It takes
// nothing that two parsers could read differently: no space before the colon, no
// line of spaces only, no bare CR or LF, no control character.
type scanner struct {
	limits Options
	pos    int   // the first octet that was not looked at
	end    int   // where the block ends
	starts []int // where each field begins
	names  []int // how long its name is
	done   bool  // the empty line was found
}

// lines takes every complete line of raw after pos.
func (s *scanner) lines(raw []byte, eof bool) error {
	for !s.done {
		n := bytes.IndexByte(raw[s.pos:], '\n')
		if n < 0 {
			return s.rest(raw[s.pos:], eof)
		}
		line := raw[s.pos : s.pos+n]
		if len(line) == 0 || line[len(line)-1] != '\r' {
			return errBareLineEnd()
		}
		if err := s.line(line[:len(line)-1]); err != nil {
			return err
		}
		s.pos += n + 1
	}
	return nil
}

// rest judges what has no line end yet.
func (s *scanner) rest(rest []byte, eof bool) error {
	switch {
	case s.pos+len(rest) > s.limits.MaxHeaderBytes:
		return errHeaderTooLarge(s.limits.MaxHeaderBytes)
	case len(rest) > s.limits.MaxHeaderLine+1: // a CR may stand at its end already
		return errLineTooLong(s.limits.MaxHeaderLine)
	case eof && len(rest) > 0:
		return errCutOff()
	}
	return nil
}

// line takes one line without its CR LF.
func (s *scanner) line(line []byte) error {
	switch {
	case len(line) == 0:
		s.end, s.done = s.pos, true
		return nil
	case s.pos+len(line)+2 > s.limits.MaxHeaderBytes:
		return errHeaderTooLarge(s.limits.MaxHeaderBytes)
	case len(line) > s.limits.MaxHeaderLine:
		return errLineTooLong(s.limits.MaxHeaderLine)
	}
	if err := checkOctets(line); err != nil {
		return err
	}
	if line[0] == ' ' || line[0] == '\t' {
		return s.continuation(line)
	}
	name := nameLength(line)
	if name == 0 {
		return errMalformedLine()
	}
	if len(s.starts) >= s.limits.MaxHeaderFields {
		return errTooManyFields(s.limits.MaxHeaderFields)
	}
	s.starts, s.names = append(s.starts, s.pos), append(s.names, name)
	return nil
}

// continuation refuses a folded line that has no field before it, and one of spaces
// only, which some parsers take for the end of the header.
func (s *scanner) continuation(line []byte) error {
	if len(s.starts) == 0 || len(bytes.Trim(line, " \t")) == 0 {
		return errMalformedLine()
	}
	return nil
}

func (s *scanner) fields(block []byte) []field {
	fields := make([]field, len(s.starts))
	for i, start := range s.starts {
		end := len(block)
		if i+1 < len(s.starts) {
			end = s.starts[i+1]
		}
		fields[i] = field{raw: block[start:end:end], name: s.names[i]}
	}
	return fields
}

// nameLength gives the length of a field name with a colon directly behind it, or 0
// (RFC 5322 §3.6.8: ftext is %d33-57 / %d59-126).
func nameLength(line []byte) int {
	for i, c := range line {
		if c == ':' {
			return i
		}
		if c < '!' || c > '~' {
			return 0
		}
	}
	return 0
}

// checkOctets refuses CR, NUL and the other controls. Octets of 8 bits pass: where
// they stand in a name or address the field's own check decides (RFC 6532 §3.2).
func checkOctets(line []byte) error {
	for _, c := range line {
		switch {
		case c == '\r' || c == 0:
			return errBareLineEnd()
		case c < ' ' && c != '\t', c == 0x7f:
			return errControl()
		}
	}
	return nil
}

// checkSingle refuses a second field of those that may stand only once (RFC 5322
// §3.6): readers show one of them and signatures cover another, and the large
// providers refuse such messages. From is judged on its own.
func (h *header) checkSingle() *relay.Error {
	for _, name := range []string{"Sender", "Reply-To", "To", "Cc", "Message-ID", "In-Reply-To", "References", "Subject", "Date"} {
		if h.count(name) > 1 {
			return errTwice(name)
		}
	}
	return nil
}
