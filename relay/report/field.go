package report

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lengths of lines in octets, without their end (RFC 5322 §2.1.1).
const (
	niceLine = 78
	maxLine  = 900 // the limit is 998; the name and the folding need some
)

// fieldWriter writes header fields and fields of the same form. Whatever a value
// holds, it makes exactly one field: no line end, no control character gets through.
type fieldWriter struct {
	buf  bytes.Buffer
	utf8 bool // 8-bit text may stand as it is (RFC 6532, RFC 6533)
}

func (w *fieldWriter) field(name, value string) {
	line := len(name) + 1
	w.buf.WriteString(name + ":")
	for word := range strings.SplitSeq(strings.TrimSpace(w.clean(value)), " ") {
		for _, part := range chop(word) {
			// Never a line of spaces only: it would read as the end of the header.
			if part != "" && line > len(name)+1 && line+1+len(part) > niceLine {
				w.buf.WriteString("\r\n")
				line = 0
			}
			w.buf.WriteString(" " + part)
			line += 1 + len(part)
		}
	}
	w.end()
}

// end ends a line: after the last field of a group, the group.
func (w *fieldWriter) end() { w.buf.WriteString("\r\n") }

// clean leaves printable text; in a 7-bit part other characters are written as RFC
// 6533 §3 writes them in addresses. Spaces stay as they are: inside the quotes of
// a local part they count.
func (w *fieldWriter) clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if w.utf8 || isASCII([]byte(s)) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && r != '\\' {
			b.WriteRune(r)
			continue
		}
		fmt.Fprintf(&b, `\x{%X}`, r)
	}
	return b.String()
}

// chop cuts a word that no line can hold, between characters.
func chop(word string) []string {
	var parts []string
	for len(word) > maxLine {
		at := maxLine
		for at > 0 && !utf8.RuneStart(word[at]) {
			at--
		}
		parts, word = append(parts, word[:at]), word[at:]
	}
	return append(parts, word)
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isPrintableASCII(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// isAtom reports whether s is a word that needs no quoting in these fields.
func isAtom(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;:\"`, r) }) < 0
}

// isMessageID reports whether a Message-ID can be quoted in References.
func isMessageID(id string) bool {
	return len(id) > 2 && len(id) < maxLine && id[0] == '<' && strings.IndexByte(id, '>') == len(id)-1 &&
		isPrintableASCII(id) && !strings.Contains(id, " ") && strings.LastIndexByte(id, '<') == 0
}
