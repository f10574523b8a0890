package accept

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// stream is the content as it is spooled: the repaired header, what was read of the
// body together with the header, and the rest straight from the client. At its end
// it puts hash and size into the message, and whether it holds octets over 127.
type stream struct {
	message *relay.Message
	head    []byte    // not yet given out
	start   []byte    // of the body, not yet given out
	rest    io.Reader // nil at the end of content
	hash    hash.Hash // over what the client sent
	size    int64     // of what was given out
	high    bool      // an octet over 127 was given out
	last    [2]byte   // the last two octets given out
	failed  error     // what rest returned, if it was not io.EOF
	ended   time.Time // when the end was reached
}

func newStream(m *relay.Message, head *header, repaired []byte, content io.Reader) *stream {
	s := &stream{message: m, head: repaired, start: head.raw[head.body:], rest: content, hash: sha256.New()}
	s.hash.Write(head.raw)
	if head.eof {
		s.rest = nil
	}
	return s
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (n int, err error) {
	switch {
	case len(s.head) > 0:
		n = copy(p, s.head)
		s.head = s.head[n:]
	case len(s.start) > 0:
		n = copy(p, s.start)
		s.start = s.start[n:]
	case s.rest != nil:
		if n, err = s.readRest(p); n == 0 && s.rest == nil {
			return s.finish(p)
		}
	default:
		return s.finish(p)
	}
	s.count(p[:n])
	return n, err
}

func (s *stream) readRest(p []byte) (int, error) {
	n, err := s.rest.Read(p)
	s.hash.Write(p[:n])
	if errors.Is(err, io.EOF) {
		s.rest, err = nil, nil
	}
	s.failed = err
	return n, err
}

func (s *stream) count(p []byte) {
	s.size += int64(len(p))
	s.high = s.high || smtpwire.HasEightBit(p)
	switch len(p) {
	case 0:
	case 1:
		s.last = [2]byte{s.last[1], p[0]}
	default:
		s.last = [2]byte(p[len(p)-2:])
	}
}

// finish ends the last line if the client did not, which BDAT allows (RFC 3030
// §2): the other ways out of here know whole lines only.
func (s *stream) finish(p []byte) (int, error) {
	if s.last != [2]byte{'\r', '\n'} {
		s.head = []byte("\r\n")
		return s.Read(p)
	}
	s.ended = time.Now()
	s.hash.Sum(s.message.BodyHash[:0])
	s.message.Size = s.size
	if s.high {
		s.message.Envelope.EightBit = true // RFC 6152 §3, also for clients that did not say so
	}
	return 0, io.EOF
}
