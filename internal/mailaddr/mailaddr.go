// Package mailaddr reads mail addresses: strictly, once, into the pair that a
// [relay.Address] is.
//
// The order of work for one mailbox:
//  1. the local part, Dot-string or Quoted-string (RFC 5321 §4.1.2, with the
//     UTF-8 of RFC 6531 §3.3), is unquoted and brought to NFC;
//  2. the domain, which is what stands after the last unquoted @, becomes
//     lower-case A-labels (IDNA2008) or a canonical address literal;
//  3. both are held to the lengths of RFC 5321 §4.5.3.1.
//
// Whatever leaves relayd is written from the pair again, by
// [relay.Address.String], and reading that gives the same pair.
package mailaddr

import (
	"errors"
	"fmt"
	"strings"

	"github.com/relayd/relayd/relay"
)

// ErrInvalid means that a text is no mail address, or none that may be used. The
// full error text says why, in words that a client may read.
var ErrInvalid = errors.New("not a valid mail address")

// The lengths of RFC 5321, in octets.
const (
	maxLocal  = 64  // §4.5.3.1.1, with its quotes
	maxDomain = 253 // §4.5.3.1.2 says 255: that is the wire form of RFC 1035, which is two more than its text
	maxPath   = 254 // §4.5.3.1.3 says 256 with the angle brackets
)

// Parse reads a mailbox without angle brackets, such as jane@acme.example. The
// error wraps ErrInvalid.
func Parse(s string) (relay.Address, error) {
	if len(s) > 4*maxPath {
		return relay.Address{}, invalid("it is too long")
	}
	local, rest, err := cutLocal(s)
	if err != nil {
		return relay.Address{}, err
	}
	if local, err = normalizeLocal(local); err != nil {
		return relay.Address{}, err
	}
	domain, err := parseHost(rest)
	if err != nil {
		return relay.Address{}, err
	}
	return checkLengths(relay.Address{Local: local, Domain: domain})
}

// cutLocal takes the local part, unquoted, off s and gives what stands after
// the @.
func cutLocal(s string) (local, rest string, err error) {
	if strings.HasPrefix(s, `"`) {
		local, rest, err = cutQuoted(s)
	} else {
		local, rest, err = cutDotString(s)
	}
	if err != nil {
		return "", "", err
	}
	if !strings.HasPrefix(rest, "@") {
		return "", "", invalid("the @ is missing")
	}
	return local, rest[1:], nil
}

// cutDotString reads Atom *("." Atom).
func cutDotString(s string) (local, rest string, err error) {
	end := 0
	for end < len(s) && (s[end] == '.' || IsAtext(s[end])) {
		end++
	}
	local = s[:end]
	if local == "" {
		return "", "", invalid("the part before the @ is missing or holds a character that must be quoted")
	}
	if local[0] == '.' || local[end-1] == '.' || strings.Contains(local, "..") {
		return "", "", invalid("a dot stands where none may stand")
	}
	return local, s[end:], nil
}

// cutQuoted reads DQUOTE *QcontentSMTP DQUOTE. Angle brackets fit the grammar and
// are refused all the same: a program that forgets to quote them again would
// write a second path (attack row A5), and no real mailbox holds one.
func cutQuoted(s string) (local, rest string, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '"':
			if b.Len() == 0 {
				return "", "", invalid("the part before the @ is empty")
			}
			return b.String(), s[i+1:], nil
		case c == '\\':
			// RFC 5321 §4.1.2: quoted-pairSMTP is a backslash and %d32-126.
			i++
			if i == len(s) || s[i] < ' ' || s[i] > '~' {
				return "", "", invalid("a backslash quotes nothing")
			}
			c = s[i]
		case c < ' ' || c == 0x7f:
			return "", "", invalid("it holds a control character")
		}
		if c == '<' || c == '>' {
			return "", "", invalid("it holds an angle bracket")
		}
		b.WriteByte(c)
	}
	return "", "", invalid("the quoted part has no end")
}

// checkLengths measures the address as it will be written.
func checkLengths(a relay.Address) (relay.Address, error) {
	written := len(a.String())
	if written-len(a.Domain)-1 > maxLocal {
		return relay.Address{}, invalid("the part before the @ is longer than 64 octets")
	}
	if written > maxPath {
		return relay.Address{}, invalid("it is longer than 254 octets")
	}
	return a, nil
}

// IsAtext reports whether c is atext of RFC 5322 §3.2.3, extended by RFC 6531 §3.3
// and RFC 6532 §3.2.
func IsAtext(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c >= 0x80:
		return true
	}
	return strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

func invalid(reason string) error {
	return fmt.Errorf("%w: %s", ErrInvalid, reason)
}
