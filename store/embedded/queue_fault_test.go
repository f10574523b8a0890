package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// onDisk are small options on a simulated disk.
func onDisk(t testing.TB, disk *simdisk.Disk) QueueOptions {
	o := smallQueue(t.TempDir())
	o.FS, o.Log = disk, testLog(t)
	return o
}

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

func TestLimits(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*QueueOptions, *simdisk.Disk){
		"messages":  func(o *QueueOptions, _ *simdisk.Disk) { o.MaxMessages = 1 },
		"octets":    func(o *QueueOptions, _ *simdisk.Disk) { o.MaxBytes = 30_000 },
		"free disk": func(o *QueueOptions, d *simdisk.Disk) { o.MinFree = 1 << 20 },
	}
	for name, set := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := simdisk.New()
			o := onDisk(t, disk)
			set(&o, disk)
			var tick atomic.Int64
			o.Now = func() time.Time { return time.Now().Add(time.Duration(tick.Add(1)) * time.Second) }
			q := openSmall(t, o)
			m := newMessage("bob")
			mustPut(t, q, m, strings.Repeat("x", 20_000))
			disk.SetCapacity(1 << 20)
			if _, err := q.Put(t.Context(), newMessage("bob"), nil, strings.NewReader(strings.Repeat("y", 20_000))); !errors.Is(err, store.ErrFull) {
				t.Fatalf("put beyond the limit: %v", err)
			}
			if names, _ := disk.List(bodyDir); len(names) != 1 {
				t.Fatalf("files after the refusal: %v", names)
			}
			finish(t, q, m)
			disk.SetCapacity(0)
			mustPut(t, q, newMessage("bob"), strings.Repeat("x", 20_000))
		})
	}
}

// On a full disk nothing is accepted, what is known is recorded, and all goes on by
// itself when there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	o.Journal.RoomRetry, o.Journal.Reserve = time.Nanosecond, 3
	q := openSmall(t, o)
	disk.SetCapacity(12 * 64 << 10)
	var kept []*relay.Message
	for len(kept) < 500 {
		m := newMessage("bob")
		_, err := q.Put(t.Context(), m, nil, strings.NewReader(strings.Repeat("x", 3000)))
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			t.Fatalf("put: %v", err)
		}
		kept = append(kept, m)
	}
	if len(kept) == 500 {
		t.Fatal("the disk never became full")
	}
	for _, m := range kept {
		finishFull(t, q, m)
	}
	disk.SetCapacity(0)
	mustPut(t, q, newMessage("bob"), "after")
	select {
	case <-q.Failed():
		t.Fatal("a full disk was taken for a failed flush")
	default:
	}
}

// finishFull goes on as the conductor does when there is no room for the moment.
func finishFull(t *testing.T, q *Queue, m *relay.Message) {
	t.Helper()
	s := relay.NewState(m)
	s.Revision, s.Recipients[0].Outcome, s.Recipients[0].Reported = 1, relay.Delivered, true
	within(t, "record on a full disk", func() bool {
		err := q.Record(t.Context(), m.ID, s, relay.Event{Kind: relay.EventDone})
		if err != nil && !errors.Is(err, store.ErrFull) {
			t.Fatalf("record on a full disk: %v", err)
		}
		return err == nil
	})
}

// within waits until something holds, and fails if that takes too long.
func within(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("%s: not in time", what)
		case <-tick.C:
		}
	}
}

// A write or flush that fails while a large body is made never answers wrongly.
func TestBodyFileFaults(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	cases := []struct {
		op   simdisk.Op
		err  error
		want error
		dead bool
	}{
		{simdisk.OpCreate, syscall.ENOSPC, store.ErrFull, false},
		{simdisk.OpWrite, syscall.ENOSPC, store.ErrFull, false},
		{simdisk.OpWrite, broken, broken, false},
		{simdisk.OpRename, syscall.ENOSPC, store.ErrFull, false},
		{simdisk.OpSync, broken, store.ErrUnknown, true},
		{simdisk.OpSyncDir, broken, store.ErrUnknown, true},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.op, " ", c.err), func(t *testing.T) {
			t.Parallel()
			disk := simdisk.New()
			q := openSmall(t, onDisk(t, disk))
			disk.SetFault(func(op simdisk.Op, name string) error {
				if op == c.op && strings.HasPrefix(name, bodyDir) {
					return c.err
				}
				return nil
			})
			if _, err := q.Put(t.Context(), newMessage("bob"), nil, strings.NewReader(strings.Repeat("x", 20_000))); !errors.Is(err, c.want) {
				t.Fatalf("put: %v, want %v", err, c.want)
			}
			disk.SetFault(nil)
			_, err := q.Put(t.Context(), newMessage("bob"), nil, strings.NewReader("x"))
			if dead := errors.Is(err, store.ErrUnknown); dead != c.dead {
				t.Fatalf("the next put: %v", err)
			}
		})
	}
}

