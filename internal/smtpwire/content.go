package smtpwire

import (
	"bytes"
	"errors"
	"io"
)

// ErrTooLarge means that the content is larger than the server takes.
var ErrTooLarge = errors.New("the message is larger than allowed")

// source is where content comes from, without any judgement on it: it gives
// io.EOF at the real end, and notes content that is bad on its way.
type source interface {
	next(p []byte) (int, error)
	isBad() bool
	giveUp() // nobody wants the rest: do not ask the client for more of it
}

// content is what a Session reads: the octets of one message, checked and
// counted. After any error but io.EOF there is no message.
type content struct {
	src    source
	limit  int64 // the largest message that is taken
	slack  int64 // how far beyond that the rest is still read, to stay in step
	size   int64
	ended  bool  // the real end was reached
	err    error // why there is no message; sticky
	broken error // the stream failed; sticky
	spill  []byte
	tiny   [2]byte
}

// Read gives octets of a good message. What is bad or too large is an error at
// once, although the rest of it is still on its way: finish reads that.
func (c *content) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.spill) == 0 && len(p) < len(c.tiny) {
		// A line end is looked at as a pair, so a source needs room for two.
		n, err := c.pull(c.tiny[:])
		if n == 0 {
			return 0, err
		}
		c.spill = c.tiny[:n]
	}
	if len(c.spill) > 0 {
		n := copy(p, c.spill)
		c.spill = c.spill[n:]
		return n, nil
	}
	return c.pull(p)
}

// pull reads from the source and judges what came.
func (c *content) pull(p []byte) (int, error) {
	switch {
	case c.err != nil:
		return 0, c.err
	case c.ended:
		return 0, io.EOF
	}
	n, err := c.advance(p)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
		return 0, err
	}
	if c.judge(); c.err != nil {
		return 0, c.err
	}
	return n, err
}

// advance takes one step towards the real end.
func (c *content) advance(p []byte) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	n, err := c.src.next(p)
	c.size += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		c.ended = true
	case err != nil:
		c.broken = err
	}
	return n, err
}

// judge decides whether this can still become a message. A content that is bad
// stays bad, however large it is.
func (c *content) judge() {
	switch {
	case c.src.isBad():
		c.err = ErrBadContent
	case c.size > c.limit && c.err == nil:
		c.err = ErrTooLarge
	}
}

// finish reads to the real end after the Session stopped reading, but not
// further than limit and slack. It tells whether the stream is in step again.
func (c *content) finish() bool {
	var waste [4 << 10]byte
	for !c.ended {
		if c.size > c.limit+c.slack {
			return false
		}
		if _, err := c.advance(waste[:]); err != nil && !errors.Is(err, io.EOF) {
			if c.err == nil {
				c.err = err
			}
			return false
		}
		c.judge()
	}
	return true
}

// hasNUL finds what no message may hold (RFC 5321 §2.3.8 leaves it out of mail
// data; RFC 5322 §4.1 forbids making it).
func hasNUL(p []byte) bool { return bytes.IndexByte(p, 0) >= 0 }
