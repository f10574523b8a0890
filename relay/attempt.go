package relay

import (
	"context"
	"time"
)

// Delivery is what the conductor asks a deliverer to do: one message, some of its
// recipients, one route.
type Delivery struct {
	Message    *Message
	Route      Route
	Recipients []int // indexes in Message.Envelope.Recipients; never empty
	Body       Body

	// BeforeDot must be called, and must return nil, before the last octet of the
	// content leaves: it makes durable that from now on the outcome for these
	// recipients may be unknown. After an error the dot must not be sent.
	// A deliverer that uses several transactions calls it once in each.
	BeforeDot func(ctx context.Context, recipients []int) error

	// Connecting, if it is set, is called when a new connection is made, and end when
	// the peer is ready for mail or will not be. In between nobody knows whether there
	// is a peer at all: the context may end then, so that others get the place.
	Connecting func() (end func())
}

// StartConnecting calls Connecting if it is set.
func (d *Delivery) StartConnecting() (end func()) {
	if d.Connecting == nil {
		return func() {}
	}
	return d.Connecting()
}

// Attempt is what came of a Delivery. Every recipient of the Delivery has exactly
// one Result, whatever happened.
type Attempt struct {
	Started, Ended time.Time
	Peer           Peer
	Way            Way // for RouteAccount: the rung of the ladder that decided
	Results        []Result
	Trouble        *Trouble // set if not the message but its account or destination is the matter
}

// TroubleKind says whose trouble it is.
type TroubleKind uint8

// The kinds of trouble.
const (
	TroublePark    TroubleKind = iota + 1 // the account needs a person: its mail is held, nothing bounces
	TroubleSlow                           // the whole lane rests for Pause
	TroubleAborted                        // broken off because the account was parked or we shut down; counts as no attempt
)

// Trouble concerns the whole lane of an attempt. It never counts against a
// message (promise G3).
type Trouble struct {
	Kind  TroubleKind
	Pause time.Duration // how long the lane rests, or when one sign-in may be tried again
	Rule  string
	Reply Reply
	Hint  string

	// ClockStops: a used-up quota and the like. Waiting for it is no part of a message's
	// age, so that it never bounces mail (promise G3).
	ClockStops bool

	// Version is Account.Version of the credentials that met the trouble; 0 if it is
	// not about credentials. Trouble of older ones than the account has now is over.
	Version uint64
}
