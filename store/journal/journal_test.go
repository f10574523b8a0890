package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// small are options with which a few records fill a segment.
func small(fs safeio.FS) journal.Options {
	return journal.Options{FS: fs, SegmentSize: 64 << 10, MaxGroup: 32 << 10, Reserve: 1}
}

// log is a journal and what its replay gave.
type log struct {
	*journal.Journal
	replayed []entry
	damage   []journal.Damage
}

type entry struct {
	id       byte
	revision uint64
	kind     byte
	payload  string
	ref      journal.Ref
}

func open(t *testing.T, o journal.Options) *log {
	t.Helper()
	l, err := tryOpen(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func tryOpen(o journal.Options) (*log, error) {
	l := &log{}
	o.Replay = func(it *journal.Item) error {
		p, err := it.Payload(-1)
		if err != nil {
			return err
		}
		l.replayed = append(l.replayed, entry{it.ID[0], it.Revision, it.Type, string(p), it.Ref})
		return nil
	}
	o.Damaged = func(d journal.Damage, content io.Reader) { l.damage = append(l.damage, d) }
	var err error
	l.Journal, err = journal.Open(o)
	return l, err
}

func put(id byte, revision uint64, payload string) journal.Record {
	return journal.Record{ID: [16]byte{id}, Revision: revision, Type: 1, Payload: [][]byte{[]byte(payload)}}
}

// read gives the payload at ref.
func (l *log) read(t *testing.T, ref journal.Ref) string {
	t.Helper()
	p, err := l.Open(ref)
	if err != nil {
		t.Fatalf("open payload: %v", err)
	}
	defer p.Close()
	b, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
	if err != nil {
		t.Fatalf("read payload: %v", err)
	}
	return string(b)
}

// has checks that exactly these payloads were replayed, each at least once, in
// order, repetitions left out.
func (l *log) has(t *testing.T, want ...string) {
	t.Helper()
	seen := map[string]bool{}
	var got []string
	for _, e := range l.replayed {
		if !seen[e.payload] {
			seen[e.payload] = true
			got = append(got, e.payload)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("replayed %.200q, want %.200q", got, want)
	}
}

func TestAppendSurvivesCrash(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	ref, err := l.Append(journal.Record{ID: [16]byte{7}, Revision: 3, Type: 9, Payload: [][]byte{[]byte("one"), []byte("two")}})
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if got := l.read(t, ref); got != "onetwo" {
		t.Fatalf("payload %q", got)
	}
	l = open(t, small(disk.Crash(func() bool { return false })))
	l.has(t, "onetwo")
	e := l.replayed[len(l.replayed)-1]
	if e.id != 7 || e.revision != 3 || e.kind != 9 {
		t.Fatalf("replayed %+v", e)
	}
	if got := l.read(t, e.ref); got != "onetwo" {
		t.Fatalf("payload after replay %q", got)
	}
}

func TestConcurrentAppendsShareFlushes(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	flushes, told, shared := 0, 0, 0
	l := open(t, journal.Options{FS: simdisk.Slow{FS: disk, Delay: 2e6}, SegmentSize: 1 << 20, Reserve: 1,
		Flushed: func(records int, took time.Duration) {
			told, shared = told+1, shared+records
			if took < 2e6 {
				t.Errorf("a flush of 2ms took %v", took)
			}
		}})
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpSync {
			flushes++
		}
		return nil
	})
	var wg sync.WaitGroup
	for w := range 32 {
		wg.Go(func() {
			for i := range 4 {
				if _, err := l.Append(put(byte(w), uint64(i), "x")); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	disk.SetFault(nil)
	if told == 0 || told > flushes || shared != 128 {
		t.Errorf("told of %d flushes for %d records; there were %d", told, shared, flushes)
	}
	if flushes > 64 {
		t.Fatalf("%d flushes for 128 records of 32 writers", flushes)
	}
	l = open(t, small(disk.Crash(func() bool { return false })))
	got := map[[2]uint64]bool{}
	for _, e := range l.replayed {
		got[[2]uint64{uint64(e.id), e.revision}] = true
	}
	if len(got) != 128 {
		t.Fatalf("%d records replayed, want 128", len(got))
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	var want []string
	for i := range 40 {
		text := fmt.Sprintf("%02d%s", i, bytes.Repeat([]byte("x"), 6000))
		want = append(want, text)
		if _, err := l.Append(put(byte(i), 1, text)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if oldest, head := l.Oldest(); oldest != 1 || head < 4 {
		t.Fatalf("segments %d to %d, want several", oldest, head)
	}
	l = open(t, small(disk.Crash(func() bool { return false })))
	l.has(t, want...)
}

func TestLargestRecord(t *testing.T) {
	t.Parallel()
	l := open(t, small(simdisk.New()))
	if _, err := l.Append(put(1, 1, string(make([]byte, 59<<10)))); err != nil {
		t.Fatalf("a record of a whole segment: %v", err)
	}
	if _, err := l.Append(put(1, 1, string(make([]byte, 64<<10)))); err == nil {
		t.Fatal("a record larger than a segment was taken")
	}
}

func TestLazyRidesAlong(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := small(disk)
	o.LazyDelay = 1 << 40
	l := open(t, o)
	if err := l.EnqueueLazy(put(1, 1, "lazy")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(put(2, 1, "urgent")); err != nil {
		t.Fatal(err)
	}
	open(t, small(disk.Crash(func() bool { return false }))).has(t, "lazy", "urgent")
}

func TestLazyAlone(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := small(disk)
	o.LazyDelay = 1e6
	l := open(t, o)
	flushed := make(chan struct{}, 8)
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpSync {
			flushed <- struct{}{}
		}
		return nil
	})
	if err := l.EnqueueLazy(put(1, 1, "lazy")); err != nil {
		t.Fatal(err)
	}
	<-flushed
	if err := l.Close(); err != nil { // waits for the writer
		t.Fatal(err)
	}
	disk.SetFault(nil)
	open(t, small(disk.Crash(func() bool { return false }))).has(t, "lazy")
}

func TestFailedFlushIsFinal(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	if _, err := l.Append(put(1, 1, "kept")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpSync {
			return broken
		}
		return nil
	})
	_, err := l.Append(put(2, 1, "unknown"))
	if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrFull) {
		t.Fatalf("append with a failed flush: %v", err)
	}
	<-l.Failed()
	disk.SetFault(nil) // the disk recovers; the journal must not
	if _, err := l.Append(put(3, 1, "late")); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("append after a failed flush: %v", err)
	}
	if err := l.EnqueueLazy(put(3, 1, "late")); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("lazy append after a failed flush: %v", err)
	}
}

// A flush fails, the system forgets it and believes its pages clean, the program
// starts again and reads them, and then the power goes.
func TestTailIsWrittenAgain(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	if _, err := l.Append(put(1, 1, "kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(put(2, 1, "tail")); err != nil {
		t.Fatal(err)
	}
	again := open(t, small(disk.Crash(keep)))
	again.has(t, "kept", "tail")
	last := again.replayed[len(again.replayed)-1]
	if last.payload != "tail" || last.ref.Segment != 2 {
		t.Fatalf("the last group was not written again: %+v", again.replayed)
	}
}

func TestAppendAfterClose(t *testing.T) {
	t.Parallel()
	l := open(t, small(simdisk.New()))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(put(1, 1, "late")); !errors.Is(err, store.ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
}
