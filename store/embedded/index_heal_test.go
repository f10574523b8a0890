package embedded

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// An index that is found damaged while it is in use is made again: standing still, it
// would keep every part of the journal from being given up.
func TestIndexHealsInUse(t *testing.T) {
	t.Parallel()
	o := smallQueue(t.TempDir())
	o.Log = testLog(t)
	q := openSmall(t, o)
	m, other := newMessage("bob"), newMessage("bob")
	mustPut(t, q, m, "x")
	mustPut(t, q, other, "y")
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatal(err)
	}
	err := q.index.db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketMessages).Put(m.ID[:], []byte("this was a message once"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := told(t, q, m, 1); err != nil {
		t.Fatal(err)
	}
	within(t, "the index is made again", func() bool {
		p, err := q.List(t.Context(), store.Filter{Recipient: "bob@b.example"})
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		return err == nil && len(p.Records) == 2 && p.Records[1].State.DelayTold
	})
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatal(err)
	}
	if _, events, err := q.Timeline(t.Context(), m.ID); err != nil || len(events) != 2 {
		t.Fatalf("timeline %v, %v", events, err)
	}
}

// finishMany retires messages and waits until the index is beyond them.
func finishMany(t *testing.T, q *Queue, n int) {
	t.Helper()
	for range n {
		m := newMessage("bob")
		mustPut(t, q, m, "x")
		s := relay.NewState(m)
		s.Revision, s.Recipients[0].Outcome, s.Recipients[0].Reported = 1, relay.Delivered, true
		err := q.Record(t.Context(), m.ID, s, relay.Event{Kind: relay.EventAttempt, At: time.Now(), Detail: strings.Repeat("d", 2000)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatalf("the index stands still: %v", err)
	}
}

// A month of history that is full costs timelines, and nothing else.
func TestHistoryFull(t *testing.T) {
	t.Parallel()
	q := openSmall(t, smallQueue(t.TempDir()))
	q.index.history.mu.Lock()
	q.index.history.kind.limit = 256 << 10
	q.index.history.mu.Unlock()
	for range 10 {
		finishMany(t, q, 40)
	}
	files, _ := filepath.Glob(filepath.Join(q.opt.Dir, "index", historyPrefix+"*"))
	if len(files) != 1 {
		t.Fatalf("history: %v", files)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Size() > 256<<10 {
		t.Fatalf("the history has %d octets, %v", info.Size(), err)
	}
	within(t, "the journal is given up", func() bool {
		oldest, head := q.journal.Oldest()
		return oldest > 1 && head-oldest < 8
	})
}
