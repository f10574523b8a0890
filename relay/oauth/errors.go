package oauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/relayd/relayd/relay"
)

// The errors of this package. Test for them with errors.Is. Where Token or Renew meets
// one, it is the Cause of the *relay.TokenError.
var (
	// ErrState means that a browser came back to a consent that is not under way: begun
	// more than 10 minutes ago, used already, or begun by another login.
	ErrState = errors.New("this sign-in is not under way: it was begun too long ago, finished already, or begun elsewhere")
	// ErrIssuer means that another vendor answered than the one that was asked
	// (RFC 9207): somebody mixes them up on purpose.
	ErrIssuer = errors.New("the answer comes from another provider than the one that was asked")
	// ErrDenied means that the person, or the vendor for him, said no.
	ErrDenied = errors.New("the consent was refused")
	// ErrIdentity means that the vendor did not say whose consent it is, or not in a
	// way that can be believed.
	ErrIdentity = errors.New("the provider does not say whose account this is")
	// ErrNoRefresh means that the consent ends with its first access token.
	ErrNoRefresh = errors.New("the provider gave no permission that lasts (no refresh token)")
	// ErrBusy means that too many consents are under way.
	ErrBusy = errors.New("too many sign-ins are under way: try again in a few minutes")
	// ErrApp means that the OAuth application cannot be used for this, with the reason.
	ErrApp = errors.New("the OAuth application cannot be used")
	// ErrNoDevice means that the vendor has no device flow for mail.
	ErrNoDevice = errors.New("this provider offers no sign-in by code")
	// ErrNoConsent means that nobody has consented for the account.
	ErrNoConsent = errors.New("nobody has consented for this account yet")
	// ErrEnded means that the consent works no more.
	ErrEnded = errors.New("the consent has ended")
	// ErrNotBound means that the account's address is not bound to its user. The secret
	// of an application opens every mailbox, so this proves nothing: an administrator
	// has to map the mailbox, or its owner to type a code that was mailed to it.
	ErrNotBound = errors.New("the mailbox is not bound to its user yet")
	// ErrClosed means that the service has ended.
	ErrClosed = errors.New("relayd is shutting down")
)

// AddressError means that somebody consented for another address than the one that is
// being connected.
type AddressError struct {
	Wanted relay.Address
	Got    string // what the vendor said; printable
}

// Error names both addresses.
func (e *AddressError) Error() string {
	return fmt.Sprintf("the sign-in was for %s, but %s is being connected: choose that account at the provider", e.Got, e.Wanted)
}

// ScopeError means that permissions were left out.
type ScopeError struct {
	Missing []string // scopes
	Words   []string // what they mean, for people
}

// Error names the permissions in plain words.
func (e *ScopeError) Error() string {
	return "permission is missing to " + strings.Join(e.Words, ", and to ") + ": choose again, and leave every box ticked"
}

func unusable(why string) error { return fmt.Errorf("%w: %s", ErrApp, why) }
