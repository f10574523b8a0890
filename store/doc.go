// Package store is the promise of durability: the interfaces that every engine
// keeps, the errors that it may return and the rules that hold for all of them.
//
//	store/embedded   the default: journal and bbolt behind both interfaces
//	store/journal    the durable log of the queue
//	store/storetest  one conformance suite that every engine passes
//
// The rules:
//
//   - What a method returned nil for survives kill -9 and power loss (G1).
//   - An error before that leaves nothing behind, with one exception: after
//     ErrUnknown nobody can say, the engine refuses everything, and the program
//     must stop without an answer and start again (G2).
//   - A State is recorded as a whole with the next revision; the highest revision
//     of an ID is the truth.
//   - Directory records carry a revision: a writer that read an older one gets
//     ErrStale. What must be unique is unique over the whole installation.
package store

import "errors"

// The errors of an engine. Test for them with errors.Is.
var (
	// ErrNotFound means that there is no such record, or no longer.
	ErrNotFound = errors.New("not found")
	// ErrFull means that there is no room: on the disk, or in the configured
	// limits. Nothing was kept; it may work later.
	ErrFull = errors.New("the spool is full")
	// ErrStale means that somebody else changed the record in between.
	ErrStale = errors.New("the record was changed in between")
	// ErrExists means that a record of this ID or with this unique value is there
	// already. The error text names the value.
	ErrExists = errors.New("exists already")
	// ErrUnknown means that a flush failed: whether the change is durable is
	// unknown and stays unknown. The engine is unusable from then on.
	ErrUnknown = errors.New("a flush failed, so the state on disk is unknown")
	// ErrInUse means that the record is still referred to and cannot be deleted.
	ErrInUse = errors.New("still in use")
	// ErrClosed means that the engine was closed.
	ErrClosed = errors.New("the store is closed")
)
