// Package auth answers which submitter a sign-in is.
//
// One sign-in:
//  1. the record is looked up; for a name that nobody has, a dummy takes its place;
//  2. the same work is done for every record: the keyed hash of the password, its
//     comparison in constant time, the networks, the switch;
//  3. the outcome is counted by address, by name and by the pair of both, and the
//     counters say how long the answer waits (guard.go);
//  4. the answer leaves when it is due, counted from the start. What went wrong
//     shows neither in its words nor in its time.
//
// A sign-in lasts as long as its submitter's record stays as it was: see Current.
//
// Passwords are long random strings that relayd makes itself (password.go), so a
// fast keyed hash is enough to check one.
package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The defaults of Options.
const (
	DefaultFirstDelay = 500 * time.Millisecond
	DefaultMaxDelay   = 10 * time.Second // below the patience of mail programs for one command
	DefaultForget     = 15 * time.Minute
	DefaultTracked    = 100_000
)

// minKey is the shortest key in octets: as long as the hash (RFC 2104 §3).
const minKey = 32

// Directory is where submitters are. Look-ups are answered from memory.
type Directory interface {
	SubmitterByLogin(ctx context.Context, login string) (*relay.Submitter, error)
	Submitters() store.Table[relay.Submitter]
}

// Options is what New needs. Directory and Key are required; a zero value of the
// others means the default.
type Options struct {
	Directory  Directory
	Key        []byte        // of the keyed hash; at least 32 octets that stay secret
	FirstDelay time.Duration // of the answer to a first failed sign-in; it doubles with each further one
	MaxDelay   time.Duration // the longest delay: nobody is ever locked out
	Forget     time.Duration // a counter without a failure for so long starts anew
	Tracked    int           // counters kept of each kind; the least recently used go first
}

// Authenticator answers sign-ins. It may be used concurrently.
type Authenticator struct {
	directory Directory
	key       []byte
	guard     *guard
	dummy     relay.Submitter // in the place of a name that nobody has
	hash      func(key []byte, password relay.Secret) []byte
}

// The reasons of a refusal, for logs: the client sees none of them.
var (
	ErrUnknownLogin = errors.New("no submitter has this login")
	ErrPassword     = errors.New("the password is wrong")
	ErrDisabled     = errors.New("the submitter is disabled")
	ErrNetwork      = errors.New("the client's address is in none of the submitter's networks")
	ErrChanged      = errors.New("the submitter was changed after the sign-in")
)

// New makes an Authenticator.
func New(o Options) (*Authenticator, error) {
	if o.Directory == nil || len(o.Key) < minKey {
		return nil, fmt.Errorf("auth: a directory and a key of at least %d octets are required", minKey)
	}
	if o.FirstDelay == 0 {
		o.FirstDelay = DefaultFirstDelay
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = DefaultMaxDelay
	}
	if o.Forget == 0 {
		o.Forget = DefaultForget
	}
	if o.Tracked == 0 {
		o.Tracked = DefaultTracked
	}
	a := &Authenticator{directory: o.Directory, key: o.Key, guard: newGuard(o), hash: hashPassword}
	_, a.dummy.PasswordHash = a.NewPassword() // nobody knows its password
	return a, nil
}

// Password answers a sign-in with a password. A refusal is a *relay.Error whose
// code, text and time are the same for every reason; its Cause tells the log which
// one it was. The submitter belongs to the caller and holds no hash.
func (a *Authenticator) Password(ctx context.Context, c relay.Client, login string, password relay.Secret) (*relay.Submitter, error) {
	start := time.Now()
	submitter, known, err := a.lookUp(ctx, login)
	if err != nil {
		return nil, relay.Fault(fmt.Errorf("look up the submitter: %w", err))
	}
	reason := a.check(submitter, known, c, password)
	due := start.Add(a.guard.delay(c.Addr.Addr(), login, reason == nil, start))
	if err := waitUntil(ctx, due); err != nil {
		return nil, relay.Fault(fmt.Errorf("delay the answer to a sign-in: %w", err))
	}
	if reason != nil {
		return nil, refuse(reason)
	}
	return withoutHash(submitter), nil
}

// Current answers whether a sign-in still counts. Every change of the record ends
// it, so that a new password, a shorter list of senders and the switch count at once
// and not when the client chooses to hang up. The refusal is a *relay.Error that
// closes the connection: SMTP knows no second sign-in, and a client that still may
// submit connects again.
func (a *Authenticator) Current(ctx context.Context, s *relay.Submitter) error {
	now, err := a.directory.Submitters().Get(ctx, s.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return signInAgain(ErrUnknownLogin)
	case err != nil:
		return relay.Fault(fmt.Errorf("look up the submitter that signed in: %w", err))
	case now.Revision != s.Revision:
		return signInAgain(ErrChanged)
	}
	return nil
}

// signInAgain is 421: temporary, because it is not said that the next sign-in fails.
func signInAgain(reason error) *relay.Error {
	return &relay.Error{Code: 421, Enhanced: relay.Enhanced{4, 7, 0}, Public: "The login was changed, sign in again", Cause: reason, Close: true}
}

// BySubmitterID gives the submitter of a listener that asks for no password. The
// caller has checked the listener's networks; the submitter's own count as well.
func (a *Authenticator) BySubmitterID(ctx context.Context, c relay.Client, id string) (*relay.Submitter, error) {
	submitter, err := a.directory.Submitters().Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refuse(fmt.Errorf("submitter %q of listener %s: %w", id, c.Listener, ErrUnknownLogin))
	case err != nil:
		return nil, relay.Fault(fmt.Errorf("look up the submitter of listener %s: %w", c.Listener, err))
	case submitter.Disabled:
		return nil, refuse(ErrDisabled)
	case !inNetworks(submitter.Networks, c.Addr.Addr()):
		return nil, refuse(ErrNetwork)
	}
	return withoutHash(submitter), nil
}

// lookUp gives the dummy for a name that nobody has.
func (a *Authenticator) lookUp(ctx context.Context, login string) (submitter *relay.Submitter, known bool, err error) {
	submitter, err = a.directory.SubmitterByLogin(ctx, login)
	if errors.Is(err, store.ErrNotFound) {
		dummy := a.dummy
		return &dummy, false, nil
	}
	return submitter, err == nil, err
}

// check does all the work before it looks at any result.
func (a *Authenticator) check(s *relay.Submitter, known bool, c relay.Client, password relay.Secret) error {
	matches := a.matches(s.PasswordHash, password)
	inside := inNetworks(s.Networks, c.Addr.Addr())
	switch {
	case !known:
		return ErrUnknownLogin
	case !matches:
		return ErrPassword
	case s.Disabled:
		return ErrDisabled
	case !inside:
		return ErrNetwork
	}
	return nil
}

// refuse is RFC 4954 §6: 535 5.7.8, and nothing more.
func refuse(reason error) *relay.Error {
	err := relay.Refuse(535, relay.Enhanced{5, 7, 8}, "Authentication credentials invalid")
	err.Cause = reason
	return err
}

func withoutHash(s *relay.Submitter) *relay.Submitter {
	s.PasswordHash = nil
	return s
}

// waitUntil returns at the time due, or earlier with an error when ctx ends.
func waitUntil(ctx context.Context, due time.Time) error {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
