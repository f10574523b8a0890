package direct

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

const (
	// signatureReuse is how long the signatures of a message serve its next attempts:
	// a message for many destinations leaves in a burst.
	signatureReuse = 5 * time.Minute
	// maxSignatureSets bounds the memory for them, about 2 KiB each.
	maxSignatureSets = 1024
)

// signatures remembers the signatures of messages that are being delivered, because
// a message is delivered once for each destination, and one RSA signature costs as
// much processor time as everything else about a small message together.
type signatures struct {
	mu   sync.Mutex
	made map[signatureKey]signatureSet
}

// signatureKey changes with the keys, so that a new or a withdrawn key counts at once.
type signatureKey struct {
	id   relay.ID
	keys string
}

type signatureSet struct {
	fields func() ([]byte, error) // makes them at the first call; later ones wait for it
	until  time.Time
}

func newSignatures() *signatures { return &signatures{made: make(map[signatureKey]signatureSet)} }

// of gives the signatures of a message by these keys, and calls sign if there are
// none yet. A failure is not remembered.
func (s *signatures) of(id relay.ID, keys []parsedKey, sign func() ([]byte, error)) ([]byte, error) {
	key := signatureKey{id, nameOf(keys)}
	now := time.Now()
	s.mu.Lock()
	set, ok := s.made[key]
	if !ok || now.After(set.until) {
		s.makeRoom(now)
		set = signatureSet{sync.OnceValues(sign), now.Add(signatureReuse)}
		s.made[key] = set
	}
	s.mu.Unlock()
	fields, err := set.fields()
	if err != nil {
		s.mu.Lock()
		delete(s.made, key)
		s.mu.Unlock()
	}
	return fields, err
}

// makeRoom drops what is too old, and everything if that was not enough. The caller
// holds the lock.
func (s *signatures) makeRoom(now time.Time) {
	if len(s.made) < maxSignatureSets {
		return
	}
	for key, set := range s.made {
		if now.After(set.until) {
			delete(s.made, key)
		}
	}
	if len(s.made) >= maxSignatureSets {
		clear(s.made)
	}
}

func nameOf(keys []parsedKey) string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, "%s/%d ", k.ID, k.Revision)
	}
	return b.String()
}
