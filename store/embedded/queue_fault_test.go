package embedded

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// onDisk are small options on a simulated disk.
func onDisk(t testing.TB, disk *simdisk.Disk) QueueOptions {
	o := smallQueue(t.TempDir())
	o.FS, o.Log = disk, testLog(t)
	return o
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
		err := q.Record(t.Context(), m.ID, s, relay.Event{Kind: relay.EventAttempt})
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
		if op == simdisk.OpWrite && name == "journal/segment-000001" {
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
