package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
)

// dotReader makes durable that a message is about to be sent, at the moment at which it
// is: an API has no dot, but its last octets leave only after the content was read to
// its end. What fails before that, such as the connection, leaves nothing unknown.
//
// The content is read by the transport's goroutine, hence the lock.
type dotReader struct {
	a *attempt

	mu   sync.Mutex
	done bool // BeforeDot was asked
	err  error
}

// watch gives the content, and asks before it tells its end.
func (d *dotReader) watch(ctx context.Context, content io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := content.Read(p)
		if errors.Is(err, io.EOF) {
			if failed := d.record(ctx); failed != nil {
				return 0, failed
			}
		}
		return n, err
	})
}

// record asks once; a request that is sent again, for the sign-in, is still the same.
func (d *dotReader) record(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.done {
		d.done = true
		batch := d.a.left
		all := make([]int, len(batch))
		for n := range all {
			all[n] = n
		}
		d.err = d.a.beforeDot(ctx, batch, all)
	}
	return d.err
}

// end reports whether the message may have left. Nothing is asked after it.
func (d *dotReader) end() (sent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = true
	if d.err == nil {
		d.err = errRequestOver
	}
	return d.a.dotSent
}

var errRequestOver = errors.New("the request is over")

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
