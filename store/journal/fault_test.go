package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/journal"
)

const first = "segment-000001"

func drop() bool { return false }
func keep() bool { return true } // as after a kill: the system still has everything

// mustAppend appends texts one by one, each in a group of its own.
func (l *log) mustAppend(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := l.Append(put(1, 1, text)); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
}

// A crash drops any subset of the sectors of the last group: what was acknowledged
// is there, and of the last group all or nothing.
func TestTornTailIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		disk := simdisk.New()
		l := open(t, small(disk))
		l.mustAppend(t, "kept one", "kept two")
		disk.SetFault(func(op simdisk.Op, _ string) error {
			if op == simdisk.OpSync {
				return errors.New("power is going")
			}
			return nil
		})
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				l.Append(put(byte(i), 1, fmt.Sprint("torn", i, strings.Repeat("x", 3000)))) //nolint:errcheck // unknown
			})
		}
		wg.Wait()
		odds := rng.Float64()
		l = open(t, small(disk.Crash(func() bool { return rng.Float64() < odds })))
		if len(l.replayed) < 2 || l.replayed[0].payload != "kept one" || l.replayed[1].payload != "kept two" {
			t.Fatalf("seed %d: replayed %d records: %.80v", seed, len(l.replayed), l.replayed)
		}
		if len(l.damage) > 0 {
			t.Fatalf("seed %d: a torn tail was taken for damage: %v", seed, l.damage)
		}
		for _, e := range l.replayed[2:] {
			if len(e.payload) != 3005 && !strings.HasPrefix(e.payload, "kept") {
				t.Fatalf("seed %d: replayed %.40q", seed, e.payload)
			}
		}
	}
}

// Damage below the mark: only what does not read is missing, and it is reported.
func TestDamageIsSetAside(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		find string // the damage is so many octets from the first of these
		off  int
		lost string
	}{
		{"in a payload", "two", 0, "two"},
		{"in the header of a record", "two", -20, "two"},
		{"in the header of a group", "two", -56 - 30, "two"},
		{"in a payload, segment long ago", "one", 1, "one"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			disk := simdisk.New()
			l := open(t, small(disk))
			l.mustAppend(t, "one", "two", "three")
			disk = disk.Crash(drop)
			if c.lost == "one" {
				open(t, small(disk)).mustAppend(t, "four")
				disk = disk.Crash(drop)
			}
			disk.Edit(first, func(b []byte) { b[bytes.Index(b, []byte(c.find))+c.off] ^= 1 })
			l = open(t, small(disk))
			for _, e := range l.replayed {
				if e.payload == c.lost {
					t.Fatalf("the damaged record was replayed")
				}
			}
			if len(l.damage) != 1 || l.damage[0].File != first {
				t.Fatalf("damage reported: %v", l.damage)
			}
			if n := len(l.replayed); n < 2 {
				t.Fatalf("%d records left: %v", n, l.replayed)
			}
		})
	}
}

// After an orderly end, damage of the very last group is no torn tail.
func TestDamageOfLastGroupAfterClose(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one", "two")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	disk.Edit(first, func(b []byte) { b[bytes.Index(b, []byte("two"))] ^= 1 })
	l = open(t, small(disk))
	l.has(t, "one")
	if len(l.damage) != 1 {
		t.Fatalf("damage reported: %v", l.damage)
	}
}

