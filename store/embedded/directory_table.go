package embedded

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/store"
)

// maxDirectoryID is the longest ID and unique value in octets: far above the 320
// of an address (RFC 5321 §4.5.3.1) and below what bbolt takes as a key.
const maxDirectoryID = 1024

// directoryTable is one kind of record. It implements store.Table.
type directoryTable[T any] struct {
	directoryKind[T]
	d     *Directory
	cache directoryCache[T]
	// remembersNone: the cache keeps as well that there is none. Only for values that no
	// stranger chooses: made-up ones would push out what is asked for often.
	remembersNone bool
}

func (t *directoryTable[T]) init(d *Directory, kind directoryKind[T], cacheSize int) {
	t.d, t.directoryKind = d, kind
	t.cache.init(cacheSize)
}

// Get gives a record by its ID, or store.ErrNotFound.
func (t *directoryTable[T]) Get(ctx context.Context, id string) (*T, error) {
	return t.find(ctx, directoryValue{spaceID, id})
}

// find gives the record with a unique value, from the cache or else from the file.
func (t *directoryTable[T]) find(ctx context.Context, value directoryValue) (*T, error) {
	if err := t.d.usable(ctx); err != nil {
		return nil, err
	}
	if value.value == "" || len(value.value) > maxDirectoryID {
		return nil, fmt.Errorf("%s: %w", t.kind, store.ErrNotFound)
	}
	rec, known, epoch := t.cache.get(value)
	switch {
	case rec != nil:
		return t.clone(rec), nil
	case known:
		return nil, fmt.Errorf("%s: %w", t.kind, store.ErrNotFound)
	}
	rec, err := t.read(ctx, value)
	if t.remembersNone && errors.Is(err, store.ErrNotFound) {
		t.cache.add(value, nil, epoch)
	}
	if err != nil {
		return nil, err
	}
	t.cache.add(value, rec, epoch)
	return t.clone(rec), nil
}

func (t *directoryTable[T]) read(ctx context.Context, value directoryValue) (rec *T, err error) {
	err = t.d.view(ctx, func(tx *bolt.Tx) error {
		id := []byte(value.value)
		if value.space != spaceID {
			id = tx.Bucket([]byte(directoryUnique)).Get(value.key())
		}
		rec, err = t.load(tx, id)
		return err
	})
	if err == nil && rec == nil {
		err = fmt.Errorf("%s %q: %w", t.kind, value.value, store.ErrNotFound)
	}
	return rec, err
}

// load reads a record within a transaction; nil means that there is none.
func (t *directoryTable[T]) load(tx *bolt.Tx, id []byte) (*T, error) {
	text := tx.Bucket([]byte(t.kind)).Get(id)
	if text == nil {
		return nil, nil
	}
	rec := new(T)
	if err := json.Unmarshal(text, rec); err != nil {
		return nil, fmt.Errorf("read %s %q: %w", t.kind, id, err)
	}
	return rec, nil
}

// Put makes or replaces a record. rec.Revision is set only when the change is on
// disk.
func (t *directoryTable[T]) Put(ctx context.Context, rec *T) error {
	if err := t.check(rec); err != nil {
		return err
	}
	next := t.clone(rec)
	var old *T
	err := t.d.update(ctx, func(tx *bolt.Tx) (err error) {
		if old, err = t.expect(tx, rec); err != nil {
			return err
		}
		return t.write(tx, old, next)
	})
	if errors.Is(err, store.ErrStale) {
		// Whoever was faster may not have told the cache yet. The next Get must not give
		// what has just been refused, or trying again would go on in vain.
		t.cache.forget(append(t.unique(rec), directoryValue{spaceID, t.id(rec)}))
	}
	if err != nil {
		return fmt.Errorf("put %s %q: %w", t.kind, t.id(rec), err)
	}
	*t.revision(rec) = *t.revision(next)
	t.changed(old, next)
	return nil
}

// check refuses what can never be a key of the file.
func (t *directoryTable[T]) check(rec *T) error {
	if id := t.id(rec); id == "" || len(id) > maxDirectoryID || strings.Contains(id, "\x00") {
		return fmt.Errorf("put %s: an ID has 1 to %d octets and no NUL", t.kind, maxDirectoryID)
	}
	for _, value := range t.unique(rec) {
		if len(value.value) > maxDirectoryID || strings.Count(value.value, "\x00") > value.space.separators() {
			return fmt.Errorf("put %s %q: the %s has more than %d octets or a NUL", t.kind, t.id(rec), value.space, maxDirectoryID)
		}
	}
	return nil
}

