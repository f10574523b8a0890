package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/storetest"
)

func openTestDirectory(t testing.TB, path string) *Directory {
	t.Helper()
	d, err := OpenDirectory(DirectoryOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDirectoryConformance(t *testing.T) {
	t.Parallel()
	for name, cacheSize := range map[string]int{"default cache": 0, "smallest cache": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := func(t *testing.T, path string) store.Directory {
				d, err := OpenDirectory(DirectoryOptions{Path: path, CacheSize: cacheSize})
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			storetest.RunDirectory(t, storetest.DirectoryEngine{
				Open: func(t *testing.T) store.Directory { return open(t, filepath.Join(t.TempDir(), "directory")) },
				Reopen: func(t *testing.T, d store.Directory) store.Directory {
					path := d.(*Directory).db.Path()
					if err := d.Close(); err != nil {
						t.Fatal(err)
					}
					return open(t, path)
				},
			})
		})
	}
}

func TestDirectoryFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "directory")
	// What a power cut left of an earlier first start.
	if err := os.WriteFile(path+".new", []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	openTestDirectory(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file's first name is still there: %v", err)
	}
	if _, err := OpenDirectory(DirectoryOptions{Path: path}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
}

func TestDirectoryRefusesFiles(t *testing.T) {
	t.Parallel()
	newer := func(path string) error {
		d, err := OpenDirectory(DirectoryOptions{Path: path})
		if err != nil {
			return err
		}
		err = d.db.Update(func(tx *bolt.Tx) error {
			format := binary.BigEndian.AppendUint32(nil, directoryFormat+1)
			return tx.Bucket([]byte(directoryMeta)).Put([]byte(directoryFormatKey), format)
		})
		return errors.Join(err, d.Close())
	}
	foreign := func(path string) error {
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			return err
		}
		return db.Close()
	}
	for name, tc := range map[string]struct {
		make func(path string) error
		want string
	}{
		"written by a newer release": {newer, fmt.Sprintf("format %d", directoryFormat+1)},
		"another bbolt file":         {foreign, "no directory of relayd"},
		"no bbolt file": {func(path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("nonsense"), 8192), 0o600)
		}, "invalid database"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "directory")
			if err := tc.make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenDirectory(DirectoryOptions{Path: path}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

// A commit that fails leaves nobody knowing: everything is refused from then on,
// whether the change is on disk or not (G2).
func TestDirectoryCommitFails(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "directory")
	d := openTestDirectory(t, path)
	ctx := t.Context()
	if err := d.Tokens().Put(ctx, &relay.Token{ID: "before"}); err != nil {
		t.Fatal(err)
	}
	changed := d.Changed(store.KindToken, "")
	d.commit = func(tx *bolt.Tx) error { // the second flush fails: the change is in the file
		if err := tx.Commit(); err != nil {
			return err
		}
		return syscall.EIO
	}
	rec := &relay.Token{ID: "during"}
	if err := d.Tokens().Put(ctx, rec); !errors.Is(err, store.ErrUnknown) || !errors.Is(err, syscall.EIO) {
		t.Errorf("error %v, want ErrUnknown with its cause", err)
	}
	if rec.Revision != 0 {
		t.Error("a record of unknown fate got a revision")
	}
	select {
	case <-d.Failed():
	default:
		t.Error("Failed is not closed")
	}
	select {
	case <-changed:
		t.Error("a change of unknown fate was told")
	default:
	}
	d.commit = (*bolt.Tx).Commit
	_, err := d.Tokens().Get(ctx, "before")
	for what, err := range map[string]error{
		"get": err, "put": d.Tokens().Put(ctx, &relay.Token{ID: "after"}), "delete": d.Tokens().Delete(ctx, "before"),
	} {
		if !errors.Is(err, store.ErrUnknown) {
			t.Errorf("%s afterwards: %v, want ErrUnknown", what, err)
		}
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	again := openTestDirectory(t, path)
	if _, err := again.Tokens().Get(ctx, "during"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestNoRoom(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want bool
	}{
		{berrors.ErrMaxSizeReached, true},
		{fmt.Errorf("write: %w", &fs.PathError{Op: "write", Err: syscall.ENOSPC}), true},
		{&fs.PathError{Op: "write", Err: syscall.EDQUOT}, true},
		{&fs.PathError{Op: "write", Err: syscall.EFBIG}, true},
		{&fs.PathError{Op: "write", Err: syscall.EIO}, false},
		{&fs.PathError{Op: "sync", Err: syscall.ENOSPC}, false},
		{syscall.ENOSPC, false}, // from a flush: bbolt calls fdatasync itself
		{syscall.EIO, false},
	} {
		if got := noRoom(tc.err); got != tc.want {
			t.Errorf("noRoom(%v) = %v", tc.err, got)
		}
	}
}

// A full file refuses and goes on; what was in it stays readable.
func TestDirectoryFull(t *testing.T) {
	t.Parallel()
	d, err := OpenDirectory(DirectoryOptions{Path: filepath.Join(t.TempDir(), "directory"), MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	ctx, kept := t.Context(), 0
	for ; err == nil && kept < 1000; kept++ {
		err = d.Keys().Put(ctx, &relay.Key{ID: fmt.Sprintf("k%04d", kept), Private: make([]byte, 16<<10)})
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("after %d records: %v, want ErrFull", kept, err)
	}
	if _, err := d.Keys().Get(ctx, "k0000"); err != nil {
		t.Errorf("read when full: %v", err)
	}
	for i := range 8 {
		if err := d.Keys().Delete(ctx, fmt.Sprintf("k%04d", i)); err != nil {
			t.Fatalf("delete when full: %v", err)
		}
	}
	if err := d.Keys().Put(ctx, &relay.Key{ID: "k0000"}); err != nil {
		t.Errorf("put when there is room again: %v", err)
	}
}

// A reader that was slow must not bring the past back into the cache.
func TestDirectoryCacheStaysFresh(t *testing.T) {
	t.Parallel()
	var c directoryCache[int]
	c.init(4)
	key, past := directoryValue{spaceID, "a"}, 1
	_, _, epoch := c.get(key)
	c.forget([]directoryValue{key})
	c.add(key, &past, epoch)
	if rec, _, _ := c.get(key); rec != nil {
		t.Error("a record from before a change came into the cache")
	}
}

func TestDirectoryCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c directoryCache[int]
	c.init(100)
	hot, rec := directoryValue{spaceID, "hot"}, 1
	c.add(hot, &rec, 0)
	for i := range 1000 {
		c.add(directoryValue{spaceID, fmt.Sprint(i)}, &rec, 0)
		if got, _, _ := c.get(hot); got == nil {
			t.Fatalf("what is asked for all the time was dropped after %d", i)
		}
		if n := len(c.young) + len(c.old); n > 100 {
			t.Fatalf("%d entries, the limit is 100", n)
		}
	}
}

func TestDirectoryCanary(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "directory")
	box, err := secretbox.Open(filepath.Join(folder, "key"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := secretbox.Open(filepath.Join(folder, "other"))
	if err != nil {
		t.Fatal(err)
	}
	d := openTestDirectory(t, path)
	if err := box.Check(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openTestDirectory(t, path)
	if err := box.Check(t.Context(), d); err != nil {
		t.Errorf("the right key: %v", err)
	}
	if err := other.Check(t.Context(), d); !errors.Is(err, secretbox.ErrUnknownKey) {
		t.Errorf("the wrong key: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, []byte("key of relayd")) {
		t.Errorf("the canary stands in the file in clear (%v)", err)
	}
}

// A file of format 1, which had fewer tables, is brought up to date and keeps what it
// holds.
func TestDirectoryUpgrades(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "directory")
	d, err := OpenDirectory(DirectoryOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Organisations().Put(t.Context(), &relay.Organisation{ID: "o1", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	err = d.db.Update(func(tx *bolt.Tx) error {
		for _, kind := range []store.Kind{
			store.KindApp, store.KindGrant, store.KindStarter, store.KindDomainClaim, store.KindLink, store.KindWebhook, store.KindWebhookCall,
		} {
			if err := tx.DeleteBucket([]byte(kind)); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(directoryMeta)).Put([]byte(directoryFormatKey), binary.BigEndian.AppendUint32(nil, 1))
	})
	if err := errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d, err = OpenDirectory(DirectoryOptions{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if o, err := d.Organisations().Get(t.Context(), "o1"); err != nil || o.Name != "Acme" {
			t.Errorf("the organisation is %+v, %v", o, err)
		}
		if err := d.Apps().Put(t.Context(), &relay.App{ID: relay.NewID(time.Now()).String(), Organisation: "o1"}); err != nil {
			t.Errorf("a new table: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A change that was too late is followed by what is true, even if whoever was faster
// has not told the cache yet.
func TestStaleChangeReadsAnew(t *testing.T) {
	t.Parallel()
	d, err := OpenDirectory(DirectoryOptions{Path: filepath.Join(t.TempDir(), "directory")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	user := &relay.User{ID: "u1", Address: relay.Address{Local: "jane", Domain: "acme.example"}}
	if err := d.Users().Put(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	past := *user
	if err := d.Users().Put(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	key := directoryValue{spaceID, "u1"}
	_, _, epoch := d.users.cache.get(key)
	d.users.cache.add(key, &past, epoch) // as between a commit and what follows it
	if err := d.Users().Put(t.Context(), &past); !errors.Is(err, store.ErrStale) {
		t.Fatalf("an old revision: %v", err)
	}
	if got, err := d.Users().Get(t.Context(), "u1"); err != nil || got.Revision != user.Revision {
		t.Errorf("read after that: %+v, %v", got, err)
	}
}
