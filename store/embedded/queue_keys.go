package embedded

import (
	"time"

	"github.com/relayd/relayd/relay"
)

// keyring remembers submissions whose 250 may not have reached the client. It is
// guarded by Queue.mu.
type keyring struct {
	most  int
	byKey map[relay.SubmissionKey]*keyEntry
	byID  map[relay.ID]*keyEntry
}

// keyEntry is one such submission.
type keyEntry struct {
	key     relay.SubmissionKey
	id      relay.ID
	at      int64         // when it was put, in Unix nanoseconds
	arrived chan struct{} // closed when the Put ended; nil if it was read from the journal
	segment uint64        // of the record that holds the key
	slot    int           // in the keys of the segment
}

func newKeyring(most int) keyring {
	return keyring{most: most, byKey: map[relay.SubmissionKey]*keyEntry{}, byID: map[relay.ID]*keyEntry{}}
}

func (k *keyEntry) expired(now time.Time) bool { return now.UnixNano()-k.at >= int64(keyMemory) }

func (r *keyring) add(k *keyEntry) {
	r.byKey[k.key] = k
	r.byID[k.id] = k
}

// find gives the submission with this key, unless it is too old.
func (r *keyring) find(key relay.SubmissionKey, now time.Time) *keyEntry {
	if k := r.byKey[key]; k != nil && !k.expired(now) {
		return k
	}
	return nil
}

func (r *keyring) full() bool { return len(r.byKey) >= r.most }

// dropKey forgets a submission. It must be called with the lock held.
func (q *Queue) dropKey(k *keyEntry) {
	if q.keys.byKey[k.key] == k {
		delete(q.keys.byKey, k.key)
	}
	if q.keys.byID[k.id] == k {
		delete(q.keys.byID, k.id)
	}
	if k.segment != 0 {
		q.use(k.segment).keys[k.slot] = nil
		k.segment = 0
	}
}

// placeKey notes in which segment the record with the key lies, so that it is
// written again before the segment is given up.
func (q *Queue) placeKey(k *keyEntry, segment uint64) {
	if k.segment != 0 {
		q.use(k.segment).keys[k.slot] = nil
	}
	u := q.use(segment)
	k.segment, k.slot = segment, len(u.keys)
	u.keys = append(u.keys, k)
}

// trimKeys forgets the oldest segment's keys while there are too many: memory has
// an upper limit (promise G7), at the price of a duplicate.
func (q *Queue) trimKeys() {
	if !q.keys.full() {
		return
	}
	oldest, head := q.journal.Oldest()
	for seq := oldest; seq <= head && q.keys.full(); seq++ {
		u := q.segments[seq]
		if u == nil {
			continue
		}
		for _, k := range u.keys {
			if k != nil && q.keys.full() {
				q.dropKey(k)
			}
		}
	}
}
