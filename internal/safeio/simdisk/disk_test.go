package simdisk_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/safeio/simdisk"
)

func content(t *testing.T, fsys safeio.FS, name string) []byte {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	size, _ := f.Size()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A crash keeps what was flushed, and of the rest every subset of sectors can be left.
func TestCrashDropsAnySubset(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for mask := range 8 {
		disk := simdisk.New()
		f, err := disk.Create("file")
		if err != nil {
			t.Fatal(err)
		}
		old := bytes.Repeat([]byte("o"), 3*simdisk.SectorSize)
		if _, err := f.WriteAt(old, 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), disk.SyncDir(".")); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(bytes.Repeat([]byte("n"), len(old)), 0); err != nil {
			t.Fatal(err)
		}
		asked := 0
		after := disk.Crash(func() bool { asked++; return mask>>(asked-1)&1 == 1 })
		if _, err := f.WriteAt(old, 0); !errors.Is(err, simdisk.ErrCrashed) {
			t.Fatalf("write after the crash: %v", err)
		}
		b := content(t, after, "file")
		seen[string([]byte{b[0], b[simdisk.SectorSize], b[2*simdisk.SectorSize]})] = true
	}
	if len(seen) != 8 {
		t.Fatalf("%d of 8 subsets were seen: %v", len(seen), seen)
	}
}

func TestCrashDropsNames(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		disk := simdisk.New()
		f, err := disk.Create("file")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
		after := disk.Crash(func() bool { return keep })
		if names, _ := after.List("."); len(names) == 1 != keep {
			t.Fatalf("keep %v: %v", keep, names)
		}
	}
}
