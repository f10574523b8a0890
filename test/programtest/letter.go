package programtest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"

	"github.com/relayd/relayd/relay"
)

// Letter is a message that an application submits.
type Letter struct {
	HeaderID string         // the Message-ID, with its angle brackets
	From     relay.Address  // of the header
	Envelope *relay.Address // MAIL FROM; nil means From
	To       []string
	Body     []byte // whole lines that end in CR LF
}

// NewLetter writes a letter whose body is a function of seed, of about size octets.
func NewLetter(id string, from relay.Address, to string, seed uint64, size int) *Letter {
	return &Letter{HeaderID: "<" + id + "@" + Domain + ">", From: from, To: []string{to}, Body: body(seed, size)}
}

// body has what a careless server changes: lines of dots, empty lines, trailing
// spaces, octets above 127, and lines of the greatest length (RFC 5321 §4.5.3.1.6).
func body(seed uint64, size int) []byte {
	random := rand.New(rand.NewPCG(seed, uint64(size))) //nolint:gosec // test data
	b := fmt.Appendf(nil, "letter %d\r\n.\r\n..\r\n.dots \r\n\r\n\xc3\xa4 \xff\r\n", seed)
	for len(b) < size {
		line := make([]byte, random.IntN(min(998, size-len(b)+1)))
		for i := range line {
			line[i] = "0123456789abcdef. "[random.IntN(18)]
		}
		b = append(append(b, line...), "\r\n"...)
	}
	return b
}

// Sum tells bodies apart.
func (l *Letter) Sum() [32]byte { return sha256.Sum256(l.Body) }

// wire is the content as DATA carries it, with dots stuffed and the final dot (RFC
// 5321 §4.5.2).
func (l *Letter) wire() []byte {
	content := fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nSubject: a letter\r\nMessage-ID: %s\r\n\r\n",
		l.From, l.To[0], l.HeaderID)
	var out bytes.Buffer
	for line := range bytes.Lines(append(content, l.Body...)) {
		if line[0] == '.' {
			out.WriteByte('.')
		}
		out.Write(line)
	}
	out.WriteString(".\r\n")
	return out.Bytes()
}
