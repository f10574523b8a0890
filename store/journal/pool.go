package journal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

const (
	segmentPrefix = "segment-"
)

// pool holds segments that are made, blank and in nobody's use, and makes new ones
// before they are needed.
type pool struct {
	fs      safeio.FS
	dir     string
	size    int64
	reserve int           // held back; see Use
	target  int           // how many it tries to hold
	again   time.Duration // after a failure, not before this long
	now     func() time.Time

	mu       sync.Mutex
	free     []*segment
	number   int           // of the last file name
	attempts int           // to make a segment
	failed   error         // why the last attempt failed; nil after a success
	failedAt time.Time     //
	changed  chan struct{} // closed at the next change of free or failed
	poke     chan struct{} // asks for an attempt
}

func newPool(o *Options) *pool {
	return &pool{
		fs: o.FS, dir: o.Dir, size: o.SegmentSize,
		reserve: o.Reserve, target: o.Reserve + o.Ahead, again: o.RoomRetry, now: o.Now,
		changed: make(chan struct{}), poke: make(chan struct{}, 1),
	}
}

// run makes segments whenever fewer are free than wanted, until stop is closed.
func (p *pool) run(stop <-chan struct{}) {
	for {
		for p.wanted() && p.fill() == nil {
			select {
			case <-stop:
				return
			default:
			}
		}
		select {
		case <-stop:
			return
		case <-p.poke:
		}
	}
}

func (p *pool) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free) < p.target && !p.resting()
}

// resting reports whether an attempt failed so recently that another is no use.
func (p *pool) resting() bool { return p.failed != nil && p.now().Sub(p.failedAt) < p.again }

// fill makes one segment.
func (p *pool) fill() error {
	p.mu.Lock()
	p.number++
	name := path.Join(p.dir, fmt.Sprintf("%s%06d", segmentPrefix, p.number))
	p.mu.Unlock()
	s, err := p.make(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts++
	if p.failed = err; err != nil {
		p.failedAt = p.now()
	} else {
		p.free = append(p.free, s)
	}
	p.announce()
	return err
}

// make writes a segment of zeros: only what was written once is sure to have its
// place on the disk.
func (p *pool) make(name string) (*segment, error) {
	if free, err := p.fs.Free(); err == nil && free < p.size {
		return nil, fmt.Errorf("make segment %s: %w", name, store.ErrFull)
	}
	if _, err := safeio.Write(p.fs, name, &zeros{left: p.size}); err != nil {
		return nil, fmt.Errorf("make segment: %w", err)
	}
	f, err := p.fs.Open(name)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open new segment: %w", err), p.fs.Remove(name))
	}
	return &segment{name: name, file: f, size: p.size}, nil
}

// announce must be called with the lock held.
func (p *pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// take gives a segment and leaves at least keep. It waits while one is being made.
func (p *pool) take(keep int, stop <-chan struct{}) (*segment, error) {
	if err := p.await(keep+1, stop); err != nil {
		return nil, err
	}
	p.mu.Lock()
	s := p.free[0]
	p.free = p.free[1:]
	p.mu.Unlock()
	p.ask()
	return s, nil
}

// await waits until at least n segments are free. ErrFull if they cannot be made.
// Only the writer takes segments, so that they are still there when it returns.
func (p *pool) await(n int, stop <-chan struct{}) error {
	for attempts := -1; ; {
		p.mu.Lock()
		if attempts < 0 {
			attempts = p.attempts
		}
		enough, reason, changed := len(p.free) >= n, p.failed, p.changed
		hopeless := p.resting() || (reason != nil && p.attempts > attempts)
		p.mu.Unlock()
		if enough {
			return nil
		}
		if hopeless {
			return noRoom(reason)
		}
		p.ask()
		select {
		case <-changed:
		case <-stop:
			return store.ErrClosed
		}
	}
}

// noRoom is ErrFull with the reason why no segment could be made; but a flush that
// failed is final here as everywhere.
func noRoom(reason error) error {
	var flush *safeio.FlushError
	if errors.As(reason, &flush) && !safeio.IsFull(reason) {
		return reason
	}
	return fmt.Errorf("%w: %w", store.ErrFull, reason)
}

// short reports whether the last segment that was wanted could not be made.
func (p *pool) short() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed != nil
}

func (p *pool) ask() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

// give takes back a blank segment, or deletes its file if it is of another size or
// more than enough are free.
func (p *pool) give(s *segment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.size == p.size && len(p.free) < p.target {
		p.free = append(p.free, s)
		p.announce()
		return nil
	}
	return errors.Join(s.file.Close(), p.fs.Remove(s.name))
}

// close closes the files of the free segments.
func (p *pool) close() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.free {
		err = errors.Join(err, s.file.Close())
	}
	p.free = nil
	return err
}

// count is how many segments are free.
func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// noteName keeps new names apart from one that is on the disk.
func (p *pool) noteName(name string) {
	n, err := strconv.Atoi(strings.TrimPrefix(path.Base(name), segmentPrefix))
	if err == nil && n > p.number {
		p.number = n
	}
}

// zeros reads as so many zero octets.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}
