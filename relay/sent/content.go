package sent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/relayd/relayd/relay"
)

const (
	// maxTrace bounds the Received field that relayd itself put in front.
	maxTrace = 4096
	// foldAt is where a line is folded if it can be (RFC 5322 §2.1.1).
	foldAt = 76
)

// copyOf is the message as the sender would have filed it: as it was submitted,
// with the Bcc fields that were taken out, and without the trace that relayd put
// in front of it. It is read as it is needed and never held in memory.
func copyOf(m *relay.Message, body relay.Body) (io.Reader, int64, error) {
	r := bufio.NewReaderSize(body.Reader(), maxTrace)
	size := body.Size()
	head, err := r.Peek(maxTrace)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("read message %s: %w", m.ID, err)
	}
	trace := ownTrace(head, m.ID)
	if _, err := r.Discard(trace); err != nil {
		return nil, 0, fmt.Errorf("read message %s: %w", m.ID, err)
	}
	bcc := bccFields(m.Bcc)
	return io.MultiReader(strings.NewReader(bcc), r), size - int64(trace) + int64(len(bcc)), nil
}

// ownTrace gives the length of the Received field at the beginning, if it is the
// one that relayd wrote: it has the message's ID.
func ownTrace(head []byte, id relay.ID) int {
	const name = "received:"
	if len(head) < len(name) || !strings.EqualFold(string(head[:len(name)]), name) {
		return 0
	}
	for end := 0; ; {
		i := bytes.Index(head[end:], []byte("\r\n"))
		if i < 0 {
			return 0
		}
		end += i + len("\r\n")
		if end < len(head) && (head[end] == ' ' || head[end] == '\t') {
			continue // a folded line goes on (RFC 5322 §2.2.3)
		}
		if !bytes.Contains(head[:end], []byte(id.String())) {
			return 0
		}
		return end
	}
}

// bccFields writes the fields anew. Their values came from a client: whatever
// could end a field or the header is made a space.
func bccFields(values []string) string {
	var b strings.Builder
	for _, value := range values {
		words := strings.FieldsFunc(value, func(r rune) bool { return r <= ' ' || r == 0x7f })
		line := "Bcc:"
		for _, word := range words {
			if len(line)+1+len(word) > foldAt && line != "Bcc:" {
				b.WriteString(line + "\r\n")
				line = ""
			}
			line += " " + word
		}
		b.WriteString(line + "\r\n")
	}
	return b.String()
}
