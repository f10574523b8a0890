package smtpwire

import (
	"errors"
	"io"
	"math"
)

// CheckContent holds content that came another way than through a ServerConn to
// the same rules: ErrBadContent, ErrTooLarge beyond limit octets, and a line end
// at the end. The end of r is the end of the content.
func CheckContent(r io.Reader, limit int64) io.Reader {
	src := &streamSource{chunkSource{r: NewReader(r, lineBuffer), left: math.MaxInt64, last: true}}
	return &content{src: src, limit: limit}
}

// streamSource is one chunk of unknown length.
type streamSource struct{ chunkSource }

func (s *streamSource) next(p []byte) (int, error) {
	if s.left == 0 {
		return s.close(p)
	}
	n, err := s.r.Read(p)
	s.check(p[:n])
	if errors.Is(err, io.EOF) {
		s.left = 0
		return s.close(p)
	}
	return n, err
}
