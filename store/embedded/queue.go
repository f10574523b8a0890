package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// The defaults of QueueOptions.
const (
	// DefaultInlineBody is the largest body that shares the flush of its record.
	// Measured with ten sessions, a body of 128 KiB to 1 MiB costs two to five times
	// as much in a file of its own, with its two flushes, as in the journal; what sets
	// the limit is memory.
	DefaultInlineBody = 2 << 20
	// DefaultSpoolMemory is what all messages together may take while they arrive,
	// beyond 256 KiB each.
	DefaultSpoolMemory = 64 << 20
	DefaultMaxMessages = 1_000_000
	DefaultMaxBytes    = 64 << 30
	DefaultMinFree     = 256 << 20
	DefaultRetention   = 30 * 24 * time.Hour
	DefaultMaxKeys     = 1 << 20

	// keyMemory is how long an unacknowledged submission is remembered (promise G4).
	keyMemory = 24 * time.Hour
)

// QueueOptions are what a Queue needs. Only Dir must be set.
type QueueOptions struct {
	Dir string    // of the queue; made if it is missing
	FS  safeio.FS // the disk of journal and bodies; the directory Dir if nil

	InlineBody  int   // octets up to which a body lies in the journal
	SpoolMemory int64 // octets for bodies that arrive, beyond 256 KiB each; then they go into files
	MaxMessages int64 // that wait at one time
	MaxBytes    int64 // of their bodies
	MinFree     int64 // octets that stay free on the disk; a negative value means none
	MaxKeys     int   // unacknowledged submissions that are remembered

	Retention  time.Duration // how long the history of retired messages is kept
	IndexDelay time.Duration // how long the index may wait for more to do
	Journal    journal.Options

	Log *slog.Logger // tells of damage and of trouble with the index; nil means nobody
	Now func() time.Time
}

func (o *QueueOptions) setDefaults() error {
	if o.Dir == "" {
		return errors.New("the directory of the queue is not given")
	}
	setDefault(&o.Journal.SegmentSize, journal.DefaultSegmentSize)
	setDefault(&o.InlineBody, int(min(DefaultInlineBody, o.Journal.SegmentSize/8)))
	setDefault(&o.SpoolMemory, DefaultSpoolMemory)
	setDefault(&o.MaxMessages, DefaultMaxMessages)
	setDefault(&o.MaxBytes, DefaultMaxBytes)
	setDefault(&o.MinFree, DefaultMinFree)
	setDefault(&o.MaxKeys, DefaultMaxKeys)
	setDefault(&o.Retention, DefaultRetention)
	setDefault(&o.IndexDelay, DefaultIndexDelay)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	if o.Now == nil {
		o.Now = time.Now
	}
	if int64(o.InlineBody) > o.Journal.SegmentSize/4 {
		return fmt.Errorf("bodies of %d octets are too large for journal segments of %d", o.InlineBody, o.Journal.SegmentSize)
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Queue is the store.Queue of the default engine.
type Queue struct {
	opt     QueueOptions
	fs      safeio.FS
	root    *safeio.Root // closed with the queue; nil if the FS was given
	lock    interface{ Close() error }
	journal *journal.Journal
	index   *index

	// gate is held for reading from before a record is enqueued until memory knows
	// of it. Before a segment is given up, the recycler takes it once: then memory
	// knows of everything in the segment.
	gate sync.RWMutex

	mu        sync.Mutex
	settled   *sync.Cond // an entry is no longer busy or being relocated
	live      map[relay.ID]*entry
	arriving  map[relay.ID]struct{} // being put, not yet durable
	segments  map[uint64]*segmentUse
	keys      keyring
	retired   map[relay.ID]journal.Ref // by which record, until it is in the history
	usage     store.Usage
	liveBytes int64 // of live records in the journal
	closed    bool

	complaint complaint // of the recycler
	room      room
	buffers   bufferPool
	stop      context.CancelFunc
	running   sync.WaitGroup
}

var _ store.Queue = (*Queue)(nil)

// OpenQueue opens the queue in a directory, which one process at a time may use:
// safeio.ErrLocked if another does. It returns when every message that waits is
// known again.
func OpenQueue(o QueueOptions) (*Queue, error) {
	if err := o.setDefaults(); err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	q := &Queue{
		opt: o, fs: o.FS,
		live: map[relay.ID]*entry{}, arriving: map[relay.ID]struct{}{},
		segments: map[uint64]*segmentUse{}, retired: map[relay.ID]journal.Ref{},
		keys: newKeyring(o.MaxKeys), buffers: bufferPool{left: o.SpoolMemory},
	}
	q.settled = sync.NewCond(&q.mu)
	if err := q.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open queue %s: %w", o.Dir, err), q.release())
	}
	return q, nil
}

func (q *Queue) open() error {
	root, err := safeio.OpenRoot(q.opt.Dir)
	if err != nil {
		return err
	}
	q.root = root
	if q.lock, err = safeio.Lock(filepath.Join(q.opt.Dir, "lock")); err != nil {
		return err
	}
	if q.fs == nil {
		q.fs = root
	}
	q.room = room{fs: q.fs, least: q.opt.MinFree, now: q.opt.Now}
	if err := q.fs.Mkdir(bodyDir); err != nil {
		return fmt.Errorf("make directory of bodies: %w", err)
	}
	if err := q.replay(); err != nil {
		return err
	}
	if q.index, err = openIndex(q); err != nil {
		return err
	}
	q.settleLost()
	ctx, cancel := context.WithCancel(context.Background())
	q.stop = cancel
	q.running.Go(func() { q.index.run(ctx) })
	q.running.Go(func() { q.recycle(ctx) })
	return nil
}

// release gives up what open took.
func (q *Queue) release() (err error) {
	if q.journal != nil {
		err = q.journal.Close()
	}
	if q.index != nil {
		err = errors.Join(err, q.index.close())
	}
	if q.lock != nil {
		err = errors.Join(err, q.lock.Close())
	}
	if q.root != nil {
		err = errors.Join(err, q.root.Close())
	}
	return err
}

// Failed implements store.Queue.
func (q *Queue) Failed() <-chan struct{} { return q.journal.Failed() }

// Usage implements store.Queue.
func (q *Queue) Usage() store.Usage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.usage
}

// Close implements store.Queue. Content that is still open stays readable.
func (q *Queue) Close() error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	q.settled.Broadcast()
	q.mu.Unlock()
	q.stop()
	q.running.Wait()
	return q.release()
}

// usable says why the queue can take nothing; nil if it can. It must be called with
// the lock held.
func (q *Queue) usable() error {
	if q.closed {
		return store.ErrClosed
	}
	return nil
}
