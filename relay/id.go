package relay

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"time"
)

// ID names one message inside relayd. The first 48 bits are the time of
// acceptance in milliseconds, so that IDs sort by age; the rest is random. It is
// made by relayd alone and never taken from outside.
type ID [16]byte

// idEncoding is Crockford's base32 in lower case: it keeps the order of the
// bytes and has no letters that people confuse.
var idEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// IDLength is the number of characters of an ID in text.
const IDLength = 26

// ErrBadID means that a text is not the name of a message.
var ErrBadID = errors.New("not a message id: 26 characters of 0-9 and a-z are expected")

// NewID makes the ID of a message that is accepted now.
func NewID(now time.Time) ID {
	var id ID
	id.setTime(now)
	rand.Read(id[6:]) //nolint:errcheck // never fails since Go 1.24
	return id
}

// ParseID reads what String wrote; anything else is ErrBadID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != IDLength {
		return id, ErrBadID
	}
	if n, err := idEncoding.Decode(id[:], []byte(s)); err != nil || n != len(id) || id.String() != s {
		return ID{}, ErrBadID
	}
	return id, nil
}

// String is the ID as it stands in replies, logs and pages.
func (id ID) String() string { return idEncoding.EncodeToString(id[:]) }

// MarshalText writes the ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads an ID as ParseID does.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// IsZero reports whether this names no message.
func (id ID) IsZero() bool { return id == ID{} }

// Time is the moment of acceptance, to the millisecond.
func (id ID) Time() time.Time {
	var ms [8]byte
	copy(ms[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:])))
}

// Derive names a message that relayd itself makes because of this one, such as a
// DSN. The same id and label always give the same name, so that a report which a
// crash interrupted is not made twice.
func (id ID) Derive(label string) ID {
	sum := sha256.Sum256(append(id[:], label...))
	derived := id
	copy(derived[6:], sum[:])
	return derived
}

func (id *ID) setTime(t time.Time) {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
}