func TestDamagedBodyIsNeverWhole(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	q := openSmall(t, onDisk(t, disk))
	small, large := newMessage("bob"), newMessage("bob")
	mustPut(t, q, small, "needle in the small one")
	mustPut(t, q, large, "needle"+strings.Repeat("x", 20_000))
	flip := func(b []byte) {
		if i := strings.Index(string(b), "needle"); i >= 0 {
			b[i] ^= 1
		}
	}
	disk.Edit("journal/segment-000001", flip)
	disk.Edit(bodyName(large.ID), flip)
	for _, m := range []*relay.Message{small, large} {
		c, err := q.Open(t.Context(), m.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c.Reader()); !errors.Is(err, ErrDamaged) {
			t.Fatalf("read a damaged body: %v", err)
		}
		c.Close()
	}
}

// A damaged record is set aside visibly, a body file that lost its record with it.
func TestDamageIsQuarantined(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	good, small, large := newMessage("bob"), newMessage("eve"), newMessage("max")
	for _, m := range []*relay.Message{small, large, good} {
		body := "needle " + m.Envelope.Recipients[0].Address.Local
		if m == large {
			body += strings.Repeat("x", 20_000)
		}
		mustPut(t, q, m, body)
	}
	disk = disk.Crash(func() bool { return false })
	q.Close() //nolint:errcheck // it has no disk any more
	for _, m := range []*relay.Message{small, large} {
		disk.Edit("journal/segment-000001", func(b []byte) { b[strings.Index(string(b), m.HeaderID)] ^= 1 })
	}
	o.FS = disk
	q = openSmall(t, o)
	if u := q.Usage(); u.Messages != 1 {
		t.Fatalf("usage %+v", u)
	}
	if got := contentOf(t, q, good.ID); got != "needle bob" {
		t.Fatalf("content %q", got)
	}
	names, _ := disk.List(quarantineDir)
	if got := strings.Join(names, " "); len(names) != 3 || !strings.Contains(got, large.ID.String()) {
		t.Fatalf("set aside: %v", names)
	}
}

// A body file whose record a crash kept away is removed.
func TestOrphanIsRemoved(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := onDisk(t, disk)
	q := openSmall(t, o)
	disk.SetFault(func(op simdisk.Op, name string) error {
		if op == simdisk.OpWrite && strings.HasPrefix(name, "journal") {
			return simdisk.ErrCrashed
		}
		return nil
	})
	if _, err := q.Put(t.Context(), newMessage("bob"), nil, strings.NewReader(strings.Repeat("x", 20_000))); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("put: %v", err)
	}
	if names, _ := disk.List(bodyDir); len(names) != 1 {
		t.Fatalf("the body was not written first: %v", names)
	}
	o.FS = disk.Crash(func() bool { return true })
	q.Close() //nolint:errcheck // it failed
	openSmall(t, o)
	if names, _ := o.FS.List(bodyDir); len(names) != 0 {
		t.Fatalf("orphans remain: %v", names)
	}
}

