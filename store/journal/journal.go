package journal

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// The defaults of Options.
const (
	DefaultSegmentSize = 64 << 20
	DefaultMaxGroup    = 4 << 20
	DefaultReserve     = 2
	DefaultAhead       = 1
	DefaultLazyDelay   = time.Second
	DefaultRoomRetry   = time.Second

	// MinSegmentSize leaves room for a header and a few small groups.
	MinSegmentSize = 16 * blockSize
	// maxLazy is how many lazy records wait at most before they are written without
	// waiting for the timer.
	maxLazy = 4096
)

// Options are what a Journal needs. Only FS must be set.
type Options struct {
	FS  safeio.FS
	Dir string // of the segments, inside FS; "." if empty

	SegmentSize int64 // a multiple of 4096; 64 MiB if 0. Segments of another size stay readable
	MaxGroup    int   // octets that are written with one flush; a larger record is a group by itself
	Reserve     int   // segments held back; see Use
	Ahead       int   // segments made before they are needed, beside the reserve

	LazyDelay time.Duration // how long a lazy record waits for company
	RoomRetry time.Duration // after a segment could not be made, not before this long
	Now       func() time.Time

	// Replay is given every record that was kept, in order, before Open returns. A
	// record may be given twice, with the same ID, Revision and payload.
	Replay func(*Item) error
	// Damaged is told of every part of the log that does not read though it was
	// durable. content reads its octets as far as they can be read.
	Damaged func(d Damage, content io.Reader)
	// Flushed is told of every group after its flush: how many records shared it and
	// how long it took. It must return at once: everybody waits for it.
	Flushed func(records int, took time.Duration)
}

// Damage is a part of the log that was set aside.
type Damage struct {
	File     string
	Segment  uint64 // 0 if even that is unknown
	From, To int64
	Reason   string
}

func (o *Options) setDefaults() {
	setDefault(&o.Dir, ".")
	setDefault(&o.SegmentSize, DefaultSegmentSize)
	setDefault(&o.MaxGroup, DefaultMaxGroup)
	setDefault(&o.Reserve, DefaultReserve)
	setDefault(&o.Ahead, DefaultAhead)
	setDefault(&o.LazyDelay, DefaultLazyDelay)
	setDefault(&o.RoomRetry, DefaultRoomRetry)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Replay == nil {
		o.Replay = func(*Item) error { return nil }
	}
	if o.Damaged == nil {
		o.Damaged = func(Damage, io.Reader) {}
	}
	if o.Flushed == nil {
		o.Flushed = func(int, time.Duration) {}
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o *Options) check() error {
	if o.SegmentSize < MinSegmentSize || o.SegmentSize%blockSize != 0 || o.SegmentSize > 1<<31 {
		return fmt.Errorf("journal: segment size %d is not a multiple of %d from %d to %d",
			o.SegmentSize, blockSize, MinSegmentSize, 1<<31)
	}
	if o.MaxGroup < blockSize || o.Reserve < 0 || o.Ahead < 0 {
		return fmt.Errorf("journal: impossible limits: group %d, reserve %d, ahead %d", o.MaxGroup, o.Reserve, o.Ahead)
	}
	return nil
}

// Journal is an open log. Its methods may be called concurrently.
type Journal struct {
	opt  Options
	pool *pool

	mu       sync.Mutex
	queue    []*Ticket // waiting to be written, in order
	urgent   int       // of these, how many do not wait for company
	lazyDue  bool      // the lazy ones have waited long enough
	lazy     *time.Timer
	closing  bool
	failure  error // why everything is refused
	segments map[uint64]*segment
	oldest   uint64
	head     *segment
	groups   uint64

	tickets sync.Pool
	wake    chan struct{}
	failed  chan struct{}
	stop    chan struct{} // ends waiting for room
	running sync.WaitGroup
	keeping sync.WaitGroup
	rotated chan struct{}

	// Owned by the writer.
	drained []*Ticket
	pending []*Ticket // the rest of drained
	begun   *segment  // taken for the next head, but its header could not be written
	serial  uint64
	buffer  []byte
}

// Failed is closed when a flush failed: nothing is accepted from then on, and what
// the last group holds is unknown until the next start.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Rotated receives a value when a new segment was begun or room is short: time to
// look whether old ones can be released.
func (j *Journal) Rotated() <-chan struct{} { return j.rotated }

// Close makes durable what was enqueued, marks the end of the log and ends the
// writer. Readers that are still open stay usable.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closing {
		j.mu.Unlock()
		return nil
	}
	j.closing = true
	j.mu.Unlock()
	j.signal()
	j.running.Wait()
	close(j.stop)
	j.keeping.Wait()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.lazy != nil {
		j.lazy.Stop()
	}
	if j.begun != nil {
		j.begun.file.Close() //nolint:errcheck // nothing was written to it
	}
	err := j.failure
	for seq, s := range j.segments {
		delete(j.segments, seq)
		s.released = true
		if s.pins == 0 {
			s.file.Close() //nolint:errcheck // everything in it was flushed
		}
	}
	if poolErr := j.pool.close(); err == nil {
		err = poolErr
	}
	return err
}

// refusal says why nothing is accepted now; nil if it is.
func (j *Journal) refusal() error {
	if j.failure != nil {
		return j.failure
	}
	if j.closing {
		return store.ErrClosed
	}
	return nil
}

// Fail makes the log refuse everything from now on, because a flush failed of
// something that its records refer to. It returns the error that everybody gets.
func (j *Journal) Fail(cause error) error { return j.fail(cause) }

// fail makes everything from now on ErrUnknown.
func (j *Journal) fail(cause error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure == nil {
		j.failure = fmt.Errorf("%w: %w", store.ErrUnknown, cause)
		close(j.failed)
	}
	return j.failure
}

func (j *Journal) signal() { poke(j.wake) }

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
