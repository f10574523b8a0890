package webhook

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

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

// Observer hears what becomes of calls. Its methods must return at once. event is the
// type of the body.
type Observer interface {
	// WebhookCalled tells of every attempt. status is 0 if no answer came; err is nil
	// if the event was taken.
	WebhookCalled(webhook, event string, status, attempt int, err error)
	// WebhookGivenUp tells that an event was not taken in all attempts.
	WebhookGivenUp(webhook, event string, attempts int)
	// WebhookDisabled tells that a webhook was switched off because it answered 410.
	WebhookDisabled(webhook string)
	// WebhookDropped tells that a waiting call was removed.
	WebhookDropped(webhook, event, reason string)
	// WebhookLost tells that an event could not be kept for anybody.
	WebhookLost(event, account string, err error)
	// Fault tells that something of ours did not work; it is tried again.
	Fault(step string, id relay.ID, err error)
}

// Options are the parts and limits of a Service.
type Options struct {
	Webhooks store.Table[relay.Webhook]
	Calls    store.Table[relay.WebhookCall]
	Sealer   Sealer
	Dialer   Dialer
	Observer Observer // nil: nobody

	// Kept is called when an event that Tell took is durable for every webhook that
	// wants it. It may be nil.
	Kept func(context.Context, relay.AccountEvent)

	Roots        *x509.CertPool        // authorities to trust; nil means the system's
	PlainAllowed func(netip.Addr) bool // where http without TLS is permitted; nil means nowhere

	Workers    int           // calls at one time; 0 means DefaultWorkers
	MaxWaiting int           // calls that wait at one time, in all; 0 means DefaultMaxWaiting
	Timeout    time.Duration // one call from dial to answer; 0 means DefaultTimeout
}

// The defaults of Options.
const (
	DefaultWorkers    = 32
	DefaultMaxWaiting = 10_000
	DefaultTimeout    = 10 * time.Second
)

// Retries gives the pauses after an attempt that failed: five seconds, minutes and
// hours, up to more than three days in all. After one attempt more a call is given
// up.
func Retries() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
		10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

func (o *Options) fill() {
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = DefaultMaxWaiting
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Kept == nil {
		o.Kept = func(context.Context, relay.AccountEvent) {}
	}
}

// silent is an Observer that nobody listens to.
type silent struct{}

func (silent) WebhookCalled(string, string, int, int, error) {}
func (silent) WebhookGivenUp(string, string, int)            {}
func (silent) WebhookDisabled(string)                        {}
func (silent) WebhookDropped(string, string, string)         {}
func (silent) WebhookLost(string, string, error)             {}
func (silent) Fault(string, relay.ID, error)                 {}
