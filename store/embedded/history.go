package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

const (
	historyPrefix = "history-"
	historySuffix = ".db"
	monthLayout   = "2006-01"
	damagedSuffix = ".damaged"
)

// errAgain means that a file was set aside, and that the next attempt makes another.
var errAgain = errors.New("a damaged file was set aside")

// history keeps the timelines of retired messages in one file for each month in
// which they were retired, so that old ones go by deleting a file.
type history struct {
	dir  string
	kind boltKind
	log  *slog.Logger

	complaint complaint // of a file that is full

	mu    sync.RWMutex // held for reading while files are used, for writing while the set changes
	files map[string]*bolt.DB
}

// open opens the months that are there.
func (h *history) open() error {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return fmt.Errorf("list history: %w", err)
	}
	for _, e := range entries {
		if month, ok := monthOf(e.Name()); ok {
			if err := h.openMonth(month); err != nil {
				return fmt.Errorf("open history: %w", err)
			}
		}
	}
	return nil
}

func monthOf(name string) (string, bool) {
	month, ok := strings.CutPrefix(name, historyPrefix)
	month, ok2 := strings.CutSuffix(month, historySuffix)
	_, err := time.Parse(monthLayout, month)
	return month, ok && ok2 && err == nil
}

// openMonth opens the file of a month, and makes it if it is missing. One that does not
// read is set aside: it is history, and must not keep the mail from going.
func (h *history) openMonth(month string) error {
	db, err := openBoltFile(h.file(month), h.kind)
	if err != nil && !ofSystem(err) {
		if err = h.setAside(month, err); err == nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	h.files[month] = db
	return nil
}

func (h *history) file(month string) string {
	return filepath.Join(h.dir, historyPrefix+month+historySuffix)
}

// setAside keeps the file of a month that does not read for a person. It must be called
// with the lock held.
func (h *history) setAside(month string, reason error) error {
	name := h.file(month)
	h.log.Error("a month of history does not read and was set aside", "file", name, "error", reason)
	if db := h.files[month]; db != nil {
		delete(h.files, month)
		db.Close() //nolint:errcheck // nothing of it is used any more
	}
	return os.Rename(name, name+damagedSuffix)
}

func (h *history) close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for month, db := range h.files {
		err = errors.Join(err, db.Close())
		delete(h.files, month)
	}
	return err
}

// put writes retired messages.
func (h *history) put(done []*change) error {
	months := map[string][]*change{}
	for _, c := range done {
		month := c.retiredAt.UTC().Format(monthLayout)
		months[month] = append(months[month], c)
	}
	for month, changes := range months {
		if err := h.putMonth(month, changes); err != nil {
			return fmt.Errorf("write history of %s: %w", month, err)
		}
	}
	return nil
}

// putMonth writes retired messages into one file. What goes wrong with that file must
// not keep the index, and with it the journal, from going on.
func (h *history) putMonth(month string, changes []*change) error {
	db, err := h.month(month)
	if err != nil {
		return err
	}
	err = guarded(func() error {
		return db.Update(func(tx *bolt.Tx) error { return putHistory(tx, changes) })
	})
	switch {
	case errors.Is(err, berrors.ErrMaxSizeReached):
		if h.complaint.allow(time.Now()) {
			h.log.Error("the history of the month is full: timelines of finished messages are not kept", "month", month)
		}
		return nil
	case errors.Is(err, ErrDamaged):
		h.mu.Lock()
		defer h.mu.Unlock()
		return fmt.Errorf("begin the month anew: %w", errors.Join(errAgain, h.setAside(month, err)))
	}
	return err
}

func putHistory(tx *bolt.Tx, changes []*change) error {
	var keys keyChanges
	messages := tx.Bucket(bucketMessages)
	messages.FillPercent = 0.9 // the IDs come in their order
	for _, c := range changes {
		// What stands there has seen more: it is written again only after the index
		// was lost, from what the journal still has.
		if messages.Get(c.id[:]) != nil {
			continue
		}
		if err := messages.Put(c.id[:], encodeHistory(c)); err != nil {
			return err
		}
		keys.replace(nil, keysOf(c.message, c.state))
	}
	return keys.apply(tx.Bucket(bucketKeys))
}

// month gives the file of a month, and makes it if it is missing.
func (h *history) month(month string) (*bolt.DB, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.files[month] == nil {
		if err := h.openMonth(month); err != nil {
			return nil, err
		}
	}
	if h.files[month] == nil { // it was set aside
		return nil, errAgain
	}
	return h.files[month], nil
}

// view reads every month, the newest first.
func (h *history) view(read func(tx *bolt.Tx) error) error {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, month := range h.months() {
		if err := h.files[month].View(read); err != nil {
			return fmt.Errorf("read history of %s: %w", month, err)
		}
	}
	return nil
}

func (h *history) months() []string {
	months := make([]string, 0, len(h.files))
	for month := range h.files {
		months = append(months, month)
	}
	slices.Sort(months)
	slices.Reverse(months)
	return months
}

// prune deletes the months that ended before the given moment.
func (h *history) prune(before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, month := range h.months() {
		begin, err := time.Parse(monthLayout, month)
		if err != nil || !begin.AddDate(0, 1, 0).Before(before) {
			continue
		}
		err = h.files[month].Close()
		delete(h.files, month)
		err = errors.Join(err, removeFile(h.file(month)))
		if err != nil {
			h.log.Error("old history could not be deleted", "month", month, "error", err)
			continue
		}
		h.log.Info("history deleted because of its age", "month", month)
	}
}

// encodeHistory gives a retired message with its whole timeline.
func encodeHistory(c *change) []byte {
	b := encodeHead(nil, &head{message: c.message, state: c.state})
	b, at := beginFrame(b)
	e := encoder{b: b}
	e.byte(codecVersion)
	e.time(c.retiredAt)
	e.uint(uint64(len(c.events)))
	for i := range c.events {
		e.event(&c.events[i].Event)
	}
	return endFrame(e.b, at)
}

func decodeHistory(b []byte, events bool) (*store.Record, []relay.Event, error) {
	n, err := frameSize(b)
	if err != nil || n > len(b) {
		return nil, nil, errors.Join(err, ErrDamaged)
	}
	h, err := decodeHead(b[:n])
	if err != nil {
		return nil, nil, err
	}
	content, _, err := openFrame(b[n:])
	if err != nil {
		return nil, nil, err
	}
	d := decoder{b: content}
	d.version()
	r := &store.Record{Message: h.message, State: h.state, Retired: d.time()}
	if !events {
		return r, nil, d.err
	}
	list := make([]relay.Event, d.count())
	for i := range list {
		list[i] = d.event()
	}
	return r, list, d.end()
}
