package smtpwire

import (
	"errors"
	"io"
	"strconv"
	"strings"
)

// maxChunkDigits is how many digits a chunk's size may have: it must fit an
// int64 without a look at its value.
const maxChunkDigits = 18

// parseChunk reads the arguments of BDAT: chunk-size [SP "LAST"].
func parseChunk(args string) (size int64, last, valid bool) {
	number, end, more := strings.Cut(args, " ")
	if more && !strings.EqualFold(end, "LAST") {
		return 0, false, false
	}
	if number == "" || len(number) > maxChunkDigits || strings.Trim(number, "0123456789") != "" {
		return 0, false, false
	}
	size, err := strconv.ParseInt(number, 10, 64)
	return size, more, err == nil
}

// chunkSource reads the content of one message from its BDAT chunks (RFC 3030
// §2). It counts every chunk against its announced size, so that a cut-off chunk
// never looks like the end, and checks line ends across chunks. At the end of a
// chunk it asks more for the next one.
type chunkSource struct {
	r       *Reader
	left    int64 // octets of this chunk that are still to come
	last    bool  // this is the last chunk
	more    func() (size int64, last bool, err error)
	afterCR bool
	inLine  bool // the last octet given out did not end a line
	bad     bool
	closing string // the line end that the client left out
	ended   bool
}

func (s *chunkSource) isBad() bool { return s.bad }

// giveUp makes the chunk at hand the last one: its BDAT is answered with the
// failure, and those that follow belong to no message.
func (s *chunkSource) giveUp() { s.last = true }

func (s *chunkSource) next(p []byte) (int, error) {
	for s.left == 0 {
		if s.last {
			return s.close(p)
		}
		size, last, err := s.more()
		if err != nil {
			return 0, notTheEnd(err)
		}
		s.left, s.last = size, last
	}
	n, err := s.r.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	s.check(p[:n])
	return n, notTheEnd(err)
}

// notTheEnd keeps the end of the connection from looking like the end of the
// message, which only its last octet is.
func notTheEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// close ends the content. RFC 3030 lets it end inside a line; the line end that
// DATA would have needed is added, since every content here ends with one.
func (s *chunkSource) close(p []byte) (int, error) {
	if !s.ended {
		s.ended = true
		s.bad = s.bad || s.afterCR
		if s.inLine {
			s.closing = "\r\n"
		}
	}
	if s.closing == "" {
		return 0, io.EOF
	}
	n := copy(p, s.closing)
	s.closing = s.closing[n:]
	return n, nil
}

// check holds the octets to the rule for line ends.
func (s *chunkSource) check(p []byte) {
	if len(p) == 0 {
		return
	}
	if hasNUL(p) || s.afterCR != (p[0] == '\n') {
		s.bad = true
	}
	if s.afterCR && p[0] == '\n' {
		s.afterCR, s.inLine = false, false
		p = p[1:]
	}
	n, atStart, why := goodRun(p, !s.inLine, false)
	s.bad = s.bad || why == stopBad
	// Only a final CR can be left over.
	s.afterCR = why == stopMore && n < len(p)
	s.inLine = !atStart || s.afterCR
}
