package embedded

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

const (
	// DefaultIndexDelay lets a batch grow, so that a message that lives shorter
	// costs one entry in the history and none in the index.
	DefaultIndexDelay = 500 * time.Millisecond
	// indexRetry is how long the index rests after it could not be written.
	indexRetry = 5 * time.Second
	// batchRecords limits what one batch holds in memory.
	batchRecords = 8192
	// lastEffort is how long the index may go on when the queue is closed: what is left
	// is done after the next start.
	lastEffort = time.Second
	// stateName is the file of what lives.
	stateName = "state.db"
	// pruneEvery is how often old history is looked for.
	pruneEvery = time.Hour
)

// index answers questions about many messages: which match, and what happened to
// them. It is no part of the truth. In the background it reads the journal from where
// it stands, and writes batches:
//  1. the history of what was retired, into the file of its month;
//  2. what lives, and the position in the journal, in one transaction.
//
// A crash between the two makes the same history be written again. If the file of
// the index is lost or damaged, everything that lives is found in the journal again.
type index struct {
	queue *Queue
	dir   string
	db    *bolt.DB

	history history
	hurried bool // the queue is being closed; owned by run

	changing sync.RWMutex // held for reading while others use db, for writing while it is made again

	mu       sync.Mutex
	position journal.Position // durable
	moved    chan struct{}    // closed when position or trouble changes
	trouble  error            // why the last batch could not be written

	wake   chan struct{} // something was recorded
	urgent chan struct{} // somebody waits for the index
	ended  chan struct{} // closed when run ended: nobody moves the position any more
}

// openIndex opens the files of the index after the journal was replayed.
func openIndex(q *Queue) (*index, error) {
	dir := filepath.Join(q.opt.Dir, "index")
	root, err := safeio.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := root.Close(); err != nil {
		return nil, err
	}
	x := &index{
		queue: q, dir: dir, moved: make(chan struct{}),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), ended: make(chan struct{}),
		history: history{dir: dir, kind: historyFile, files: map[string]*bolt.DB{}, log: q.opt.Log},
	}
	if err := errors.Join(x.openState(), x.history.open()); err != nil {
		return nil, errors.Join(err, x.close())
	}
	q.forgetRetired(x.position)
	x.notify()
	return x, nil
}

// openState opens the index of what lives. One that does not fit the journal, or
// does not read, is made again.
func (x *index) openState() error {
	name := filepath.Join(x.dir, stateName)
	err := x.tryState(name)
	if !errors.Is(err, errUseless) {
		return err
	}
	x.queue.opt.Log.Warn("the index is made again from the journal", "file", name, "error", err)
	if err := removeFile(name); err != nil {
		return err
	}
	return x.tryState(name)
}

// remake makes the index of what lives again while the queue is in use: it does not
// read, and a queue whose index stands still cannot give up a part of its journal.
func (x *index) remake(reason error) error {
	x.queue.opt.Log.Error("the index does not read and is made again from the journal", "error", reason)
	x.changing.Lock()
	defer x.changing.Unlock()
	name := filepath.Join(x.dir, stateName)
	if err := errors.Join(x.db.Close(), removeFile(name)); err != nil {
		return err
	}
	return x.tryState(name)
}

// errUseless means that an index must be made again.
var errUseless = errors.New("the index is of no use")

