package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/relayd/relayd/internal/safeio"
)

// DefaultEvery is how often a Keeper writes a ledger that changed.
const DefaultEvery = time.Minute

// KeeperOptions are the options of a Keeper.
type KeeperOptions struct {
	Ledger *Ledger       // needed
	FS     safeio.FS     // needed: where the file lies
	Name   string        // of the file; needed
	Every  time.Duration // 0: DefaultEvery
	Log    *slog.Logger  // hears of a file that cannot be read or written; nil: nobody
}

// Keeper keeps a ledger in a file.
//
// It writes once a minute and not with every message, so a crash loses what was counted
// in the last one. That is fine: nothing in the ledger decides what becomes of a
// message, only when it goes. What is lost lets an account send a minute's worth too
// many, and then the provider's own refusal is what it was before there was a ledger:
// the mail waits. To flush for every message would double the cost of sending it.
type Keeper struct {
	o     KeeperOptions
	saved uint64 // the count of changes that the file has seen
}

// NewKeeper loads the file, if there is one. A file that is damaged or of another
// version is told of and not used: the ledger learns again.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	if o.Every <= 0 {
		o.Every = DefaultEvery
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{o: o}
	err := k.load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, ErrBadSnapshot):
		o.Log.Warn("ledger not read", "file", o.Name, "error", err)
	case err != nil:
		return nil, fmt.Errorf("read the ledger %s: %w", o.Name, err)
	}
	_, k.saved = o.Ledger.snapshot()
	return k, nil
}

func (k *Keeper) load() error {
	f, err := k.o.FS.Open(k.o.Name)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil {
		err = k.o.Ledger.Load(io.NewSectionReader(f, 0, size))
	}
	return errors.Join(err, f.Close())
}

// Run writes the ledger whenever it changed, until ctx ends, and then once more. It
// returns nil: a disk that refuses the file is told of, and is no reason to stop mail.
func (k *Keeper) Run(ctx context.Context) error {
	ticker := time.NewTicker(k.o.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			k.save()
		case <-ctx.Done():
			k.save()
			return nil
		}
	}
}

// save writes the file if anything changed since it was written last.
func (k *Keeper) save() {
	if k.o.Ledger.changed() == k.saved {
		return
	}
	p, seen := k.o.Ledger.snapshot()
	if _, err := safeio.Write(k.o.FS, k.o.Name, bytes.NewReader(p)); err != nil {
		k.o.Log.Warn("ledger not written", "file", k.o.Name, "error", err)
		return
	}
	k.saved = seen
}

func (l *Ledger) changed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}
