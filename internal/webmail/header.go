package webmail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// field is one header field, byte for byte, with its folding and final CR LF.
type field struct {
	raw  []byte
	head int // length of the name
}

func (f field) name() string { return string(f.raw[:f.head]) }

func (f field) is(name string) bool { return strings.EqualFold(string(f.raw[:f.head]), name) }

func (f field) hasPrefix(prefix string) bool {
	return f.head >= len(prefix) && strings.EqualFold(string(f.raw[:len(prefix)]), prefix)
}

// value is what stands behind the colon, unfolded (RFC 5322 §2.2.3).
func (f field) value() string {
	_, value, _ := bytes.Cut(f.raw, []byte(":"))
	return string(bytes.ReplaceAll(bytes.TrimSuffix(value, []byte("\r\n")), []byte("\r\n"), nil))
}

// readHeader takes the header block, without the empty line behind it.
func readHeader(r io.Reader) ([]byte, error) {
	var block bytes.Buffer
	chunk := make([]byte, 8<<10)
	for {
		n, err := r.Read(chunk)
		from := max(block.Len()-3, 0)
		block.Write(chunk[:n])
		switch at := bytes.Index(block.Bytes()[from:], []byte("\r\n\r\n")); {
		case bytes.HasPrefix(block.Bytes(), []byte("\r\n")):
			return nil, nil // there is no field at all
		case at >= 0 && from+at <= maxHeader:
			return block.Bytes()[:from+at+2], nil
		case block.Len() > maxHeader:
			return nil, fmt.Errorf("%w: it is larger than %d octets", ErrHeader, maxHeader)
		case errors.Is(err, io.EOF):
			return block.Bytes(), nil // there is no body
		case err != nil:
			return nil, fmt.Errorf("read the header: %w", err)
		}
	}
}

// splitHeader cuts a block into fields. What programs read in different ways is
// refused: in one of them it could name somebody else.
func splitHeader(block []byte) ([]field, error) {
	var fields []field
	for len(block) > 0 {
		end := fieldEnd(block)
		if end == 0 {
			return nil, fmt.Errorf("%w: a line has no CR LF at its end", ErrHeader)
		}
		raw := block[:end]
		block = block[end:]
		if bytes.ContainsRune(raw, 0) || strayLineEnd(raw) {
			return nil, fmt.Errorf("%w: it holds a bare CR, a bare LF or a NUL", ErrHeader)
		}
		if blankLine(raw) { // RFC 5322 §3.2.2: some take it for the end of the header
			return nil, fmt.Errorf("%w: a folded line is blank", ErrHeader)
		}
		colon := bytes.IndexByte(raw, ':')
		if colon < 0 {
			return nil, fmt.Errorf("%w: a line is no field", ErrHeader)
		}
		name := bytes.TrimRight(raw[:colon], " \t") // RFC 5322 §4.5 allows spaces there
		if len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, fmt.Errorf("%w: a field has no proper name", ErrHeader)
		}
		fields = append(fields, field{raw: raw, head: len(name)})
	}
	return fields, nil
}

// fieldEnd is where the first field ends, with the lines that it is folded into; 0 if
// the block ends before it does.
func fieldEnd(block []byte) int {
	for end := 0; ; {
		i := bytes.Index(block[end:], []byte("\r\n"))
		if i < 0 {
			return 0
		}
		end += i + len("\r\n")
		if end == len(block) || block[end] != ' ' && block[end] != '\t' {
			return end
		}
	}
}

// strayLineEnd finds a CR or LF that is not part of a CR LF.
func strayLineEnd(raw []byte) bool {
	pairs := bytes.Count(raw, []byte("\r\n"))
	return bytes.Count(raw, []byte("\r")) != pairs || bytes.Count(raw, []byte("\n")) != pairs
}

// blankLine finds a line that is nothing but spaces.
func blankLine(raw []byte) bool {
	for line := range bytes.SplitSeq(bytes.TrimSuffix(raw, []byte("\r\n")), []byte("\r\n")) {
		if len(bytes.Trim(line, " \t")) == 0 {
			return true
		}
	}
	return false
}
