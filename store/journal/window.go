package journal

import (
	"errors"
	"fmt"
	"io"
)

// windowSize is how much is read at one time while the log is scanned.
const windowSize = 256 << 10

var errBeyond = errors.New("beyond the end of the segment")

// window reads a segment from front to back through one buffer.
type window struct {
	r    io.ReaderAt
	size int64
	at   int64 // where buf begins
	buf  []byte
	err  error // the first failure to read; every later answer is in doubt
}

// get gives n octets at off, valid until the next call.
func (w *window) get(off int64, n int) ([]byte, error) {
	if off < 0 || off+int64(n) > w.size {
		return nil, errBeyond
	}
	if off < w.at || off+int64(n) > w.at+int64(len(w.buf)) {
		if err := w.fetch(off, n); err != nil {
			return nil, err
		}
	}
	return w.buf[off-w.at:][:n], nil
}

func (w *window) fetch(off int64, n int) error {
	want := int(min(int64(max(n, windowSize)), w.size-off))
	if cap(w.buf) < want {
		w.buf = make([]byte, want)
	}
	w.at, w.buf = off, w.buf[:want]
	got, err := w.r.ReadAt(w.buf, off)
	w.buf = w.buf[:got]
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		err = fmt.Errorf("read at %d: %w", off, err)
		if w.err == nil {
			w.err = err
		}
		return err
	}
	return nil
}
