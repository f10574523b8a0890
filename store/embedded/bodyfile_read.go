package embedded

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"sync"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// content is an opened body: a part of a journal segment that is kept from being
// written over, or a file.
type content struct {
	source io.ReaderAt
	size   int64
	sum    uint32

	once   sync.Once
	closer io.Closer
	err    error
}

// Size implements relay.Body.
func (c *content) Size() int64 { return c.size }

// Reader implements relay.Body. A reader that reaches the end has compared the
// checksum: in place of io.EOF it gives ErrDamaged if the body is not what was
// accepted, so that it is never sent as whole.
func (c *content) Reader() io.Reader {
	return &checked{r: io.NewSectionReader(c.source, 0, c.size), left: c.size, want: c.sum}
}

// Close implements io.Closer. It may be called again.
func (c *content) Close() error {
	c.once.Do(func() { c.err = c.closer.Close() })
	return c.err
}

// checked reads a body and compares its checksum at the end.
type checked struct {
	r    io.Reader
	left int64
	sum  uint32
	want uint32
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.left -= int64(n)
	c.sum = crc32.Update(c.sum, castagnoli, p[:n])
	switch {
	case c.left == 0 && c.sum != c.want:
		return 0, fmt.Errorf("the checksum of the body is wrong: %w", ErrDamaged)
	case errors.Is(err, io.EOF) && c.left > 0:
		return n, fmt.Errorf("the body is cut short: %w", ErrDamaged)
	}
	return n, err
}

// openBody opens the file of a large body.
func (q *Queue) openBody(e *entry) (safeio.File, error) {
	f, err := q.fs.Open(bodyName(e.id))
	if errors.Is(err, fs.ErrNotExist) {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.live[e.id] == nil {
			return nil, store.ErrNotFound // retired meanwhile
		}
		return nil, fmt.Errorf("the body file is missing: %w", ErrDamaged)
	}
	return f, err
}
