package sent

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// Accounts reads accounts without signing in to them.
type Accounts interface {
	// Get gives the account as it is now; store.ErrNotFound if there is none.
	Get(ctx context.Context, accountID string) (*relay.Account, error)
}

// Credentials gives what a sign-in needs.
type Credentials interface {
	// Credentials gives the account as it is now, and its password or an access token
	// for r. It returns store.ErrNotFound if there is no such account, and a
	// *relay.TokenError if no token can be had.
	Credentials(ctx context.Context, accountID string, r relay.Resource) (*relay.Credentials, error)
}

// Renewer is what Credentials may be as well: it replaces a token that a server
// refused, though it should be good for longer. A *relay.TokenError means that no
// other can be had.
type Renewer interface {
	Renew(ctx context.Context, c *relay.Credentials) (*relay.Credentials, error)
}

// Classifier knows what an answer means.
type Classifier interface {
	Classify(a relay.Answer) relay.Class
}

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Health is told how the filing of an account goes. A degraded account sends on.
type Health interface {
	// Degrade notes that copies cannot be filed until a person did something.
	Degrade(ctx context.Context, accountID string, t relay.Trouble) error
	// Recover notes that a copy was filed in a degraded account.
	Recover(ctx context.Context, accountID string) error
}

// Learner is told when a search shows that an account's card is wrong.
type Learner interface {
	// Learn notes whether the provider files sent mail itself (Card.FilesSent).
	Learn(ctx context.Context, accountID string, filesSent bool) error
}

// Web opens mailboxes over the HTTP API of a way.
type Web interface {
	Open(c *relay.Credentials, way relay.Way) (webmail.Client, error)
}

// Options are the parts and limits of a Filer.
type Options struct {
	Accounts    Accounts
	Credentials Credentials
	Classifier  Classifier
	Dialer      Dialer
	Web         Web     // nil: mailboxes without IMAP cannot be searched
	Health      Health  // may be nil
	Learner     Learner // may be nil

	// MayFile reports whether the account's provider may file sent mail itself although
	// the card says no: what its preset says, or does not know. A copy that relayd filed
	// in such an account is looked at once more. Nil means that the card is always right.
	MayFile func(*relay.Account) bool

	Roots        *x509.CertPool        // authorities to trust; nil means the system's
	PlainAllowed func(netip.Addr) bool // where TLS mode "none" is permitted; nil means nowhere

	PerAccount int           // sessions of one account at one time; 0 means DefaultPerAccount
	Busy       int           // filings at one time over all accounts; 0 means DefaultBusy
	Idle       int           // sessions that are kept for later over all accounts; 0 means DefaultIdle
	IdleTime   time.Duration // how long they are kept; 0 means DefaultIdleTime

	ProviderFirst time.Duration // when a provider that files itself is first looked after; 0 means DefaultProviderFirst
	ProviderLast  time.Duration // when its copy no longer comes, so that we file; 0 means DefaultProviderLast
	Recheck       time.Duration // when it is looked whether a copy of the provider's came after ours; 0 means DefaultRecheck
	NeverCreate   bool          // never makes a Sent folder where there is none

	ConnectTimeout   time.Duration // 0 means the default of internal/mailbox, as for the others
	OperationTimeout time.Duration
	UploadRate       int64
	AnswerLimit      int64
}

// The defaults of Options.
const (
	DefaultPerAccount    = 1 // providers allow few connections, and the phone needs some too
	DefaultBusy          = 64
	DefaultIdle          = 64
	DefaultIdleTime      = 30 * time.Second // some servers stall on long idle connections
	DefaultProviderFirst = 10 * time.Second // then up to three looks within a minute
	DefaultProviderLast  = 60 * time.Second
	DefaultRecheck       = 10 * time.Minute
)

func (o *Options) fill() {
	for _, n := range []struct {
		value    *int
		fallback int
	}{{&o.PerAccount, DefaultPerAccount}, {&o.Busy, DefaultBusy}, {&o.Idle, DefaultIdle}} {
		if *n.value <= 0 {
			*n.value = n.fallback
		}
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.IdleTime, DefaultIdleTime}, {&o.ProviderFirst, DefaultProviderFirst}, {&o.ProviderLast, DefaultProviderLast},
		{&o.Recheck, DefaultRecheck}} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
}
