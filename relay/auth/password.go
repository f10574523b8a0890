package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"

	"github.com/relayd/relayd/relay"
)

// PasswordPrefix stands in front of every password, so that scanners for leaked
// secrets can find one.
const PasswordPrefix = "rlp_"

const (
	passwordEntropy = 20 // octets: 160 bits, which is 32 characters of base32
	hashVersion     = 1  // the first octet of a stored hash
	hashPurpose     = "relayd submitter password\x00"
)

// NewPassword makes a random password and the hash to store. The password is shown
// once and never kept.
func (a *Authenticator) NewPassword() (relay.Secret, []byte) {
	raw := make([]byte, passwordEntropy)
	rand.Read(raw) //nolint:errcheck // never fails since Go 1.24
	alphabet := base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)
	password := relay.Secret(PasswordPrefix + alphabet.EncodeToString(raw))
	return password, hashPassword(a.key, password)
}

// hashPassword is HMAC-SHA-256 (RFC 2104). Without the key, which lies apart from
// the directory, a stolen hash cannot even be tried.
func hashPassword(key []byte, password relay.Secret) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(hashPurpose))
	mac.Write([]byte(password.Reveal()))
	return mac.Sum([]byte{hashVersion})
}

// matches takes the same time wherever two hashes differ.
func (a *Authenticator) matches(hash []byte, password relay.Secret) bool {
	return hmac.Equal(hash, a.hash(a.key, password))
}

// inNetworks reports whether the address is in one of the networks, each a prefix
// or a single address. No networks means any address; an entry that cannot be read
// holds none.
func inNetworks(networks []string, addr netip.Addr) bool {
	if len(networks) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("") // networks have no zones
	for _, network := range networks {
		if prefix, err := netip.ParsePrefix(network); err == nil && prefix.Contains(addr) {
			return true
		}
		if single, err := netip.ParseAddr(network); err == nil && single.Unmap() == addr {
			return true
		}
	}
	return false
}
