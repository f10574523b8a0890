package embedded

import (
	"io"
	"sync"
)

const (
	// firstBuffer is where a buffer begins to grow: most messages fit.
	firstBuffer = 16 << 10
	// freeBuffer is how large a buffer may become without asking: what a message costs
	// in memory at least, whatever the limits.
	freeBuffer = 256 << 10
)

// bufferPool holds the memory in which messages arrive. What they need beyond
// freeBuffer each comes out of one budget; without it, the content goes into a file.
type bufferPool struct {
	small, large sync.Pool

	mu   sync.Mutex
	left int64 // of the budget
}

// buffer is memory that is used again.
type buffer struct {
	pool  *bufferPool
	b     []byte
	taken int64 // out of the budget
}

func (p *bufferPool) get() *buffer {
	if b, ok := p.small.Get().(*buffer); ok {
		return b
	}
	return &buffer{pool: p, b: make([]byte, 0, firstBuffer)}
}

// put takes a buffer back. One that grew is kept apart, so that small messages do not
// sit in large buffers.
func (p *bufferPool) put(b *buffer) {
	if b.taken == 0 {
		p.small.Put(b)
		return
	}
	p.mu.Lock()
	p.left += b.taken
	p.mu.Unlock()
	b.taken = 0
	p.large.Put(b)
}

// readUpTo fills the buffer until more than most octets were read, there is no memory
// for more, or an error came, of which io.EOF is the good one.
func (b *buffer) readUpTo(r io.Reader, most int) error {
	b.b = b.b[:0]
	for len(b.b) <= most {
		if len(b.b) == cap(b.b) && !b.grow(most+1) {
			return nil
		}
		n, err := r.Read(b.b[len(b.b):min(cap(b.b), most+1)])
		b.b = b.b[:len(b.b)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// grow makes room for more, up to most octets; false if the budget is used up.
func (b *buffer) grow(most int) bool {
	want := min(4*cap(b.b), freeBuffer)
	if cap(b.b) < freeBuffer {
		b.b = append(make([]byte, 0, want), b.b...)
		return true
	}
	if !b.pool.take(int64(most)) {
		return false
	}
	bigger, ok := b.pool.large.Get().(*buffer)
	if !ok || cap(bigger.b) < most {
		bigger = &buffer{b: make([]byte, 0, most)}
	}
	b.taken += int64(most)
	b.b = append(bigger.b[:0], b.b...)
	return true
}

func (p *bufferPool) take(n int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left < n {
		return false
	}
	p.left -= n
	return true
}
