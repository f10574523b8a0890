package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/store/journal"
)

// The buckets. Every file has meta, messages and keys; the index of what lives has
// events as well.
var (
	bucketMeta     = []byte("meta")
	bucketMessages = []byte("messages") // id: the message with its state
	bucketKeys     = []byte("keys")     // kind, hash of the value, id: nothing
	bucketEvents   = []byte("events")   // id, revision: the event

	stateFile   = boltKind{limit: indexLimit, buckets: [][]byte{bucketMeta, bucketMessages, bucketKeys, bucketEvents}}
	historyFile = boltKind{limit: indexLimit, buckets: [][]byte{bucketMeta, bucketMessages, bucketKeys}, freelist: true}
)

// boltKind is what the two kinds of file differ in.
type boltKind struct {
	buckets [][]byte
	limit   int // octets of the file
	// freelist: the pages that are free stand in the file. History has few, and its
	// files are large: without the list bbolt scans all of a file that it opens.
	freelist bool
}

var (
	keyFormat   = []byte("format")
	keyPosition = []byte("position")
)

const (
	// indexFormat is the version of the files; other versions are not read.
	indexFormat = 1
	// indexLimit is the largest file: far more than a million waiting messages need.
	indexLimit = 64 << 30
	// boltLockWait is long enough for a process that is just ending.
	boltLockWait = 2 * time.Second
)

// guarded does something with a file of bbolt, whose panics about what it finds there
// become ErrDamaged.
func guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v: %w", p, ErrDamaged)
		}
	}()
	return do()
}

// openBoltFile opens a file of the index, and makes it if it is missing.
func openBoltFile(name string, kind boltKind) (db *bolt.DB, err error) {
	if err := checkBolt(name); err != nil {
		return nil, err
	}
	err = guarded(func() (err error) { db, err = openChecked(name, kind); return err })
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return db, nil
}

func openChecked(name string, kind boltKind) (*bolt.DB, error) {
	_, statErr := os.Stat(name)
	db, err := bolt.Open(name, 0o600, &bolt.Options{
		Timeout: boltLockWait, FreelistType: bolt.FreelistMapType, NoFreelistSync: !kind.freelist,
		NoStatistics: true, MaxSize: kind.limit,
	})
	if err != nil {
		return nil, err
	}
	err = db.View(checkFormat)
	if errors.Is(err, errEmpty) {
		err = db.Update(func(tx *bolt.Tx) error { return makeBuckets(tx, kind.buckets) })
	}
	if err == nil && errors.Is(statErr, fs.ErrNotExist) {
		err = safeio.SyncDir(filepath.Dir(name)) // a power cut before this leaves a file that is made again
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// ofSystem reports whether a file could not be opened for a reason that says nothing of
// what is in it: it must not be given up for that.
func ofSystem(err error) bool {
	var fault *fs.PathError
	return errors.As(err, &fault) || errors.Is(err, berrors.ErrTimeout) || safeio.IsFull(err)
}

// errEmpty means that a file was just made.
var errEmpty = errors.New("no format is recorded")

// checkFormat only reads, so that a start on a full disk needs no room.
func checkFormat(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return errEmpty
	}
	v := meta.Get(keyFormat)
	if len(v) != 4 || binary.BigEndian.Uint32(v) != indexFormat {
		return fmt.Errorf("format %x is not known to this program", v)
	}
	return nil
}

func makeBuckets(tx *bolt.Tx, buckets [][]byte) error {
	for _, b := range buckets {
		if _, err := tx.CreateBucketIfNotExists(b); err != nil {
			return err
		}
	}
	return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, indexFormat))
}

func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return safeio.SyncDir(filepath.Dir(name))
}

func readPosition(db *bolt.DB) (p journal.Position, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		p = positionIn(tx)
		return nil
	})
	return p, err
}

func positionIn(tx *bolt.Tx) journal.Position {
	v := tx.Bucket(bucketMeta).Get(keyPosition)
	if len(v) != 12 {
		return journal.Position{}
	}
	return journal.Position{Segment: binary.BigEndian.Uint64(v), Offset: binary.BigEndian.Uint32(v[8:])}
}

func putPosition(tx *bolt.Tx, p journal.Position) error {
	v := binary.BigEndian.AppendUint64(nil, p.Segment)
	return tx.Bucket(bucketMeta).Put(keyPosition, binary.BigEndian.AppendUint32(v, p.Offset))
}
