// Package safeio is the few file operations on which durability rests, behind an
// interface small enough for a test to stand in for the disk.
//
// The order in which a file becomes durable is always the same:
//  1. write it under a name that nobody looks for;
//  2. flush its bytes;
//  3. rename it to its real name;
//  4. flush the directory, for until then a power cut may undo the rename.
//
// Names are relative to one directory and are opened through os.Root, so that no
// name leads out of it. Files are of mode 0600, directories of mode 0700.
package safeio

import (
	"errors"
	"io"
	"syscall"
)

// FS is a directory tree on a disk.
type FS interface {
	// Open opens a file that exists, for reading and writing.
	Open(name string) (File, error)
	// Create makes an empty file, or empties one that exists.
	Create(name string) (File, error)
	// Rename gives a file a new name; a file of that name is replaced.
	Rename(from, to string) error
	// Remove takes a name away. Open files stay readable.
	Remove(name string) error
	// List gives the names of the files in dir, in order, without subdirectories.
	List(dir string) ([]string, error)
	// Mkdir makes a directory; it is no error if it exists.
	Mkdir(dir string) error
	// SyncDir makes the names in dir durable.
	SyncDir(dir string) error
	// Free is how many bytes may still be written to the disk.
	Free() (int64, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes the bytes and the length durable. After an error nobody knows
	// what is on the disk, and a second call proves nothing: Linux reports a lost
	// write once only.
	Sync() error
	// Size is the length in bytes.
	Size() (int64, error)
}

// IsFull reports whether err says that there is no room: on the disk, in a quota
// or in the largest size of a file.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
