package safeio_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/safeio/simdisk"
)

func openRoot(t *testing.T, path string) *safeio.Root {
	t.Helper()
	root, err := safeio.OpenRoot(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() }) //nolint:errcheck // the directory is thrown away
	return root
}

func read(t *testing.T, fsys safeio.FS, name string) string {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRoot(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b")
	root := openRoot(t, path)
	if err := errors.Join(root.Mkdir("sub"), root.Mkdir("sub")); err != nil {
		t.Fatalf("make a directory twice: %v", err)
	}
	for _, text := range []string{"first", "second, and longer"} {
		if n, err := safeio.Write(root, "sub/file", strings.NewReader(text)); err != nil || n != int64(len(text)) {
			t.Fatalf("write: %d, %v", n, err)
		}
		if got := read(t, root, "sub/file"); got != text {
			t.Fatalf("read %q, want %q", got, text)
		}
	}
	if names, err := root.List("sub"); err != nil || strings.Join(names, " ") != "file" {
		t.Fatalf("list: %v, %v", names, err)
	}
	if names, err := root.List("."); err != nil || len(names) != 0 {
		t.Fatalf("directories are listed as files: %v, %v", names, err)
	}
	if free, err := root.Free(); err != nil || free <= 0 {
		t.Fatalf("free room: %d, %v", free, err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o700, filepath.Join(path, "sub"): 0o700, filepath.Join(path, "sub", "file"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v; want %v", name, info.Mode(), err, mode)
		}
	}
}

// Attack A12: no name leads out of the directory.
func TestA12NamesStayInside(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	root := openRoot(t, filepath.Join(path, "inside"))
	if err := os.WriteFile(filepath.Join(path, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(path, "secret"), filepath.Join(path, "inside", "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../secret", "/etc/passwd", "sub/../../secret", "link", "a\x00b", strings.Repeat("n", 300)} {
		if f, err := root.Open(name); err == nil {
			f.Close()
			t.Errorf("%.20q was opened", name)
		}
		if f, err := root.Create(name); err == nil {
			f.Close()
			t.Errorf("%.20q was made", name)
		}
	}
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "keys", "key")
	if err := safeio.WriteFile(name, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "secret" {
		t.Fatalf("read %q, %v", got, err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "lock")
	first, err := safeio.Lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := safeio.Lock(name); !errors.Is(err, safeio.ErrLocked) {
		t.Fatalf("a second lock: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := safeio.Lock(name)
	if err != nil {
		t.Fatalf("lock after it was given up: %v", err)
	}
	again.Close()
}

// Whatever step fails, and whenever the power goes, a file has its old content or its
// new one; after success, the new one.
func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	long := strings.Repeat("new ", 1000)
	for _, step := range []simdisk.Op{"", simdisk.OpCreate, simdisk.OpWrite, simdisk.OpSync, simdisk.OpRename, simdisk.OpSyncDir} {
		for mask := range 64 {
			disk := simdisk.New()
			if _, err := safeio.Write(disk, "file", strings.NewReader("old")); err != nil {
				t.Fatal(err)
			}
			disk.SetFault(func(op simdisk.Op, _ string) error {
				if op == step {
					return broken
				}
				return nil
			})
			_, err := safeio.Write(disk, "file", strings.NewReader(long))
			if (err == nil) != (step == "") || (err != nil && !errors.Is(err, broken)) {
				t.Fatalf("write with a fault in %q: %v", step, err)
			}
			var flush *safeio.FlushError
			if errors.As(err, &flush) != (step == simdisk.OpSync || step == simdisk.OpSyncDir) {
				t.Fatalf("write with a fault in %q: %T", step, err)
			}
			asked := 0
			after := disk.Crash(func() bool { asked++; return mask>>(asked%6)&1 == 1 })
			got := read(t, after, "file")
			if got != "old" && got != long || (step == "" && got != long) {
				t.Fatalf("fault in %q, mask %b: found %d octets", step, mask, len(got))
			}
		}
	}
}

func TestIsFull(t *testing.T) {
	t.Parallel()
	disk := simdisk.New()
	disk.SetCapacity(1000)
	_, err := safeio.Write(disk, "file", bytes.NewReader(make([]byte, 2000)))
	if !safeio.IsFull(err) {
		t.Fatalf("write beyond the capacity: %v", err)
	}
	if names, _ := disk.List("."); len(names) != 0 {
		t.Fatalf("left behind: %v", names)
	}
	if safeio.IsFull(syscall.EIO) || !safeio.IsFull(&os.PathError{Err: syscall.EDQUOT}) {
		t.Fatal("errors are told apart wrongly")
	}
}

func TestUnfinished(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"a.new": true, "dir/a.new": true, "a": false, "new": false} {
		if safeio.Unfinished(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
