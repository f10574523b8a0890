package oauth

import (
	"context"
	"crypto/x509"
	"net"
	"time"

	"github.com/relayd/relayd/relay"
)

// Apps is the directory's table of OAuth applications, under the promises of
// store.Table.
type Apps interface {
	Get(ctx context.Context, id string) (*relay.App, error)
	Put(ctx context.Context, a *relay.App) error
	List(ctx context.Context, after string, limit int) ([]*relay.App, error)
}

// Grants is the directory's table of consents, under the promises of store.Table: when
// Put returns nil the refresh token survives a power cut, and a Put or Delete of what
// somebody else changed in between is store.ErrStale.
type Grants interface {
	Get(ctx context.Context, id string) (*relay.Grant, error)
	Put(ctx context.Context, g *relay.Grant) error
	Delete(ctx context.Context, id string) error
	List(ctx context.Context, after string, limit int) ([]*relay.Grant, error)
}

// Accounts tells whose account a consent is for.
type Accounts interface {
	Get(ctx context.Context, id string) (*relay.Account, error)
}

// Sealer seals secrets at rest. What it seals opens only for the same kind, id and
// field.
type Sealer interface {
	Seal(kind, id, field string, plain []byte) []byte
	Unseal(kind, id, field string, sealed []byte) ([]byte, error)
}

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Observer hears what becomes of consents, after it is durable. Its methods must
// return at once. The grants that it is given have no refresh token.
type Observer interface {
	ConsentObtained(g *relay.Grant)
	// ConsentEnded: the vendor refused it, and it is not tried again. Its account needs
	// its owner.
	ConsentEnded(g *relay.Grant, err *relay.TokenError)
	// TokenFailed: a request to a vendor gave no token. The account is empty where the
	// token would have been for all accounts of the application.
	TokenFailed(account, app string, err *relay.TokenError)
}

// Options are the parts and limits of a Service.
type Options struct {
	Apps     Apps
	Grants   Grants
	Accounts Accounts // for Expiring
	Sealer   Sealer
	Dialer   Dialer
	Observer Observer       // may be nil
	Roots    *x509.CertPool // authorities to trust; nil means the system's

	// RedirectURL is where vendors send the browser back to, exactly as it is
	// registered there. Without it only device flows and admin-made accounts work.
	RedirectURL      string
	AdminRedirectURL string // the same after an administrator's consent; empty means RedirectURL

	RequestTimeout time.Duration // one request to a vendor; 0 means DefaultRequestTimeout
	KeepAlive      time.Duration // consents unused for so long are refreshed; 0 means DefaultKeepAlive
	Look           time.Duration // how often Run looks for them; 0 means DefaultLook
	Horizon        time.Duration // how far Expiring looks ahead for unused consents; 0 means DefaultHorizon
	Together       int           // requests for one application at one time; 0 means DefaultTogether
}

// The defaults of Options.
const (
	DefaultRequestTimeout = 30 * time.Second
	DefaultKeepAlive      = 7 * 24 * time.Hour
	DefaultLook           = time.Hour
	DefaultHorizon        = 60 * 24 * time.Hour
	DefaultTogether       = 8
)

// The limits that are not options.
const (
	// FlowLifetime is how long a consent may take, from Begin to Finish.
	FlowLifetime = 10 * time.Minute
	// MaxAnswer is the largest answer of a vendor, in octets.
	MaxAnswer = 64 << 10
	// RefreshAhead is how long before its end an access token is replaced.
	RefreshAhead = 5 * time.Minute
	// RetryAfter is the shortest time between two requests for one account that gives
	// no token.
	RetryAfter = time.Minute

	maxFlows         = 4096             // consents under way
	maxLoginFlows    = 8                // of these by one login
	maxRetryAfter    = 15 * time.Minute // the longest pause after failures of our own accord
	maxAskedPause    = time.Hour        // the longest pause that a vendor's Retry-After gives
	refusedPause     = time.Hour        // after a refusal that no consent mends: as in the reply rules
	downPause        = 10 * time.Second // an endpoint that could not be reached is left alone by all accounts
	closePatience    = 10 * time.Second // requests under way may end within it, because a refresh token may hang on them
	usedPrecision    = 24 * time.Hour   // of relay.Grant.Used, where nothing else is to be written
	unknownLifetime  = 30 * time.Minute // of an access token that does not tell
	maxLifetime      = 24 * time.Hour   // of an access token in memory
	maxTokenLength   = 16 << 10         // octets of a token; those of vendors have at most 4 KiB
	maxCodeLength    = 8 << 10          // octets of what comes with a browser
	maxHeader        = 32 << 10         // octets of an answer's header
	maxRaces         = 16               // tries to change a record that somebody else changes too
	pageSize         = 200              // records read at one time
	idleConnections  = 4                // kept for each vendor
	idleConnection   = 60 * time.Second // how long
	handshakeTimeout = 15 * time.Second
)

func (o *Options) fill() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.RequestTimeout, DefaultRequestTimeout}, {&o.KeepAlive, DefaultKeepAlive},
		{&o.Look, DefaultLook}, {&o.Horizon, DefaultHorizon},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	if o.Together <= 0 {
		o.Together = DefaultTogether
	}
	if o.AdminRedirectURL == "" {
		o.AdminRedirectURL = o.RedirectURL
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
}

// silent is an Observer that nobody listens to.
type silent struct{}

func (silent) ConsentObtained(*relay.Grant)                  {}
func (silent) ConsentEnded(*relay.Grant, *relay.TokenError)  {}
func (silent) TokenFailed(string, string, *relay.TokenError) {}
