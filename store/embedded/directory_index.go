package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/store"
)

// key is the value as it stands in the index.
func (v directoryValue) key() []byte {
	key := make([]byte, 0, len(v.space)+1+len(v.value))
	key = append(key, v.space...)
	key = append(key, 0)
	return append(key, v.value...)
}

// separators is how many NULs a value of the space holds by its own making; any
// other would let two values meet in one key.
func (s directorySpace) separators() int {
	if s == spaceSelector || s == spaceStarter {
		return 1
	}
	return 0
}

// putUnique gives the values to the record id, or says who has one of them.
func putUnique(tx *bolt.Tx, values []directoryValue, id string) error {
	index := tx.Bucket([]byte(directoryUnique))
	for _, value := range values {
		if value.value == "" {
			continue
		}
		if owner := index.Get(value.key()); owner != nil && string(owner) != id {
			shown := strings.ReplaceAll(value.value, "\x00", " ")
			return fmt.Errorf("the %s %q %w", value.space, shown, store.ErrExists)
		}
		if err := index.Put(value.key(), []byte(id)); err != nil {
			return err
		}
	}
	return nil
}

func deleteUnique(tx *bolt.Tx, values []directoryValue) error {
	index := tx.Bucket([]byte(directoryUnique))
	for _, value := range values {
		if value.value == "" {
			continue
		}
		if err := index.Delete(value.key()); err != nil {
			return err
		}
	}
	return nil
}

// refKey is one line of the references: what is referred to comes first, so that
// one look behind its prefix tells whether it is in use.
func refKey(to directoryRef, kind store.Kind, id string) []byte {
	return []byte(string(to.kind) + "\x00" + to.id + "\x00" + string(kind) + "\x00" + id)
}

func putRefs(tx *bolt.Tx, refs []directoryRef, kind store.Kind, id string) error {
	index := tx.Bucket([]byte(directoryRefs))
	for _, ref := range refs {
		if ref.id == "" {
			continue
		}
		if len(ref.id) > maxDirectoryID || tx.Bucket([]byte(ref.kind)).Get([]byte(ref.id)) == nil {
			return fmt.Errorf("%s %q: %w", ref.kind, ref.id, store.ErrNotFound)
		}
		if err := index.Put(refKey(ref, kind, id), nil); err != nil {
			return err
		}
	}
	return nil
}

func deleteRefs(tx *bolt.Tx, refs []directoryRef, kind store.Kind, id string) error {
	var errs []error
	for _, ref := range refs {
		if ref.id != "" {
			errs = append(errs, tx.Bucket([]byte(directoryRefs)).Delete(refKey(ref, kind, id)))
		}
	}
	return errors.Join(errs...)
}

// checkUnused says by whom a record is still referred to.
func checkUnused(tx *bolt.Tx, kind store.Kind, id string) error {
	prefix := []byte(string(kind) + "\x00" + id + "\x00")
	key, _ := tx.Bucket([]byte(directoryRefs)).Cursor().Seek(prefix)
	if !bytes.HasPrefix(key, prefix) {
		return nil
	}
	user, name, _ := strings.Cut(string(key[len(prefix):]), "\x00")
	return fmt.Errorf("%w by %s %q", store.ErrInUse, user, name)
}
