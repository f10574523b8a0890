package safeio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
)

// The modes of everything that is made: for the own user alone.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

// Root is the FS of a real directory. It must be closed.
type Root struct {
	root *os.Root
	path string
}

// OpenRoot opens the directory at path, and makes it if it is missing.
func OpenRoot(path string) (*Root, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("make directory %s: %w", path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open directory %s: %w", path, err)
	}
	return &Root{root: root, path: path}, nil
}

// makeDir makes path durable in its parent, so that a power cut does not take the
// whole directory with it.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return SyncDir(parent)
}

// Path is the directory as it was opened.
func (r *Root) Path() string { return r.path }

// Close ends the use of the directory; open files stay usable.
func (r *Root) Close() error { return r.root.Close() }

// Open implements FS.
func (r *Root) Open(name string) (File, error) { return r.open(name, os.O_RDWR) }

// Create implements FS.
func (r *Root) Create(name string) (File, error) {
	return r.open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (r *Root) open(name string, flag int) (File, error) {
	f, err := r.root.OpenFile(name, flag, fileMode)
	if err != nil {
		return nil, err
	}
	return &file{File: f}, nil
}

// Rename implements FS.
func (r *Root) Rename(from, to string) error { return r.root.Rename(from, to) }

// Remove implements FS.
func (r *Root) Remove(name string) error { return r.root.Remove(name) }

// Mkdir implements FS.
func (r *Root) Mkdir(dir string) error {
	if err := r.root.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return r.SyncDir(".")
}

// List implements FS.
func (r *Root) List(dir string) ([]string, error) {
	d, err := r.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// SyncDir implements FS.
func (r *Root) SyncDir(dir string) error {
	d, err := r.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	return nil
}

// Free implements FS.
func (r *Root) Free() (int64, error) { return free(r.path) }

// file is an os.File whose Sync flushes no more than it must.
type file struct{ *os.File }

func (f *file) Sync() error { return datasync(f.File) }

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
