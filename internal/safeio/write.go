package safeio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// UnfinishedSuffix marks the name of a file that is being written. Such a file was
// left by a crash if it is found at start, and may be removed.
const UnfinishedSuffix = ".new"

// chunk is how much is copied with one call.
const chunk = 128 << 10

// Unfinished reports whether name is that of a file whose writing was never
// finished.
func Unfinished(name string) bool { return path.Ext(name) == UnfinishedSuffix }

// Write makes a file from everything that content gives, durable when it returns
// nil. After an error nothing of that name was made or changed. It returns the
// number of bytes.
func Write(fsys FS, name string, content io.Reader) (int64, error) {
	temporary := name + UnfinishedSuffix
	n, err := Spool(fsys, temporary, content)
	if err == nil {
		err = Publish(fsys, temporary, name)
	}
	if err != nil {
		fsys.Remove(temporary) //nolint:errcheck // the first error is the one to tell; a remainder is removed at start
		return 0, err
	}
	return n, nil
}

// Spool is the first half of Write: the bytes are durable, but a power cut may still
// take the name away. The name should be one that Unfinished knows.
func Spool(fsys FS, name string, content io.Reader) (int64, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return 0, fmt.Errorf("make %s: %w", name, err)
	}
	n, err := io.CopyBuffer(&sequential{f: f}, content, make([]byte, chunk))
	if err != nil {
		return n, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	if err := f.Sync(); err != nil {
		return n, errors.Join(&FlushError{Name: name, Err: err}, f.Close())
	}
	return n, f.Close()
}

// Publish is the second half of Write.
func Publish(fsys FS, temporary, name string) error {
	if err := fsys.Rename(temporary, name); err != nil {
		return fmt.Errorf("rename %s: %w", temporary, err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return &FlushError{Name: name, Err: err}
	}
	return nil
}

// FlushError says that a flush failed: what is on the disk is unknown.
type FlushError struct {
	Name string
	Err  error
}

// Error names the file and the cause.
func (e *FlushError) Error() string { return fmt.Sprintf("flush %s: %v", e.Name, e.Err) }

// Unwrap gives the cause.
func (e *FlushError) Unwrap() error { return e.Err }

// WriteFile makes the file at filename from data, durable when it returns nil. Its
// directory is made if it is missing.
func WriteFile(filename string, data []byte) error {
	root, err := OpenRoot(filepath.Dir(filename))
	if err != nil {
		return err
	}
	_, err = Write(root, filepath.Base(filename), bytes.NewReader(data))
	return errors.Join(err, root.Close())
}

// SyncDir makes the names in the directory at dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	return nil
}

// sequential writes a File from its beginning.
type sequential struct {
	f   File
	off int64
}

func (s *sequential) Write(p []byte) (int, error) {
	n, err := s.f.WriteAt(p, s.off)
	s.off += int64(n)
	return n, err
}
