package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store"
)

// directoryFormat is the version of the file. A file with a higher one was written
// by a newer relayd, whose fields this one would lose; one with a lower is brought up
// to date when it is opened. 2 added the tables of directory_setup.go.
const directoryFormat = 2

// directoryLockWait is how long an earlier process may take to let go of the file.
const directoryLockWait = 2 * time.Second

// The buckets. Each kind has one of its name beside them.
const (
	directoryMeta   = "meta"   // format, canary
	directoryUnique = "unique" // space NUL value -> id
	directoryRefs   = "refs"   // kind NUL id NUL kind NUL id: the first is referred to by the second
)

// The keys in the bucket meta.
const (
	directoryFormatKey = "format"
	directoryCanaryKey = "canary"
)

func openDirectoryFile(o DirectoryOptions) (db *bolt.DB, err error) {
	if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) {
		if err := makeDirectoryFile(o); err != nil {
			return nil, fmt.Errorf("make the file: %w", err)
		}
	}
	if err := checkDirectoryPages(o.Path); err != nil {
		return nil, err
	}
	db, err = openBolt(o.Path, o.MaxSize)
	if err != nil {
		return nil, err
	}
	if err := upgradeDirectory(db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// upgradeDirectory brings an older file up to date. A file of today's format is not
// written to.
func upgradeDirectory(db *bolt.DB) error {
	format := uint32(0)
	err := db.View(func(tx *bolt.Tx) (err error) {
		format, err = checkDirectoryFormat(tx)
		return err
	})
	if err != nil || format == directoryFormat {
		return err
	}
	if err := db.Update(fillDirectory); err != nil {
		return fmt.Errorf("bring the file from format %d to %d: %w", format, directoryFormat, err)
	}
	return nil
}

// checkDirectoryPages looks through the file before bbolt does so on its own, in
// goroutines whose panics end the program. Opened for reading only, the file is locked
// against a process that writes to it.
func checkDirectoryPages(path string) error {
	err := guarded(func() error {
		db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: directoryLockWait, ReadOnly: true})
		if err != nil {
			return err
		}
		return errors.Join(checkBolt(path), db.Close())
	})
	return boltTrouble(err)
}

// openBolt turns the panics of bbolt about a damaged file into errors.
func openBolt(path string, maxSize int64) (db *bolt.DB, err error) {
	err = guarded(func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout:        directoryLockWait,
			FreelistType:   bolt.FreelistMapType, // the array form is slow after many deletions
			NoFreelistSync: true,                 // the price is a scan at open
			NoStatistics:   true,
			MaxSize:        int(maxSize),
		})
		return err
	})
	return db, boltTrouble(err)
}

// boltTrouble says what to do about an error of bbolt.
func boltTrouble(err error) error {
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return errors.New("another process has the file open; is relayd running already?")
	case errors.Is(err, ErrDamaged):
		return fmt.Errorf("the file is damaged; restore it from a backup: %w", err)
	}
	return err
}

// makeDirectoryFile makes the empty file under another name and renames it: bbolt
// may leave a damaged file behind if the power fails while it makes one.
func makeDirectoryFile(o DirectoryOptions) error {
	fresh := o.Path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(fresh, o.MaxSize)
	if err != nil {
		return err
	}
	if err := db.Update(fillDirectory); err != nil {
		return errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil {
		return err
	}
	if err := os.Rename(fresh, o.Path); err != nil {
		return err
	}
	return safeio.SyncDir(filepath.Dir(o.Path))
}

// fillDirectory makes every bucket that is not there, and says which format the file
// has now.
func fillDirectory(tx *bolt.Tx) error {
	buckets := []string{
		directoryMeta, directoryUnique, directoryRefs,
		string(store.KindOrganisation), string(store.KindUser), string(store.KindAccount),
		string(store.KindSubmitter), string(store.KindKey), string(store.KindToken),
		string(store.KindApp), string(store.KindGrant), string(store.KindStarter), string(store.KindDomainClaim),
		string(store.KindLink), string(store.KindWebhook), string(store.KindWebhookCall),
	}
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return tx.Bucket([]byte(directoryMeta)).Put([]byte(directoryFormatKey), binary.BigEndian.AppendUint32(nil, directoryFormat))
}

// checkDirectoryFormat gives the format of a file that this program can read.
func checkDirectoryFormat(tx *bolt.Tx) (uint32, error) {
	meta := tx.Bucket([]byte(directoryMeta))
	if meta == nil {
		return 0, errors.New("this is no directory of relayd")
	}
	format := meta.Get([]byte(directoryFormatKey))
	if len(format) != 4 {
		return 0, errors.New("the format of the file is not recorded; restore it from a backup")
	}
	v := binary.BigEndian.Uint32(format)
	if v < 1 || v > directoryFormat {
		return v, fmt.Errorf("the file has format %d, this relayd reads formats up to %d; use the release that wrote it", v, directoryFormat)
	}
	return v, nil
}

// noRoom reports whether a commit failed for lack of room before anything was
// flushed: bbolt's own limit, or a write. The same errors from a flush come without
// a PathError of a write, and leave the outcome unknown.
func noRoom(err error) bool {
	if errors.Is(err, berrors.ErrMaxSizeReached) {
		return true
	}
	var path *fs.PathError
	if !errors.As(err, &path) || path.Op != "write" {
		return false
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