func (x *index) tryState(name string) error {
	db, err := openBoltFile(name, stateFile)
	switch {
	case ofSystem(err):
		return err
	case err != nil:
		return fmt.Errorf("%w: %w", errUseless, err)
	}
	p, err := readPosition(db)
	if err == nil && p != (journal.Position{}) && !x.queue.journal.Holds(p) {
		err = fmt.Errorf("%w: position %v is not in the journal", errUseless, p)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.db, x.position = db, p
	return nil
}

func (x *index) close() (err error) {
	if x.db != nil {
		err = x.db.Close()
	}
	return errors.Join(err, x.history.close())
}

// notify says that something was recorded.
func (x *index) notify() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// run writes batches until ctx ends; then a little more, so that a start finds less to
// do.
func (x *index) run(ctx context.Context) {
	defer close(x.ended)
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	x.history.prune(x.queue.opt.Now().Add(-x.queue.opt.Retention))
	for x.await(ctx, prune.C) {
		if x.catchUp(ctx) != nil {
			x.rest(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastEffort)
	defer cancel()
	x.hurried = true
	x.catchUp(last) //nolint:errcheck // it was logged, and the next start goes on
}

// await waits for something to do, and then for more of it.
func (x *index) await(ctx context.Context, prune <-chan time.Time) bool {
	for waiting := true; waiting; {
		select {
		case <-ctx.Done():
			return false
		case <-prune:
			x.history.prune(x.queue.opt.Now().Add(-x.queue.opt.Retention))
		case <-x.urgent:
			return true
		case <-x.wake:
			waiting = false
		}
	}
	return x.pause(ctx, x.queue.opt.IndexDelay)
}

// pause waits, but not longer than until somebody waits for the index.
func (x *index) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-x.urgent:
	case <-timer.C:
	}
	return true
}

// rest waits after trouble, whoever is in a hurry, and comes back by itself.
func (x *index) rest(ctx context.Context) {
	timer := time.NewTimer(indexRetry)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		x.notify()
	}
}

// catchUp writes batches up to what is durable now. Between two it rests as long as
// the last one took, unless somebody waits for the index: accepting mail comes first.
func (x *index) catchUp(ctx context.Context) error {
	target := x.queue.journal.Durable()
	for x.at().Before(target) && ctx.Err() == nil {
		began := time.Now()
		err := guarded(x.step)
		if errors.Is(err, ErrDamaged) {
			err = x.remake(err)
		}
		took := time.Since(began)
		x.mu.Lock()
		x.trouble = err
		close(x.moved)
		x.moved = make(chan struct{})
		x.mu.Unlock()
		if err != nil {
			x.queue.opt.Log.Error("the index could not be written; it goes on later", "error", err)
			return err
		}
		if !x.hurried && x.at().Before(target) {
			x.pause(ctx, took)
		}
	}
	return nil
}

// step writes one batch.
func (x *index) step() error {
	b, err := x.collect(x.at(), batchRecords)
	if err != nil {
		return err
	}
	if err := x.apply(b); err != nil {
		return err
	}
	x.mu.Lock()
	x.position = b.to
	x.mu.Unlock()
	x.queue.forget(b.retired)
	return nil
}

func (x *index) at() journal.Position {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.position
}

// passed returns when the index has durably passed p. If the index is in trouble it
// gives that back; ErrClosed if nobody writes it any more.
func (x *index) passed(ctx context.Context, p journal.Position) error {
	for {
		x.mu.Lock()
		reached, moved, trouble := !x.position.Before(p), x.moved, x.trouble
		x.mu.Unlock()
		if reached {
			return nil
		}
		if trouble != nil {
			return fmt.Errorf("wait for the index: %w", trouble)
		}
		select {
		case x.urgent <- struct{}{}:
		default:
		}
		select {
		case <-moved:
		case <-x.ended:
			return store.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// retired reports whether the history knows the message.
func (x *index) retired(id relay.ID) bool {
	found := false
	err := x.history.view(func(tx *bolt.Tx) error {
		found = found || tx.Bucket(bucketMessages).Get(id[:]) != nil
		return nil
	})
	return found && err == nil
}

// forget drops what the history now knows from memory.
func (q *Queue) forget(retired []relay.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, id := range retired {
		delete(q.retired, id)
	}
}

// forgetRetired does the same at start, for all that was retired before p.
func (q *Queue) forgetRetired(p journal.Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, ref := range q.retired {
		if (journal.Position{Segment: ref.Segment, Offset: ref.Offset}).Before(p) {
			delete(q.retired, id)
		}
	}
}

// healthy reports whether the last batch could be written.
func (x *index) healthy() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.trouble == nil
}
