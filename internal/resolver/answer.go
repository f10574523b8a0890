package resolver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// What a failed look-up means. Test for them with errors.Is.
var (
	// ErrNotFound means that the name does not exist (NXDOMAIN).
	ErrNotFound = errors.New("no such name in the DNS")
	// ErrNoData means that the name exists, but has no record of this type.
	ErrNoData = errors.New("no such record in the DNS")
	// ErrUnusable means that the name has records of this type, but none that can be
	// used: RFC 5321 §5.1 forbids to act as if there were none.
	ErrUnusable = errors.New("no usable record in the DNS")
	// ErrTemporary means that no server gave an answer: it is not known whether the
	// name exists.
	ErrTemporary = errors.New("no answer from the DNS")
)

// Error is a failed look-up.
type Error struct {
	Name  string
	Type  string // "MX", "A" …
	Kind  error  // ErrNotFound, ErrNoData, ErrUnusable or ErrTemporary
	Cause error  // what happened, for ErrTemporary; may be nil
}

// Error says what was looked up, and how it went.
func (e *Error) Error() string {
	if e.Cause == nil {
		return fmt.Sprintf("look up %s of %s: %v", e.Type, e.Name, e.Kind)
	}
	return fmt.Sprintf("look up %s of %s: %v: %v", e.Type, e.Name, e.Kind, e.Cause)
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// Temporary reports whether the same look-up may succeed later.
func (e *Error) Temporary() bool { return errors.Is(e.Kind, ErrTemporary) }

// As lets the error stand for a net.DNSError, so that code which dials does not
// need to know who looked the name up.
func (e *Error) As(target any) bool {
	d, ok := target.(**net.DNSError)
	if ok {
		*d = &net.DNSError{
			UnwrapErr: e.Kind, Err: e.Kind.Error(), Name: e.Name,
			IsNotFound: !e.Temporary(), IsTemporary: e.Temporary(),
		}
	}
	return ok
}

// Answer is the records of one look-up: at least one, at most MaxRecords.
type Answer[T any] struct {
	Name    string // the name that has the records, at the end of all aliases; no dot at its end
	Records []T
	// Authentic is the AD bit (RFC 4035 §3.2.3): the server says that it validated
	// the answer. It means something only if the path to the server can be trusted.
	Authentic bool
}

// MX is one mail exchanger of a domain.
type MX struct {
	Preference uint16
	Host       string // lower case, no dot at its end; empty is the null MX (RFC 7505)
}

// SRV is where a service of a domain is offered (RFC 2782).
type SRV struct {
	Priority uint16
	Weight   uint16
	Port     uint16
	Host     string // lower case, no dot at its end; empty: the service is decidedly not offered
}

// record is one record of any of the five types.
type record struct {
	mx   MX
	srv  SRV
	addr netip.Addr
	text string
}

// size is roughly what the record takes in memory.
func (r *record) size() int { return 64 + len(r.mx.Host) + len(r.srv.Host) + len(r.text) }
