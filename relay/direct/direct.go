// Package direct delivers a message straight to the mail exchangers of its
// recipients, signed with DKIM.
//
// One attempt:
//  1. sign: the keys of the From domain, else our own; a signature that is due and
//     cannot be made defers the message, it never leaves unsigned;
//  2. find the exchangers of the destination, in the order of preference (RFC 5321
//     §5.1): null MX, no such domain and a loop end here;
//  3. take an idle connection to the first address, or dial, greet, and encrypt if
//     the peer offers STARTTLS. The encryption is opportunistic (RFC 7435): no
//     certificate is asked for, and if it fails the same peer is asked in clear, on
//     a new connection;
//  4. MAIL, RCPT and the content in as few flights as the peer allows; "dot sent"
//     is recorded before the end of the content leaves;
//  5. classify each answer and give every recipient its Outcome. Where a peer could
//     not be reached, or refused everybody for now, the next address is tried, a
//     bounded number of times.
//
// The dialer decides which addresses may be reached. A destination none of whose
// exchangers has an address that may be reached is a permanent failure (5.4.4):
// what it publishes can never be delivered to, and its sender should know at once.
package direct

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/relayd/relayd/internal/patience"
	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// Dialer opens the connections to mail exchangers. It refuses addresses that may
// not be reached with netguard.ErrRefused.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Resolver finds exchangers and addresses; *resolver.Resolver is one. Its errors
// are told apart by resolver.ErrNotFound, ErrNoData, ErrUnusable and ErrTemporary.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) (resolver.Answer[resolver.MX], error)
	LookupHost(ctx context.Context, network, host string) (resolver.Answer[netip.Addr], error)
}

// Classifier says what an answer means on the direct path.
type Classifier interface {
	Classify(a relay.Answer) relay.Class
}

// Options are the parts and the limits of a Deliverer. A zero field takes its
// default.
type Options struct {
	Dialer     Dialer     // required
	Resolver   Resolver   // required
	Classifier Classifier // required
	Keys       Keys       // nil: nothing is signed
	Log        *slog.Logger

	Hostname      string        // our name in EHLO: required
	OwnNames      []string      // further names of ours in MX records
	SigningDomain string        // d= where the From domain has no key; default Hostname
	SignatureLife time.Duration // default DefaultSignatureLife

	Port      uint16 // default 25
	Network   string // "ip" (default), "ip4" or "ip6"
	Literals  bool   // deliver to address literals, such as user@[192.0.2.1]
	ClearOnly bool   // never use STARTTLS

	MaxAddresses  int // tried in one attempt for one destination
	MaxPerHost    int // of them, addresses of one exchanger
	MaxSessions   int // of them, peers that answered and deferred everybody
	MaxRecipients int // in one transaction

	ConnectTimeout time.Duration
	AttemptTimeout time.Duration // of one attempt before its first dot: a peer may answer just in time, again and again
	AnswerGrace    time.Duration // how long an answer to a final dot is waited for after the context ended
	Timeouts       smtpwire.ClientTimeouts
	Pool           PoolOptions

	// Connected, if set, hears of every connection that is used: metrics.
	Connected func(reused bool, tls string)
}

// The defaults of Options.
const (
	DefaultMaxAddresses   = 6                // Postfix: smtp_mx_address_limit = 5; six are three per family
	DefaultMaxPerHost     = 3                // so that one exchanger cannot use them up
	DefaultMaxSessions    = 2                // Postfix: smtp_mx_session_limit
	DefaultMaxRecipients  = 100              // RFC 5321 §4.5.3.1.8: what every server must take
	DefaultConnectTimeout = 30 * time.Second // Postfix: smtp_connect_timeout
	DefaultAttemptTimeout = time.Hour        // 25 MiB at 8 KiB/s
	DefaultAnswerGrace    = 20 * time.Second // servers answer a dot within seconds
	defaultPort           = 25
)

// Deliverer delivers directly. It may be used concurrently.
type Deliverer struct {
	opts     Options
	signer   *signer
	pool     *pool
	unsigned atomic.Bool // that there is no key was logged
}

// New makes a Deliverer.
func New(opts Options) *Deliverer {
	opts.setDefaults()
	d := &Deliverer{opts: opts, pool: newPool(opts.Pool)}
	d.signer = &signer{keys: opts.Keys, domain: opts.SigningDomain, life: opts.SignatureLife, cache: newKeyCache(), made: newSignatures()}
	return d
}

func (o *Options) setDefaults() {
	orDefault(&o.SigningDomain, o.Hostname)
	orDefault(&o.SignatureLife, DefaultSignatureLife)
	orDefault(&o.Port, defaultPort)
	orDefault(&o.Network, "ip")
	orDefault(&o.MaxAddresses, DefaultMaxAddresses)
	orDefault(&o.MaxPerHost, DefaultMaxPerHost)
	orDefault(&o.MaxSessions, DefaultMaxSessions)
	orDefault(&o.MaxRecipients, DefaultMaxRecipients)
	orDefault(&o.ConnectTimeout, DefaultConnectTimeout)
	orDefault(&o.AttemptTimeout, DefaultAttemptTimeout)
	orDefault(&o.AnswerGrace, DefaultAnswerGrace)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

func orDefault[T comparable](field *T, fallback T) {
	var zero T
	if *field == zero {
		*field = fallback
	}
}

// Close ends the idle connections. Deliveries that still run end by themselves.
func (d *Deliverer) Close() error {
	d.pool.close()
	return nil
}

// Deliver makes one attempt. The recipients of a Delivery usually share one
// destination; if not, one destination follows the other, and Attempt.Peer is the
// last peer. The end of ctx breaks off what has not sent its dot; the answer of what
// has is waited for, as long as AnswerGrace.
func (d *Deliverer) Deliver(ctx context.Context, del *relay.Delivery) relay.Attempt {
	life, ctx := patience.Start(ctx, patience.Options{Timeout: d.opts.AttemptTimeout, Grace: d.opts.AnswerGrace})
	defer life.End()
	a := newAttempt(ctx, d, del)
	a.life = life
	fields, err := d.signer.sign(ctx, del.Message, del.Body)
	if err != nil {
		d.opts.Log.Error("a message could not be signed", "message", del.Message.ID.String(), "error", err.Error())
		a.settle(del.Recipients, notSigned())
		return a.finish()
	}
	if len(fields) == 0 && d.unsigned.CompareAndSwap(false, true) {
		d.opts.Log.Warn("there is no DKIM key, so direct mail leaves unsigned", "domain", d.opts.SigningDomain)
	}
	a.body = signedBody{fields, del.Body}
	for _, g := range byDomain(del) {
		a.deliver(g.domain, g.recipients)
	}
	return a.finish()
}

// group is the recipients of one destination.
type group struct {
	domain     string
	recipients []int
}

// byDomain groups recipients by destination, in the order of their appearance.
func byDomain(del *relay.Delivery) []group {
	var groups []group
	for _, i := range del.Recipients {
		domain := del.Message.Envelope.Recipients[i].Address.Domain
		at := slices.IndexFunc(groups, func(g group) bool { return g.domain == domain })
		if at < 0 {
			groups, at = append(groups, group{domain: domain}), len(groups)
		}
		groups[at].recipients = append(groups[at].recipients, i)
	}
	return groups
}
