package simdisk

import (
	"io"
	"time"

	"github.com/relayd/relayd/internal/safeio"
)

// inode is one file: what the running system reads, what the platter holds, and
// which sectors differ.
type inode struct {
	data    []byte
	platter []byte
	dirty   map[int64]bool
}

// afterCrash is the content that is found when each unflushed sector, and an
// unflushed length, is kept or dropped by itself.
func (in *inode) afterCrash(keep func() bool) []byte {
	size := len(in.platter)
	if len(in.data) != size && keep() {
		size = len(in.data)
	}
	data := make([]byte, size)
	copy(data, in.platter)
	for sector := int64(0); sector*SectorSize < int64(size); sector++ {
		if in.dirty[sector] && keep() {
			from := sector * SectorSize
			to := min(from+SectorSize, int64(size), int64(len(in.data)))
			copy(data[from:to], in.data[from:to])
		}
	}
	return data
}

// file is one opening of an inode.
type file struct {
	disk *Disk
	in   *inode
	name string
}

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.check(OpRead, f.name); err != nil {
		return 0, err
	}
	if off >= int64(len(f.in.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.in.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.check(OpWrite, f.name); err != nil {
		return f.partial(p, off), err
	}
	if err := f.disk.room(off + int64(len(p)) - int64(len(f.in.data))); err != nil {
		return f.partial(p, off), err
	}
	f.put(p, off)
	return len(p), nil
}

// partial writes the first half of p where the file has room already: a write
// that fails has often written something.
func (f *file) partial(p []byte, off int64) int {
	n := min(int64(len(p)/2), int64(len(f.in.data))-off)
	if n <= 0 || f.disk.crashed {
		return 0
	}
	f.put(p[:n], off)
	return int(n)
}

func (f *file) put(p []byte, off int64) {
	end := off + int64(len(p))
	if grow := end - int64(len(f.in.data)); grow > 0 {
		f.in.data = append(f.in.data, make([]byte, grow)...)
	}
	copy(f.in.data[off:end], p)
	for sector := off / SectorSize; sector*SectorSize < end; sector++ {
		f.in.dirty[sector] = true
	}
}

func (f *file) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.check(OpSync, f.name); err != nil {
		return err
	}
	if grow := len(f.in.data) - len(f.in.platter); grow > 0 {
		f.in.platter = append(f.in.platter, make([]byte, grow)...)
	}
	for sector := range f.in.dirty {
		from := sector * SectorSize
		to := min(from+SectorSize, int64(len(f.in.data)))
		copy(f.in.platter[from:to], f.in.data[from:to])
	}
	clear(f.in.dirty)
	return nil
}

func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.in.data)), nil
}

func (f *file) Close() error { return nil }

// Slow is an FS whose every flush of a file takes longer by Delay: a slow disk for
// benchmarks.
type Slow struct {
	safeio.FS
	Delay time.Duration
}

// Open implements safeio.FS.
func (s Slow) Open(name string) (safeio.File, error) { return s.wrap(s.FS.Open(name)) }

// Create implements safeio.FS.
func (s Slow) Create(name string) (safeio.File, error) { return s.wrap(s.FS.Create(name)) }

func (s Slow) wrap(f safeio.File, err error) (safeio.File, error) {
	if err != nil {
		return nil, err
	}
	return slowFile{File: f, delay: s.Delay}, nil
}

type slowFile struct {
	safeio.File
	delay time.Duration
}

func (f slowFile) Sync() error {
	<-time.After(f.delay)
	return f.File.Sync()
}
