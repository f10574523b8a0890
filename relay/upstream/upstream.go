// Package upstream delivers a message through the sender's own account.
//
// An account has a ladder of ways of sending. One attempt takes the best of those that
// were proved and are not down; where the account cannot send that way at all, it goes
// down to the next one and lets the account remember it. What a provider says about
// the message never leads to another way.
//
// By SMTP:
//  1. ask the ledger whether the account may send now; if not, its mail waits;
//  2. take a connection of this account's pool, or dial, secure and authenticate one;
//     a token that is refused is replaced once;
//  3. MAIL, RCPT… and DATA in one flight where the peer allows PIPELINING (RFC 2920),
//     the whole of a small message where it allows CHUNKING as well (RFC 3030);
//  4. record "dot sent" before the end of the content leaves;
//  5. read the answer, classify it, and give every recipient its Outcome;
//  6. give the connection back.
//
// A message with more recipients than the peer takes at one time goes through these
// steps several times within one attempt. Up to step 4 an attempt can be broken
// off, by its context or by CloseAccount, and then counts for nothing; behind it the
// answer is waited for, because nobody else could tell what became of the message.
//
// By an HTTP API there is one request instead of the connection and its commands. An API
// knows no envelope, so a message goes this way only if those whom its header names are
// its recipients, and all of them have one Outcome.
package upstream

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/internal/patience"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// Dialer makes connections. It decides which addresses may be reached.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Credentials gives what a sign-in needs: the password, or an access token for r.
// store.ErrNotFound means that there is no such account any more, and a
// *relay.TokenError that no token can be had.
type Credentials interface {
	Credentials(ctx context.Context, accountID string, r relay.Resource) (*relay.Credentials, error)
}

// Accounts gives an account as it is now; store.ErrNotFound means that there is none.
type Accounts interface {
	Get(ctx context.Context, id string) (*relay.Account, error)
}

// Renewer is what Credentials may be as well: it replaces a token that a server
// refused, though it should be good for longer. A *relay.TokenError means that no
// other can be had.
type Renewer interface {
	Renew(ctx context.Context, c *relay.Credentials) (*relay.Credentials, error)
}

// Web makes clients of HTTP APIs.
type Web interface {
	// Open makes the client of a way. An error means that the account's settings
	// for it cannot be used.
	Open(c *relay.Credentials, way relay.Way) (webmail.Client, error)
}

// Health keeps what is learned about an account.
type Health interface {
	// StepDown notes that the account cannot send by a way that was proved, so that
	// it is left alone until its RetryAt.
	StepDown(ctx context.Context, accountID string, rung relay.Rung) error
}

// Classifier tells what an answer means.
type Classifier interface {
	Classify(a relay.Answer) relay.Class
}

// Metrics hears about connections. Its methods are called concurrently.
type Metrics interface {
	// UpstreamConnected counts a connection that was made and signed in, and how
	// long that took.
	UpstreamConnected(tls bool, took time.Duration)
	// UpstreamReused counts a message that found an open connection.
	UpstreamReused()
}

// Options are the options of a Deliverer. A zero field is its default.
type Options struct {
	Dialer      Dialer      // needed
	Accounts    Accounts    // needed
	Credentials Credentials // needed
	Classifier  Classifier  // needed
	Hello       string      // our name in EHLO; needed
	Web         Web         // nil: no account sends by an HTTP API
	Health      Health      // nil: nobody remembers
	Metrics     Metrics     // nil: nobody listens

	// LimitsOf gives what the provider lets an account do; nil: nothing is known.
	LimitsOf func(*relay.Account) relay.Limits
	// Ledger keeps what was sent; nil: it is kept in memory.
	Ledger *ledger.Ledger

	// Roots are the authorities that sign servers' certificates; nil is the system's.
	Roots *x509.CertPool
	// AllowPlain permits TLS mode none to a server at this address; nil is never.
	AllowPlain func(netip.Addr) bool

	MaxPerAccount int           // connections of one account, where LimitsOf tells none
	MaxTotal      int           // connections of all accounts
	MaxMessages   int           // messages on one connection, where LimitsOf tells none
	MaxAge        time.Duration // of a connection that is still given a message
	IdleTimeout   time.Duration // how long an unused connection is kept
	MaxRecipients int           // of one transaction, where LimitsOf tells none

	// AttemptTimeout is how long one attempt may take before its first dot. It
	// bounds a peer that answers just in time, again and again.
	AttemptTimeout time.Duration
	// AnswerGrace is how long the answer to a final dot is still waited for after
	// the context of the attempt ended, when the program is about to stop.
	AnswerGrace time.Duration

	Timeouts smtpwire.ClientTimeouts
	Limits   smtpwire.ReplyLimits
	// OneFlight is smtpwire.ClientOptions.OneFlight.
	OneFlight int
}