// One copy of a segment's header is enough; without both, the file is kept for a
// person and all else goes on.
func TestDamagedSegmentHeader(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one")
	disk = disk.Crash(keep)
	l = open(t, small(disk))
	l.mustAppend(t, "two")
	disk = disk.Crash(drop)
	disk.Edit(first, func(b []byte) { b[20] ^= 1 })
	open(t, small(disk)).has(t, "one", "two")
	disk = disk.Crash(drop)
	disk.Edit(first, func(b []byte) { b[2048+20] ^= 1 }) // the other copy is damaged already
	l = open(t, small(disk))
	l.has(t, "one", "two") // "one" was written again at the second start
	if len(l.damage) == 0 {
		t.Fatal("the damaged file was not reported")
	}
	names, _ := disk.List(".")
	if !strings.Contains(strings.Join(names, " "), first+".damaged") {
		t.Fatalf("the damaged file is not kept: %v", names)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one")
	disk = disk.Crash(drop)
	disk.Edit(first, func(b []byte) { journal.RaiseVersion(b); journal.RaiseVersion(b[2048:]) })
	if _, err := tryOpen(small(disk)); err == nil || !strings.Contains(err.Error(), "format version") {
		t.Fatalf("open: %v", err)
	}
}

// A client knows every byte that was ever on the disk, old generations included, and
// sends them as bodies. The segments are used again, and parts are damaged so that
// the replay has to search.
func TestPlantedRecordsNeverReplay(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "secret one", "secret two")
	var stolen []byte
	disk.Edit(first, func(b []byte) { stolen = bytes.Clone(b[:40<<10]) })
	disk = disk.Crash(keep)
	l = open(t, small(disk)) // so that the first segment can be released
	if err := l.Release(1); err != nil {
		t.Fatal(err)
	}
	for shift := range 12 {
		// Shifted, so that at some place the stolen groups and records stand aligned.
		body := string(make([]byte, shift*344)) + string(stolen)
		l.mustAppend(t, body, "between")
		if oldest, head := l.Oldest(); head > oldest+1 {
			if err := l.Release(oldest); err != nil {
				t.Fatal(err)
			}
		}
	}
	disk = disk.Crash(drop)
	names, _ := disk.List(".")
	for _, name := range names {
		disk.Edit(name, func(b []byte) {
			for off := 4096; off < len(b); off += 5 * 4096 {
				b[off+1] ^= 1 // headers of groups
			}
		})
	}
	l = open(t, small(disk))
	for _, e := range l.replayed {
		if strings.HasPrefix(e.payload, "secret") {
			t.Fatal("a planted record was replayed")
		}
	}
	if len(l.damage) == 0 || len(l.replayed) == 0 {
		t.Fatalf("nothing was damaged (%v) or nothing was left (%d)", l.damage, len(l.replayed))
	}
}

// A full disk on a write is no failed flush: the record is refused, and stays so.
func TestFullOnWrite(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one")
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpWrite {
			return syscall.ENOSPC
		}
		return nil
	})
	refused := "refused" + strings.Repeat("r", 9000)
	if _, err := l.Append(put(2, 1, refused)); !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnknown) {
		t.Fatalf("append on a full disk: %v", err)
	}
	select {
	case <-l.Failed():
		t.Fatal("a full disk was taken for a failed flush")
	default:
	}
	disk.SetFault(nil)
	l.mustAppend(t, "two")
	open(t, small(disk.Crash(drop))).has(t, "one", "two")
}

// The remains of a refused group must not complete the group that took its place.
func TestRefusedRecordsStayRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		disk := simdisk.New()
		l := open(t, small(disk))
		l.mustAppend(t, "one")
		fault := syscall.ENOSPC
		disk.SetFault(func(op simdisk.Op, _ string) error {
			if op == simdisk.OpWrite {
				return fault
			}
			return nil
		})
		l.Append(put(2, 1, "refused"+strings.Repeat("r", 9000))) //nolint:errcheck // ErrFull
		disk.SetFault(func(op simdisk.Op, _ string) error {
			if op == simdisk.OpSync {
				return errors.New("power is going")
			}
			return nil
		})
		l.Append(put(2, 1, "unknown"+strings.Repeat("u", 9000))) //nolint:errcheck // ErrUnknown
		l = open(t, small(disk.Crash(func() bool { return rng.IntN(2) == 0 })))
		for _, e := range l.replayed {
			if strings.Contains(e.payload, "r") && strings.HasPrefix(e.payload, "refused") {
				t.Fatalf("seed %d: a refused record came back", seed)
			}
		}
	}
}

// On a full disk essential records go on in the reserve, and all goes on when a
// segment is released.
func TestReserveOnFullDisk(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	disk.SetCapacity(6 * 64 << 10)
	o := small(disk)
	o.RoomRetry, o.Reserve = 1, 3
	l := open(t, o)
	text := strings.Repeat("x", 20<<10)
	accepted := 0
	for {
		_, err := l.Append(put(1, 1, text))
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if accepted++; accepted > 20 {
			t.Fatal("the disk never became full")
		}
	}
	result := put(2, 1, text)
	result.Use = journal.UseReserve
	for i := range 4 {
		if _, err := l.Append(result); err != nil {
			t.Fatalf("result %d on a full disk: %v", i, err)
		}
	}
	var err error
	for range 4 {
		_, err = l.Append(result)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("a result took the last segment: %v", err)
	}
	again := put(3, 1, text)
	again.Use = journal.UseLast
	if _, err := l.Append(again); err != nil {
		t.Fatalf("recycling on a full disk: %v", err)
	}
	if _, err := l.Append(put(1, 1, "small")); !errors.Is(err, store.ErrFull) {
		t.Fatalf("accepted into the reserve: %v", err)
	}
	for range 4 {
		oldest, _ := l.Oldest()
		if err := l.Release(oldest); err != nil {
			t.Fatalf("release: %v", err)
		}
	}
	if _, err := l.Append(put(1, 1, text)); err != nil {
		t.Fatalf("after room was made: %v", err)
	}
}

