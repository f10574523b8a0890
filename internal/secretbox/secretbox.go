// Package secretbox seals secrets at rest with XChaCha20-Poly1305, each on its own
// and bound to its place.
//
// Order of work:
//  1. [Open] reads the key file, or makes it durably at the first start with mode 0600;
//  2. [Box.Check] unseals the canary, so that a wrong key fails loudly at start;
//  3. [Box.Seal] and [Box.Unseal] bind every secret to record kind, record id and field;
//  4. [Box.Derive] gives keys for other purposes, such as the hash of submitter passwords.
//
// A sealed value is: version (1 octet), key id (8), nonce (24), ciphertext and tag.
// The key id stands in front so that a key file may hold older keys beside the
// newest one while records are sealed again.
package secretbox

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// The layout of a sealed value.
const (
	version    = 1
	keyIDSize  = 8
	headerSize = 1 + keyIDSize + chacha20poly1305.NonceSizeX

	// Overhead is how many octets a sealed value has more than the secret.
	Overhead = headerSize + chacha20poly1305.Overhead
)

// The errors of Unseal and Check. Test for them with errors.Is.
var (
	// ErrUnknownKey means that the value was sealed with a key that is not in the
	// key file.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrDamaged means that the value was changed, was sealed for another place, or
	// is no sealed value at all.
	ErrDamaged = errors.New("the sealed value is damaged or belongs to another record")
)

// Box seals and unseals. It never changes, so it may be used concurrently.
type Box struct {
	keys   []sealingKey // the first one seals, all of them unseal
	master [masterSize]byte
}

type sealingKey struct {
	id   [keyIDSize]byte
	aead cipher.AEAD
}

// Seal encrypts plain so that only Unseal with the same kind, id and field gives
// it back: a value copied into another record or field does not open.
func (b *Box) Seal(kind, id, field string, plain []byte) []byte {
	key := &b.keys[0]
	sealed := make([]byte, headerSize, Overhead+len(plain))
	sealed[0] = version
	copy(sealed[1:], key.id[:])
	nonce := sealed[1+keyIDSize : headerSize]
	rand.Read(nonce) //nolint:errcheck // never fails since Go 1.24
	return key.aead.Seal(sealed, nonce, plain, place(sealed[:1+keyIDSize], kind, id, field))
}

// Unseal gives the secret back. The error is ErrUnknownKey or ErrDamaged, wrapped
// with the place; it never holds any of the secret.
func (b *Box) Unseal(kind, id, field string, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != version {
		return nil, fmt.Errorf("unseal %s of %s %s: %w", field, kind, id, ErrDamaged)
	}
	key := b.key(sealed[1 : 1+keyIDSize])
	if key == nil {
		return nil, fmt.Errorf("unseal %s of %s %s: %w (key id %x)", field, kind, id, ErrUnknownKey, sealed[1:1+keyIDSize])
	}
	bound := place(sealed[:1+keyIDSize], kind, id, field)
	plain, err := key.aead.Open(nil, sealed[1+keyIDSize:headerSize], sealed[headerSize:], bound)
	if err != nil {
		return nil, fmt.Errorf("unseal %s of %s %s: %w", field, kind, id, ErrDamaged)
	}
	return plain, nil
}

// Current reports whether the value is sealed with the newest key, so that a
// change of keys knows what is left to do.
func (b *Box) Current(sealed []byte) bool {
	return len(sealed) >= Overhead && sealed[0] == version && [keyIDSize]byte(sealed[1:]) == b.keys[0].id
}

func (b *Box) key(id []byte) *sealingKey {
	for i := range b.keys {
		if [keyIDSize]byte(id) == b.keys[i].id {
			return &b.keys[i]
		}
	}
	return nil
}

// place is the additional data: what stands in front of the sealed value and the
// place of the secret. Each part has its length before it, so that no two places
// give the same octets.
func place(front []byte, parts ...string) []byte {
	data := append([]byte(nil), front...)
	for _, part := range parts {
		data = binary.BigEndian.AppendUint32(data, uint32(len(part)))
		data = append(data, part...)
	}
	return data
}
