package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// Many short lives and a few long ones: the journal stays small, what lives survives
// being written again, and nothing that was retired comes back.
func TestRecycling(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	var long []*relay.Message
	for i := range 600 {
		m := newMessage("bob")
		mustPut(t, q, m, fmt.Sprint(i, strings.Repeat("x", 3000)))
		if i%60 == 7 {
			s := relay.NewState(m)
			s.Revision, s.DelayTold = 1, true
			if err := q.Record(t.Context(), m.ID, s, relay.Event{Kind: relay.EventAttempt, At: time.Now()}); err != nil {
				t.Fatal(err)
			}
			long = append(long, m)
			continue
		}
		finish(t, q, m)
	}
	check := func() {
		t.Helper()
		if u := q.Usage(); u.Messages != int64(len(long)) {
			t.Fatalf("usage %+v, want %d messages", u, len(long))
		}
		for i, m := range long {
			if got := contentOf(t, q, m.ID); !strings.HasPrefix(got, fmt.Sprint(i*60+7, "x")) {
				t.Fatalf("content of %d is %.20q", i, got)
			}
			if _, s, err := q.Get(t.Context(), m.ID); err != nil || s.Revision != 1 || !s.DelayTold {
				t.Fatalf("state of %d is %+v, %v", i, s, err)
			}
			if _, events, err := q.Timeline(t.Context(), m.ID); err != nil || len(events) != 2 {
				t.Fatalf("timeline of %d is %v, %v", i, events, err)
			}
		}
	}
	check()
	within(t, "recycling", func() bool {
		oldest, head := q.journal.Oldest()
		return oldest > 1 && head-oldest <= 6
	})
	check()
	o.FS = disk.Crash(func() bool { return false })
	q.Close() //nolint:errcheck // it has no disk any more
	q = openSmall(t, o)
	check()
}

// While the recycler moves messages, Record and Open go on with them.
func TestRecyclingUnderFire(t *testing.T) {
	t.Parallel()
	q := openSmall(t, onDisk(t, simdisk.New()))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			m := newMessage("bob")
			mustPut(t, q, m, strings.Repeat("long", 200))
			for i := range 60 {
				s := relay.NewState(m)
				s.Revision = uint64(i + 1)
				if err := q.Record(context.Background(), m.ID, s, relay.Event{Kind: relay.EventAttempt}); err != nil {
					t.Errorf("record: %v", err)
				}
				short := newMessage("bob")
				mustPut(t, q, short, strings.Repeat("x", 3000))
				if contentOf(t, q, m.ID) != strings.Repeat("long", 200) {
					t.Error("content changed")
				}
				finish(t, q, short)
			}
			finish(t, q, m)
		})
	}
	wg.Wait()
	if u := q.Usage(); u != (store.Usage{}) {
		t.Fatalf("usage at the end: %+v", u)
	}
}

// A submission whose 250 never came is remembered though its segment was used again.
func TestKeySurvivesRecycling(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	key := func() relay.SubmissionKey { return relay.SubmissionKey{9} }
	first := newMessage("bob")
	if _, err := q.Put(t.Context(), first, key, strings.NewReader("body")); err != nil {
		t.Fatal(err)
	}
	finish(t, q, first)
	for range 200 {
		m := newMessage("bob")
		mustPut(t, q, m, strings.Repeat("x", 3000))
		finish(t, q, m)
	}
	within(t, "the first segment is given up", func() bool {
		oldest, _ := q.journal.Oldest()
		return oldest > 1
	})
	o.FS = disk.Crash(func() bool { return false })
	q.Close() //nolint:errcheck // it has no disk any more
	q = openSmall(t, o)
	id, err := q.Put(t.Context(), newMessage("bob"), key, strings.NewReader("body"))
	if err != nil || id != first.ID {
		t.Fatalf("the repetition became %s, %v; want %s", id, err, first.ID)
	}
}

func TestKeyExpires(t *testing.T) {
	t.Parallel()
	o := onDisk(t, simdisk.New())
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	q := openSmall(t, o)
	key := func() relay.SubmissionKey { return relay.SubmissionKey{9} }
	first, second := newMessage("bob"), newMessage("bob")
	for _, step := range []struct {
		wait time.Duration
		m    *relay.Message
		want relay.ID
	}{{0, first, first.ID}, {23 * time.Hour, second, first.ID}, {time.Hour, second, second.ID}} {
		now.Add(int64(step.wait))
		if id, err := q.Put(t.Context(), step.m, key, strings.NewReader("x")); err != nil || id != step.want {
			t.Fatalf("after %v: %s, %v, want %s", step.wait, id, err, step.want)
		}
	}
}

// A queue that is closed while the recycler waits for a message must not take the
// segment for empty.
func TestCloseWhileRecyclerWaits(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	m := newMessage("bob")
	mustPut(t, q, m, "still here")
	oldest, _ := q.journal.Oldest()
	q.mu.Lock()
	q.live[m.ID].busy = true // a Record of it is on its way
	q.mu.Unlock()
	for head := oldest; head == oldest; _, head = q.journal.Oldest() {
		short := newMessage("eve")
		mustPut(t, q, short, strings.Repeat("x", 3000))
		finish(t, q, short)
	}
	if err := q.index.passed(t.Context(), journal.Position{Segment: oldest + 1}); err != nil {
		t.Fatal(err)
	}
	q.mu.Lock()
	q.closed = true // as Close begins
	q.mu.Unlock()
	if err := q.recycleOldest(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Errorf("recycling a segment in which a message lives: %v", err)
	}
	q.mu.Lock()
	q.closed = false
	q.mu.Unlock()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got := contentOf(t, openSmall(t, o), m.ID); got != "still here" {
		t.Fatalf("content %q", got)
	}
}