// expect gives the stored record if rec may take its place: nil for a new one.
func (t *directoryTable[T]) expect(tx *bolt.Tx, rec *T) (*T, error) {
	old, err := t.load(tx, []byte(t.id(rec)))
	if err != nil {
		return nil, err
	}
	switch revision := *t.revision(rec); {
	case revision == 0 && old != nil:
		return nil, fmt.Errorf("the ID %w", store.ErrExists)
	case revision != 0 && old == nil:
		return nil, fmt.Errorf("%w: it was deleted", store.ErrStale)
	case old != nil && *t.revision(old) != revision:
		return nil, store.ErrStale
	}
	return old, nil
}

// write puts next in the place of old. Revisions come from one counter for the
// kind, so that a record which was deleted and made again never has an old one.
func (t *directoryTable[T]) write(tx *bolt.Tx, old, next *T) error {
	id := t.id(next)
	if err := t.unlink(tx, old); err != nil {
		return err
	}
	if err := putUnique(tx, t.unique(next), id); err != nil {
		return err
	}
	if err := putRefs(tx, t.refers(next), t.kind, id); err != nil {
		return err
	}
	bucket := tx.Bucket([]byte(t.kind))
	revision, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	*t.revision(next) = revision
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	return bucket.Put([]byte(id), text)
}

// unlink takes the unique values and references of a record out of the indexes.
func (t *directoryTable[T]) unlink(tx *bolt.Tx, rec *T) error {
	if rec == nil {
		return nil
	}
	if err := deleteUnique(tx, t.unique(rec)); err != nil {
		return err
	}
	return deleteRefs(tx, t.refers(rec), t.kind, t.id(rec))
}

// Delete removes a record: store.ErrNotFound, store.ErrInUse.
func (t *directoryTable[T]) Delete(ctx context.Context, id string) error {
	if id == "" || len(id) > maxDirectoryID {
		return fmt.Errorf("delete %s: %w", t.kind, store.ErrNotFound)
	}
	var old *T
	err := t.d.update(ctx, func(tx *bolt.Tx) (err error) {
		if old, err = t.load(tx, []byte(id)); err != nil {
			return err
		}
		if old == nil {
			return store.ErrNotFound
		}
		if err := checkUnused(tx, t.kind, id); err != nil {
			return err
		}
		return errors.Join(t.unlink(tx, old), tx.Bucket([]byte(t.kind)).Delete([]byte(id)))
	})
	if err != nil {
		return fmt.Errorf("delete %s %q: %w", t.kind, id, err)
	}
	t.changed(old, nil)
	return nil
}

// changed lets the memory follow the disk.
func (t *directoryTable[T]) changed(old, next *T) {
	var values []directoryValue
	id := ""
	for _, rec := range []*T{old, next} {
		if rec != nil {
			id = t.id(rec)
			values = append(values, t.unique(rec)...)
		}
	}
	t.cache.forget(append(values, directoryValue{spaceID, id}))
	t.d.watchers.notify(t.kind, id)
}

// List gives up to limit records in the order of their IDs, after the ID given. A
// limit of 0 means store.DefaultPage.
func (t *directoryTable[T]) List(ctx context.Context, after string, limit int) ([]*T, error) {
	if limit <= 0 {
		limit = store.DefaultPage
	}
	var records []*T
	err := t.d.view(ctx, func(tx *bolt.Tx) error {
		cursor := tx.Bucket([]byte(t.kind)).Cursor()
		id, text := cursor.Seek([]byte(after))
		if id != nil && bytes.Equal(id, []byte(after)) {
			id, text = cursor.Next()
		}
		for ; id != nil && len(records) < limit; id, text = cursor.Next() {
			rec := new(T)
			if err := json.Unmarshal(text, rec); err != nil {
				return fmt.Errorf("read %s %q: %w", t.kind, id, err)
			}
			records = append(records, rec)
		}
		return nil
	})
	return records, err
}