// Without the index all that lives is there, and lists and timelines as well.
func TestIndexIsMadeAgain(t *testing.T) {
	t.Parallel()
	spoil := map[string]func(string) error{
		"deleted":   os.RemoveAll,
		"truncated": func(dir string) error { return os.Truncate(filepath.Join(dir, "state.db"), 5000) },
		"scrambled": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "state.db"), []byte(strings.Repeat("no database", 4000)), 0o600)
		},
	}
	for name, spoil := range spoil {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := smallQueue(t.TempDir())
			o.Log = testLog(t)
			q := openSmall(t, o)
			waits, done := newMessage("bob"), newMessage("bob")
			mustPut(t, q, waits, "waits")
			mustPut(t, q, done, "done")
			finish(t, q, done)
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(o.Dir, "index")); err != nil {
				t.Fatal(err)
			}
			q = openSmall(t, o)
			if got := contentOf(t, q, waits.ID); got != "waits" {
				t.Fatalf("content %q", got)
			}
			p, err := q.List(t.Context(), store.Filter{Recipient: "bob@b.example"})
			if err != nil || len(p.Records) != 2 || p.Records[0].Message.ID != done.ID {
				t.Fatalf("list: %+v, %v", p, err)
			}
		})
	}
}

func TestHistoryIsPruned(t *testing.T) {
	t.Parallel()
	o := smallQueue(t.TempDir())
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	o.Now = func() time.Time { return time.Unix(0, now.Load()) }
	q := openSmall(t, o)
	m := newMessage("bob")
	mustPut(t, q, m, "x")
	finish(t, q, m)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		known bool
	}{{29 * 24 * time.Hour, true}, {62 * 24 * time.Hour, false}} {
		now.Store(time.Now().Add(step.after).UnixNano())
		q = openSmall(t, o)
		if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
			t.Fatal(err)
		}
		q.index.history.prune(o.Now().Add(-DefaultRetention))
		_, _, err := q.Timeline(t.Context(), m.ID)
		if known := err == nil; known != step.known {
			t.Fatalf("after %v: %v", step.after, err)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	o := smallQueue(filepath.Join(t.TempDir(), "a", "queue"))
	q := openSmall(t, o)
	mustPut(t, q, newMessage("bob"), strings.Repeat("x", 20_000))
	err := filepath.Walk(o.Dir, func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Beyond its budget of memory a body goes into a file, and is as whole there.
func TestSpoolMemory(t *testing.T) {
	t.Parallel()
	o := onDisk(t, simdisk.New())
	o.InlineBody, o.SpoolMemory = 1<<20, 1<<20+1
	o.Journal.SegmentSize, o.Journal.MaxGroup = 8<<20, 4<<20
	q := openSmall(t, o)
	body := strings.Repeat("0123456789abcdef", 40<<10)
	arriving, parked := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	first, second := newMessage("bob"), newMessage("bob")
	wg.Go(func() {
		slow := io.MultiReader(strings.NewReader(body), waitReader{arriving, parked})
		if _, err := q.Put(context.Background(), first, nil, slow); err != nil {
			t.Errorf("put: %v", err)
		}
	})
	<-arriving // the first has taken all of the budget
	mustPut(t, q, second, body)
	close(parked)
	wg.Wait()
	if names, _ := o.FS.List(bodyDir); len(names) != 1 || bodyDir+"/"+names[0] != bodyName(second.ID) {
		t.Fatalf("files: %v", names)
	}
	for _, m := range []*relay.Message{first, second} {
		if contentOf(t, q, m.ID) != body {
			t.Fatal("the content changed")
		}
	}
	if q.buffers.left != o.SpoolMemory {
		t.Fatalf("%d of the budget of %d came back", q.buffers.left, o.SpoolMemory)
	}
}

// waitReader says that it is reached, and waits.
type waitReader struct{ reached, until chan struct{} }

func (w waitReader) Read([]byte) (int, error) {
	close(w.reached)
	<-w.until
	return 0, io.EOF
}

// What memory holds of a waiting message stays under 300 octets.
func TestEntryIsSmall(t *testing.T) {
	q := openSmall(t, onDisk(t, simdisk.New()))
	const n = 100_000
	measure := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure()
	q.mu.Lock()
	for i := range n {
		e := &entry{id: relay.NewID(time.Now()), size: 1}
		q.admit(e, journal.Ref{Segment: uint64(i/1000 + 10), Length: 4000})
	}
	q.mu.Unlock()
	each := (measure() - before) / n
	t.Logf("%d octets for each message", each)
	if each == 0 || each > 300 {
		t.Fatalf("memory holds %d octets of each message", each)
	}
	q.mu.Lock()
	clear(q.live)
	q.mu.Unlock()
}
