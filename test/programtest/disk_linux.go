package programtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/relayd/relayd/internal/relaytest"
)

// Disk is a small filesystem of a test.
type Disk struct {
	tb    testing.TB
	image string // of a disk with power; empty for one in memory
	Path  string // where it is mounted
}

// NewDisk makes a filesystem of a kind, such as ext4, in a file of so many octets.
// Its power can be cut.
func NewDisk(tb testing.TB, kind string, size int64) *Disk {
	tb.Helper()
	dir := tb.TempDir()
	d := &Disk{tb: tb, image: filepath.Join(dir, "image"), Path: filepath.Join(dir, "disk")}
	mkfs := relaytest.Need(tb, "mkfs."+kind)
	f, err := os.Create(d.image)
	if err != nil {
		tb.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
	if out, err := exec.Command(mkfs, "-q", d.image).CombinedOutput(); err != nil { //nolint:gosec,noctx // ends by itself
		tb.Fatalf("%s: %v\n%s", mkfs, err, out)
	}
	d.mount("-o", "loop", d.image)
	return d
}

// NewMemoryDisk makes a filesystem of so many octets in memory.
func NewMemoryDisk(tb testing.TB, size int64) *Disk {
	tb.Helper()
	d := &Disk{tb: tb, Path: filepath.Join(tb.TempDir(), "disk")}
	d.mount("-t", "tmpfs", "-o", "size="+strconv.FormatInt(size, 10), "tmpfs")
	return d
}

// mount mounts the disk for as long as the test runs. Where that is forbidden, as in
// most containers, the test is skipped.
func (d *Disk) mount(args ...string) {
	d.tb.Helper()
	if err := os.MkdirAll(d.Path, 0o700); err != nil {
		d.tb.Fatal(err)
	}
	out, err := exec.Command("mount", append(args, d.Path)...).CombinedOutput() //nolint:gosec,noctx // ends by itself
	if err != nil {
		d.tb.Skipf("filesystems cannot be mounted here: %v: %s", err, out)
	}
	d.tb.Cleanup(func() { _ = syscall.Unmount(d.Path, syscall.MNT_DETACH) })
}

// The request that ends a filesystem at once, and the way in which it loses what
// only memory holds: _IOR('X', 125, __u32) and its NOLOGFLUSH, the same for ext4,
// XFS and F2FS (linux/fs.h).
const (
	ioctlShutdown = 0x8004587d
	noLogFlush    = 2
)

// CutPower loses everything that was not flushed. Until Restore every use of the
// disk fails.
func (d *Disk) CutPower() {
	d.tb.Helper()
	f, err := os.Open(d.Path)
	if err != nil {
		d.tb.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // a directory
	how := uint32(noLogFlush)
	_, _, failed := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), ioctlShutdown, uintptr(unsafe.Pointer(&how))) //nolint:gosec // ioctl(2) takes a pointer
	if failed != 0 {
		d.tb.Skipf("this filesystem cannot be shut down: %v", failed)
	}
}

// Restore mounts the disk again after a power cut. Nobody may use it.
func (d *Disk) Restore() {
	d.tb.Helper()
	if err := syscall.Unmount(d.Path, 0); err != nil {
		d.tb.Fatalf("unmount %s: %v", d.Path, err)
	}
	d.mount("-o", "loop", d.image)
}

// Fill takes all room of the disk but the octets left, and gives it back when the
// returned function is called. Others may write meanwhile.
func (d *Disk) Fill(left int64) (empty func()) {
	d.tb.Helper()
	name := filepath.Join(d.Path, "filler")
	f, err := os.Create(name) //nolint:gosec // the test's own disk
	if err != nil {
		d.tb.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only its room matters
	var stat syscall.Statfs_t
	if err := syscall.Statfs(d.Path, &stat); err != nil {
		d.tb.Fatal(err)
	}
	page := make([]byte, os.Getpagesize())
	for size := int64(stat.Bavail)*stat.Bsize - left; size > 0; size -= int64(len(page)) { //nolint:gosec // a small disk
		if _, err := f.Write(page); errors.Is(err, syscall.ENOSPC) {
			break
		} else if err != nil {
			d.tb.Fatalf("fill the disk: %v", err)
		}
	}
	return func() {
		if err := os.Remove(name); err != nil {
			d.tb.Fatal(err)
		}
	}
}
