package account

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// Accounts is the directory's table of accounts, under the promises of
// store.Directory.
type Accounts interface {
	Get(ctx context.Context, id string) (*relay.Account, error)
	Put(ctx context.Context, a *relay.Account) error
	Delete(ctx context.Context, id string) error
	List(ctx context.Context, after string, limit int) ([]*relay.Account, error)
}

// Tokens gives access tokens for accounts that are signed in to by OAuth2. A
// *relay.TokenError says what the vendor's token endpoint answered.
type Tokens interface {
	// Token gives a token for the resource, by the settings in force.
	Token(ctx context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error)
	// CandidateToken gives one by the account's candidate, and by the consent that is
	// tried beside the one in force.
	CandidateToken(ctx context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error)
	// Renew gives another one than stale, which a server refused.
	Renew(ctx context.Context, a *relay.Account, r relay.Resource, stale relay.Secret) (relay.Secret, *relay.App, error)
	// Adopt makes the consent that was tried the account's own.
	Adopt(ctx context.Context, accountID string) error
	// Forget takes back and removes the consents of an account, and ForgetCandidate the
	// one that was tried. Without one they do nothing.
	Forget(ctx context.Context, accountID string) error
	ForgetCandidate(ctx context.Context, accountID string) error
}

// Finder finds the servers of an address that nobody has chosen yet.
type Finder interface {
	// Find gives settings that may be used without a person's yes, and where they come
	// from. A *relay.FieldError says that a person must choose or confirm, and names
	// what was found.
	Find(ctx context.Context, a *relay.Account) (found relay.Settings, source string, err error)
}

// Web makes clients of accounts that are reached by HTTP.
type Web interface {
	Open(c *relay.Credentials, way relay.Way) (webmail.Client, error)
}

// Sealer seals passwords at rest. What it seals opens only for the same kind, id
// and field.
type Sealer interface {
	Seal(kind, id, field string, plain []byte) []byte
	Unseal(kind, id, field string, sealed []byte) ([]byte, error)
}

// Classifier knows what an answer means.
type Classifier interface {
	Classify(a relay.Answer) relay.Class
}

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Observer hears what becomes of accounts, after it is durable. Its methods must
// return at once.
type Observer interface {
	AccountVerified(a *relay.Account, by string)
	AccountNotVerified(a *relay.Account, by, field, message string)
	AccountParked(a *relay.Account, rule string, retry time.Time)
	AccountDegraded(a *relay.Account)
	AccountRestored(a *relay.Account, by string)
	AccountStepDown(a *relay.Account, r relay.Rung)
	CredentialUsed(a *relay.Account, purpose, server string)
}

// Options are the parts and limits of a Service.
type Options struct {
	Accounts   Accounts
	Sealer     Sealer
	Classifier Classifier
	Dialer     Dialer
	Observer   Observer
	Tokens     Tokens // nil: accounts are signed in to by password only
	Finder     Finder // nil: servers must be chosen
	Web        Web    // nil: accounts are reached by SMTP and IMAP only
	// TokenHost reports whether an application's access tokens may go to the mail
	// servers of a host: who gets one reads the mailbox, or with an app-only one every
	// mailbox. nil means to any.
	TokenHost func(app *relay.App, host string) bool
	// Complete adds what is known of a provider to settings that somebody typed: the
	// servers where none are named, and the preset to which they belong, so that its
	// limits and reply rules hold; empty if to none. It may be nil.
	Complete func(*relay.Account)
	// MayFile reports whether an account's provider may file sent mail itself, although a
	// verification did not see it do so. nil means that none does.
	MayFile func(*relay.Account) bool
	// Parked is called after an account was parked, to break off what is in flight
	// for it. It may be nil.
	Parked func(accountID string)

	// Gone is called after an account was deleted. It may be nil.
	Gone func(accountID string)

	Hello        string                // our name in EHLO
	Roots        *x509.CertPool        // authorities to trust; nil means the system's
	PlainAllowed func(netip.Addr) bool // where TLS mode "none" is permitted; nil means nowhere

	RetryEvery time.Duration // between sign-ins of a parked account without a person; 0 means DefaultRetryEvery
	Look       time.Duration // how often parked accounts are looked at; 0 means DefaultLook
	Workers    int           // verifications, and retries, at one time; 0 means DefaultWorkers

	StepTimeout  time.Duration // one answer of a server; 0 means DefaultStepTimeout
	TotalTimeout time.Duration // a whole verification; 0 means DefaultTotalTimeout
	LoopPatience time.Duration // how long the mail to oneself may take; 0 means DefaultLoopPatience
	LoopPause    time.Duration // before the first look for it; the pauses grow; 0 means DefaultLoopPause
	SentPatience time.Duration // how long the provider's own copy in Sent is waited for; 0 means DefaultSentPatience
	LateAfter    time.Duration // when a copy that the provider filed late is looked for once more; 0 means never
}

// The defaults of Options.
const (
	DefaultRetryEvery   = 15 * time.Minute // providers lock accounts that fail more often
	DefaultLook         = 20 * time.Second
	DefaultWorkers      = 16
	DefaultStepTimeout  = 30 * time.Second // a person is waiting
	DefaultTotalTimeout = 5 * time.Minute
	DefaultLoopPatience = time.Minute
	DefaultLoopPause    = 500 * time.Millisecond
	DefaultSentPatience = 10 * time.Second
)

func (o *Options) fill() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.RetryEvery, DefaultRetryEvery}, {&o.Look, DefaultLook}, {&o.StepTimeout, DefaultStepTimeout},
		{&o.TotalTimeout, DefaultTotalTimeout}, {&o.LoopPatience, DefaultLoopPatience},
		{&o.LoopPause, DefaultLoopPause}, {&o.SentPatience, DefaultSentPatience},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Parked == nil {
		o.Parked = func(string) {}
	}
}

// silent is an Observer that nobody listens to.
type silent struct{}

func (silent) AccountVerified(*relay.Account, string)                    {}
func (silent) AccountNotVerified(*relay.Account, string, string, string) {}
func (silent) AccountParked(*relay.Account, string, time.Time)           {}
func (silent) AccountDegraded(*relay.Account)                            {}
func (silent) AccountRestored(*relay.Account, string)                    {}
func (silent) AccountStepDown(*relay.Account, relay.Rung)                {}
func (silent) CredentialUsed(*relay.Account, string, string)             {}
