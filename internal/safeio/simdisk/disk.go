// Package simdisk is a disk in memory for tests: it forgets, like a real one at a
// power cut, whatever was not flushed.
//
// A write reaches a cache of sectors; Sync moves the sectors of one file to the
// platter; SyncDir does the same for the names of one directory. Crash makes the
// disk that the next start would find: of everything unflushed, each sector and
// each name is kept or dropped by itself, in any combination.
//
// Faults are injected by a function that is asked before each operation.
package simdisk

import (
	"errors"
	"io/fs"
	"path"
	"sort"
	"sync"
	"syscall"

	"github.com/relayd/relayd/internal/safeio"
)

// SectorSize is the unit that a disk writes whole or not at all.
const SectorSize = 512

// Op is an operation in which a fault can be injected.
type Op string

// The operations.
const (
	OpCreate  Op = "create"
	OpWrite   Op = "write"
	OpSync    Op = "sync"
	OpRename  Op = "rename"
	OpSyncDir Op = "syncdir"
	OpRead    Op = "read"
)

// ErrCrashed is the answer of a disk whose power was cut.
var ErrCrashed = errors.New("simulated power cut")

// Disk is a simulated disk. It implements safeio.FS.
type Disk struct {
	mu       sync.Mutex
	names    map[string]*inode // as the running system sees them
	platter  map[string]*inode // as a power cut leaves them
	capacity int64             // bytes; 0 means no limit
	fault    func(Op, string) error
	crashed  bool
}

var _ safeio.FS = (*Disk)(nil)

// New makes an empty disk.
func New() *Disk {
	return &Disk{names: map[string]*inode{}, platter: map[string]*inode{}}
}

// SetFault has fault asked before each operation; its error becomes the answer.
// It is called with the disk's lock held.
func (d *Disk) SetFault(fault func(op Op, name string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// SetCapacity limits the bytes of all files; 0 takes the limit away.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// Crash cuts the power. It returns the disk that the next start finds: keep is
// asked for each unflushed sector, length and name. The old disk answers every
// further operation with ErrCrashed.
func (d *Disk) Crash(keep func() bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.crashed = true
	after := New()
	for name, in := range d.survivors(keep) {
		data := in.afterCrash(keep)
		in := &inode{data: data, platter: append([]byte(nil), data...), dirty: map[int64]bool{}}
		after.names[name], after.platter[name] = in, in
	}
	return after
}

// survivors decides for each name that was changed and not flushed whether the
// change reached the disk.
func (d *Disk) survivors(keep func() bool) map[string]*inode {
	all := map[string]bool{}
	for name := range d.names {
		all[name] = true
	}
	for name := range d.platter {
		all[name] = true
	}
	result := map[string]*inode{}
	for _, name := range sortedNames(all) {
		in := d.platter[name]
		if d.names[name] != in && keep() {
			in = d.names[name]
		}
		if in != nil {
			result[name] = in
		}
	}
	return result
}

func sortedNames(set map[string]bool) []string {
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// check must be called with the lock held.
func (d *Disk) check(op Op, name string) error {
	if d.crashed {
		return ErrCrashed
	}
	if d.fault != nil {
		return d.fault(op, name)
	}
	return nil
}

// Open implements safeio.FS.
func (d *Disk) Open(name string) (safeio.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.names[path.Clean(name)]
	if in == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{disk: d, in: in, name: name}, d.check("open", name)
}

// Create implements safeio.FS.
func (d *Disk) Create(name string) (safeio.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(OpCreate, name); err != nil {
		return nil, err
	}
	in := &inode{dirty: map[int64]bool{}}
	d.names[path.Clean(name)] = in
	return &file{disk: d, in: in, name: name}, nil
}

// Rename implements safeio.FS.
func (d *Disk) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(OpRename, from); err != nil {
		return err
	}
	in := d.names[path.Clean(from)]
	if in == nil {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(d.names, path.Clean(from))
	d.names[path.Clean(to)] = in
	return nil
}

// Remove implements safeio.FS.
func (d *Disk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("remove", name); err != nil {
		return err
	}
	if d.names[path.Clean(name)] == nil {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(d.names, path.Clean(name))
	return nil
}

// Mkdir implements safeio.FS. Directories are not modelled: they always exist.
func (d *Disk) Mkdir(string) error { return nil }

// List implements safeio.FS.
func (d *Disk) List(dir string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check("list", dir); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for name := range d.names {
		if path.Dir(name) == path.Clean(dir) {
			found[path.Base(name)] = true
		}
	}
	return sortedNames(found), nil
}

// SyncDir implements safeio.FS.
func (d *Disk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(OpSyncDir, dir); err != nil {
		return err
	}
	for name := range d.platter {
		if path.Dir(name) == path.Clean(dir) && d.names[name] == nil {
			delete(d.platter, name)
		}
	}
	for name, in := range d.names {
		if path.Dir(name) == path.Clean(dir) {
			d.platter[name] = in
		}
	}
	return nil
}

// Free implements safeio.FS.
func (d *Disk) Free() (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.capacity == 0 {
		return 1 << 40, nil
	}
	return max(0, d.capacity-d.used()), nil
}

func (d *Disk) used() int64 {
	var n int64
	for _, in := range d.names {
		n += int64(len(in.data))
	}
	return n
}

// room must be called with the lock held, before a file grows by n bytes.
func (d *Disk) room(n int64) error {
	if d.capacity > 0 && n > 0 && d.used()+n > d.capacity {
		return syscall.ENOSPC
	}
	return nil
}

// Edit changes the bytes of a file behind everybody's back, as a fault of the medium
// does.
func (d *Disk) Edit(name string, edit func(data []byte)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.names[path.Clean(name)]
	edit(in.data)
	in.platter = append(in.platter[:0], in.data...)
	clear(in.dirty)
}
