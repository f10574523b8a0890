package secretbox

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// The purposes for which the package itself derives from a master key. Purposes of
// others have a prefix of their own and so never meet these.
const (
	purposeSeal    = "relayd/secretbox/1/seal"
	purposeKeyID   = "relayd/secretbox/1/key id"
	purposeForeign = "relayd/derive/1/"
)

// DerivedSize is the length of what Derive gives, in octets.
const DerivedSize = 32

// Derive gives a key for another purpose (HKDF-SHA-256, RFC 5869). The same key
// file and purpose always give the same key; keys of different purposes tell
// nothing about each other.
func (b *Box) Derive(purpose string) []byte {
	return derive(b.master, purposeForeign+purpose, DerivedSize)
}

// add takes one more key, in the order of the file.
func (b *Box) add(master [masterSize]byte) error {
	key := sealingKey{id: [keyIDSize]byte(derive(master, purposeKeyID, keyIDSize))}
	if b.key(key.id[:]) != nil {
		return fmt.Errorf("the same key stands here twice")
	}
	aead, err := chacha20poly1305.NewX(derive(master, purposeSeal, chacha20poly1305.KeySize))
	if err != nil {
		return fmt.Errorf("make the cipher: %w", err)
	}
	key.aead = aead
	b.keys = append(b.keys, key)
	b.master = master
	return nil
}

func derive(master [masterSize]byte, purpose string, size int) []byte {
	key, err := hkdf.Key(sha256.New, master[:], nil, purpose, size)
	if err != nil {
		// RFC 5869 §2.3 knows one error: more than 255 hashes of output. Ours is constant.
		panic(err)
	}
	return key
}
