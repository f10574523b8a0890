package report

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/relayd/relayd/relay"
)

// original is what of the message goes back.
type original struct {
	content []byte // the header, or all of the message
	whole   bool
	subject string // decoded, for the words
}

// returned reads what goes back: the whole content only in a report of failure
// that was asked for with RET=FULL (RFC 3461 §4.3), and only up to a size.
func (r *Reporter) returned(m *relay.Message, kind relay.ReportKind, body relay.Body) (original, error) {
	header, err := readHeader(body.Reader(), r.opts.MaxHeader)
	if err != nil {
		return original{}, err
	}
	o := original{content: header, subject: subjectOf(header)}
	if kind == relay.ReportFailure && m.Envelope.Ret == relay.RetFull && body.Size() <= r.opts.MaxContent {
		o.content, err = io.ReadAll(io.LimitReader(body.Reader(), r.opts.MaxContent))
		o.whole = true
	}
	return o, err
}

// readHeader reads whole fields up to the empty line, and no more than limit
// octets of them.
func readHeader(content io.Reader, limit int) ([]byte, error) {
	br := bufio.NewReader(io.LimitReader(content, int64(limit)+1))
	var header []byte
	field := 0 // where the last field began
	for {
		line, err := br.ReadBytes('\n')
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return nil, err
		}
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			field = len(header)
		}
		if len(header)+len(line) > limit {
			return header[:field], nil
		}
		if ended || len(bytes.TrimRight(line, "\r\n")) == 0 {
			return header, nil
		}
		header = append(header, line...)
	}
}

// subjectOf finds and decodes the Subject field.
func subjectOf(header []byte) string {
	const name = "subject:"
	var value []byte
	for line := range bytes.Lines(header) {
		switch {
		case value == nil && len(line) >= len(name) && strings.EqualFold(string(line[:len(name)]), name):
			value = append([]byte{}, line[len(name):]...)
		case value == nil:
		case line[0] == ' ' || line[0] == '\t':
			value = append(value, line...)
		default:
			return decodeSubject(value)
		}
	}
	return decodeSubject(value)
}

// maxSubject is how many characters of a subject are shown.
const maxSubject = 200

func decodeSubject(raw []byte) string {
	text := strings.NewReplacer("\r", "", "\n", "").Replace(string(raw))
	if decoded, err := new(mime.WordDecoder).DecodeHeader(text); err == nil {
		text = decoded
	}
	runes := []rune(relay.Printable(text))
	if len(runes) > maxSubject {
		return string(runes[:maxSubject]) + "…"
	}
	return string(runes)
}
