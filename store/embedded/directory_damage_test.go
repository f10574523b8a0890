package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// spoilPages writes over all of a bbolt file but its two meta pages.
func spoilPages(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	meta := 2 * os.Getpagesize()
	_, err = f.WriteAt(bytes.Repeat([]byte{0x77}, int(info.Size())-meta), int64(meta))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// A medium that spoils the file ends neither the program, which would begin and end for
// ever, nor the mail of those who are known already.
func TestDamagedDirectory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "directory")
	d, err := OpenDirectory(DirectoryOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		put := &relay.Token{ID: fmt.Sprint("t", i), Name: strings.Repeat("n", 100)}
		if err := d.Tokens().Put(t.Context(), put); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Tokens().Get(t.Context(), "t1"); err != nil {
		t.Fatal(err)
	}
	spoilPages(t, path)
	if _, err := d.Tokens().Get(t.Context(), "t1"); err != nil {
		t.Errorf("what is in memory: %v", err)
	}
	if _, err := d.Tokens().Get(t.Context(), "t2"); !errors.Is(err, ErrDamaged) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("what is not: %v", err)
	}
	if err := d.Tokens().Put(t.Context(), &relay.Token{ID: "new"}); !errors.Is(err, ErrDamaged) {
		t.Errorf("put: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := OpenDirectory(DirectoryOptions{Path: path}); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
		t.Errorf("open: %v", err)
	}
}