// The defaults of Options. Those about connections are what providers are known to
// bear where nothing is known about the one at hand.
const (
	DefaultMaxPerAccount  = 2
	DefaultMaxTotal       = 200
	DefaultMaxMessages    = 20
	DefaultMaxAge         = 5 * time.Minute  // Postfix: smtp_connection_reuse_time_limit
	DefaultIdleTimeout    = 30 * time.Second // most servers end a silent connection after 1 to 5 minutes
	DefaultMaxRecipients  = 100              // RFC 5321 §4.5.3.1.8: every server takes 100
	DefaultAttemptTimeout = time.Hour        // 25 MiB at 8 KiB/s
	DefaultAnswerGrace    = 20 * time.Second // servers answer a dot within seconds
)

func (o Options) withDefaults() Options {
	for _, n := range []struct {
		field    *int
		fallback int
	}{
		{&o.MaxPerAccount, DefaultMaxPerAccount}, {&o.MaxTotal, DefaultMaxTotal},
		{&o.MaxMessages, DefaultMaxMessages}, {&o.MaxRecipients, DefaultMaxRecipients},
	} {
		if *n.field <= 0 {
			*n.field = n.fallback
		}
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&o.MaxAge, DefaultMaxAge}, {&o.IdleTimeout, DefaultIdleTimeout},
		{&o.AttemptTimeout, DefaultAttemptTimeout}, {&o.AnswerGrace, DefaultAnswerGrace},
	} {
		if *d.field <= 0 {
			*d.field = d.fallback
		}
	}
	if o.LimitsOf == nil {
		o.LimitsOf = func(*relay.Account) relay.Limits { return relay.Limits{} }
	}
	if o.Ledger == nil {
		o.Ledger = &ledger.Ledger{}
	}
	if o.Metrics == nil {
		o.Metrics = silent{}
	}
	if o.AllowPlain == nil {
		o.AllowPlain = func(netip.Addr) bool { return false }
	}
	return o
}

// silent is Metrics for nobody.
type silent struct{}

func (silent) UpstreamConnected(bool, time.Duration) {}
func (silent) UpstreamReused()                       {}

// Deliverer delivers through accounts. It may be used concurrently.
type Deliverer struct {
	o    Options
	pool *pool
	jobs *jobs
}

// New makes a Deliverer. Its Run keeps the pool tidy.
func New(o Options) *Deliverer {
	o = o.withDefaults()
	d := &Deliverer{o: o, jobs: newJobs(patience.Options{Timeout: o.AttemptTimeout, Grace: o.AnswerGrace})}
	d.pool = newPool(o, d.connect)
	return d
}

// Run closes connections that nobody used for a while, until ctx ends; then it
// closes all that are idle, waits for that, and returns nil.
func (d *Deliverer) Run(ctx context.Context) error {
	ticker := time.NewTicker(max(d.o.IdleTimeout/2, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.pool.sweep()
		case <-ctx.Done():
			return d.Close()
		}
	}
}

// Close refuses new attempts, closes the idle connections and waits for that. The
// attempts under way belong to their callers, who end them first.
func (d *Deliverer) Close() error {
	d.pool.close()
	return nil
}

// CloseAccount breaks off all attempts through the account that have not sent
// their dot, and closes its idle connections. It is for an account that was
// parked, changed or deleted.
func (d *Deliverer) CloseAccount(id string) {
	d.jobs.breakOff(id)
	d.pool.closeAccount(id)
}

// Idle tells how many connections lie unused.
func (d *Deliverer) Idle() int { return d.pool.idle() }