// Bytes that are being read are never written over.
func TestPinnedSegment(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	text := strings.Repeat("pinned", 500)
	ref, err := l.Append(put(1, 1, text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Journal.Open(ref)
	if err != nil {
		t.Fatal(err)
	}
	for head := uint64(1); head < 8; {
		l.mustAppend(t, strings.Repeat("y", 20<<10))
		var oldest uint64
		if oldest, head = l.Oldest(); head > oldest {
			if err := l.Release(oldest); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size()))
	if err != nil || string(got) != text {
		t.Fatalf("read %.20q, %v", got, err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Journal.Open(ref); !errors.Is(err, journal.ErrGone) {
		t.Fatalf("open after release: %v", err)
	}
}

func TestOnlyOldestIsReleased(t *testing.T) {
	t.Parallel()
	l := open(t, small(simdisk.New()))
	for range 12 {
		l.mustAppend(t, strings.Repeat("y", 20<<10))
	}
	oldest, head := l.Oldest()
	for _, seq := range []uint64{oldest + 1, head, head + 1} {
		if l.Release(seq) == nil {
			t.Fatalf("segment %d of %d to %d was released", seq, oldest, head)
		}
	}
}

func TestScan(t *testing.T) {
	t.Parallel()
	l := open(t, small(simdisk.New()))
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("%02d%s", i, strings.Repeat("s", 5000)))
	}
	l.mustAppend(t, want...)
	var at journal.Position
	var got []string
	for calls := 0; at.Before(l.Durable()); calls++ {
		var err error
		at, err = l.Scan(at, 7, func(it *journal.Item) error {
			p, err := it.Payload(-1)
			got = append(got, string(p))
			return err
		})
		if err != nil || calls > 30 {
			t.Fatalf("scan: %v after %d calls", err, calls)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("scanned %d records, want %d", len(got), len(want))
	}
}

// FuzzReplay opens a log with a segment of arbitrary bytes: whatever they are, what
// stands in the other segments is there.
func FuzzReplay(f *testing.F) {
	disk := simdisk.New()
	l, err := tryOpen(small(disk))
	if err != nil {
		f.Fatal(err)
	}
	if _, err := l.Append(put(1, 1, "one")); err != nil {
		f.Fatal(err)
	}
	disk.Edit(first, func(b []byte) { f.Add(bytes.Clone(b[:12<<10]), uint16(0)); f.Add(bytes.Clone(b[4096:8192]), uint16(1)) })
	f.Fuzz(func(t *testing.T, data []byte, block uint16) {
		disk := simdisk.New()
		l := open(t, small(disk))
		l.mustAppend(t, "one")
		disk = disk.Crash(keep)
		l = open(t, small(disk))
		l.mustAppend(t, "two")
		disk = disk.Crash(drop)
		disk.Edit(first, func(b []byte) { copy(b[min(int(block)*4096, len(b)):], data) })
		l, err := tryOpen(small(disk))
		if err != nil {
			return // a version that is not known
		}
		defer l.Close()
		for _, e := range l.replayed {
			if e.payload == "two" {
				return
			}
		}
		t.Fatal("another segment's record is gone")
	})
}

// What cannot be read at the moment is not passed over: the index would miss it.
func TestScanStopsWhereItCannotRead(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	l := open(t, small(disk))
	l.mustAppend(t, "one", "two")
	broken := errors.New("input/output error")
	disk.SetFault(func(op simdisk.Op, _ string) error {
		if op == simdisk.OpRead {
			return broken
		}
		return nil
	})
	at, err := l.Scan(journal.Position{}, 100, func(*journal.Item) error { return nil })
	if !errors.Is(err, broken) || (at != journal.Position{Segment: 1, Offset: 4096}) {
		t.Fatalf("scan went to %v, %v", at, err)
	}
}
