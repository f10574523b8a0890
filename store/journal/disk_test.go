package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

// A disk that cannot be read for the moment costs no record: the start is refused,
// nothing is set aside, and the next start finds everything. Whichever read fails, of
// whichever file.
func TestReadErrorRefusesStart(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one", strings.Repeat("two", 3000), "three")
	disk = disk.Crash(drop)
	l = open(t, small(disk))
	l.mustAppend(t, "four")
	disk = disk.Crash(drop)
	before, _ := disk.List(".")
	for failing := 0; ; failing++ {
		reads := 0
		disk.SetFault(func(op simdisk.Op, _ string) error {
			if op != simdisk.OpRead {
				return nil
			}
			if reads++; reads == failing+1 {
				return syscall.EIO
			}
			return nil
		})
		l, err := tryOpen(small(disk))
		disk.SetFault(nil)
		if reads <= failing {
			if err != nil || failing < 4 {
				t.Fatalf("open without a fault, after %d: %v", failing, err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "segment-00000") {
			t.Fatalf("read %d failed, and open says %v", failing, err)
		}
		if after, _ := disk.List("."); len(l.damage) > 0 || fmt.Sprint(after) != fmt.Sprint(before) {
			t.Fatalf("read %d failed: set aside %v, files %v", failing, l.damage, after)
		}
	}
	l = open(t, small(disk))
	l.has(t, "one", strings.Repeat("two", 3000), "three", "four")
	if len(l.damage) > 0 {
		t.Fatalf("damage reported: %v", l.damage)
	}
}

// A start that was itself cut off before it wrote the last group again leaves that to
// the next one.
func TestTailIsWrittenAgainAfterCutStart(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one", "two")
	disk = disk.Crash(keep)
	disk.SetFault(func(op simdisk.Op, name string) error {
		if op == simdisk.OpSync && name == "segment-000002" {
			return errors.New("power is going")
		}
		return nil
	})
	if _, err := tryOpen(small(disk)); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("open: %v", err)
	}
	// Of what the cut start wrote, the header alone reached the disk.
	disk = disk.Crash(keep)
	disk.Edit("segment-000002", func(b []byte) { clear(b[4096:]) })
	l = open(t, small(disk))
	if n := len(l.replayed); n != 3 || l.replayed[n-1].payload != "two" || l.replayed[n-1].ref == l.replayed[n-2].ref {
		t.Fatalf("the last group was not written again: %v", l.replayed)
	}
}

// filled gives a log of two segments at least, of which the first can be released.
func filled(t *testing.T, disk *simdisk.Disk) (l *log, ref journal.Ref) {
	t.Helper()
	l = open(t, small(disk))
	ref, err := l.Append(put(1, 1, "first"))
	if err != nil {
		t.Fatal(err)
	}
	for head := uint64(1); head < 3; _, head = l.Oldest() {
		l.mustAppend(t, strings.Repeat("y", 20<<10))
	}
	return l, ref
}

// A segment whose file does not go away ends the use of the log: were the next one
// given up, the dead of this one would come back.
func TestFailedDeletionIsFinal(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l, ref := filled(t, disk)
	p, err := l.Journal.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == "remove" {
			return syscall.EIO
		}
		return nil
	})
	if err := l.Release(1); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("release: %v", err)
	}
	disk.SetFault(nil)
	if err := l.Release(2); !errors.Is(err, store.ErrUnknown) {
		t.Fatalf("release of the next: %v", err)
	}
}

// A file system that never writes in place may have no room even to blank a segment:
// its file is deleted.
func TestReleaseOnFullDisk(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l, _ := filled(t, disk)
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	if err := l.Release(1); err != nil {
		t.Fatalf("release: %v", err)
	}
	if names, _ := disk.List("."); slices.Contains(names, first) {
		t.Fatalf("the segment is still there: %v", names)
	}
	disk.SetFault(nil)
	l.mustAppend(t, "on it goes")
}

// A segment that was made and cannot be opened leaves no file: there would be one more
// at every attempt.
func TestSegmentThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	o := small(disk)
	o.RoomRetry = 1
	l := open(t, o)
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == "open" {
			return syscall.EMFILE
		}
		return nil
	})
	text := strings.Repeat("y", 20<<10)
	for refused := 0; refused < 20; {
		_, err := l.Append(put(1, 1, text))
		switch {
		case errors.Is(err, store.ErrFull):
			refused++
		case err != nil:
			t.Fatalf("append: %v", err)
		}
	}
	if names, _ := disk.List("."); len(names) > 5 {
		t.Fatalf("files left: %v", names)
	}
	disk.SetFault(nil)
	var err error
	for n := 0; n < 100; n++ { // an attempt that was under way may still fail
		if _, err = l.Append(put(1, 1, text)); err == nil {
			return
		}
	}
	t.Fatalf("append when files open again: %v", err)
}
