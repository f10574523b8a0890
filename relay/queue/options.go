package queue

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Store is where messages are durable: the part of store.Queue that the conductor
// needs, under the same promises.
type Store interface {
	Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error)
	Record(ctx context.Context, id relay.ID, s *relay.State, e relay.Event) error
	Get(ctx context.Context, id relay.ID) (*relay.Message, *relay.State, error)
	Open(ctx context.Context, id relay.ID) (store.Content, error)
	Waiting(ctx context.Context, each func(*relay.Message, *relay.State) bool) error
}

// Router decides the way of a message, from what is true now (step 5).
type Router interface {
	Route(ctx context.Context, m *relay.Message) (relay.Route, error)
	// Until gives when time alone makes another route of the hold that m is under; zero
	// if it never does.
	Until(ctx context.Context, m *relay.Message) (time.Time, error)
}

// Deliverer makes one attempt over one kind of route (step 6). It returns when
// every recipient has its result, or soon after ctx is cancelled.
type Deliverer interface {
	Deliver(ctx context.Context, d *relay.Delivery) relay.Attempt
}

// Filer makes Sent copies (step 7), and looks for messages in mailboxes.
type Filer interface {
	File(ctx context.Context, f *relay.Filing) relay.Filed
	// Find tells whether the message lies in the account's mailbox, so that it must
	// have been accepted.
	Find(ctx context.Context, account string, m *relay.Message) (relay.Found, error)
}

// Reporter makes DSNs and notices (step 8) and puts them into the queue. The same
// call twice makes one report. The zero ID means that none was due.
type Reporter interface {
	Report(ctx context.Context, m *relay.Message, s *relay.State, recipients []int, kind relay.ReportKind, body relay.Body) (relay.ID, error)
}

// Accounts is told of trouble that concerns a whole account.
type Accounts interface {
	// Park makes the account need a person and breaks off what is in flight for
	// it. Mail of a parked account is held by the router.
	Park(ctx context.Context, account string, t relay.Trouble) error
	// Changed returns a channel that is closed at the next change of any account,
	// user or organisation.
	Changed() <-chan struct{}
}

// Observer hears of every step of every message, after it is durable. Its methods
// must return at once.
type Observer interface {
	Attempted(m *relay.Message, route relay.Route, a *relay.Attempt)
	Held(m *relay.Message, h *relay.Hold)
	Released(m *relay.Message, by string)
	Copied(m *relay.Message, c *relay.Copy)
	Reported(m *relay.Message, kind relay.ReportKind, report relay.ID)
	Cancelled(m *relay.Message, by string)
	Done(m *relay.Message, s *relay.State)
	// Fault is a trouble of our own that delayed something but lost nothing.
	Fault(step string, id relay.ID, err error)
}

// Options are the parts and the limits of a Conductor.
type Options struct {
	Store      Store
	Router     Router
	Deliverers map[relay.RouteKind]Deliverer
	Filer      Filer
	Reporter   Reporter
	Accounts   Accounts
	Observer   Observer

	Backoff     Backoff       // the ordinary schedule of attempts
	CopyBackoff Backoff       // the schedule of Sent copies
	NoCopies    bool          // makes no Sent copies
	DelayAfter  time.Duration // a delay notice is made after this age; 0 makes none
	UnknownWait time.Duration // how long an unknown outcome rests before it is looked up or sent again

	Attempts       int           // at one time, in all
	PerAccount     int           // attempts at one time through one account
	PerDestination int           // attempts at one time to one destination domain
	PerMailbox     int           // Sent copies and filed reports at one time in one mailbox
	Grace          time.Duration // how long attempts may run on after the conductor is told to stop

	Random func() float64 // in [0,1), for jitter
}

// The defaults of Options.
const (
	DefaultAttempts       = 500
	DefaultPerAccount     = 5
	DefaultPerDestination = 10
	DefaultPerMailbox     = 1
	DefaultDelayAfter     = 4 * time.Hour
	DefaultUnknownWait    = time.Minute
	DefaultGrace          = 30 * time.Second
)

// The errors of the controls.
var (
	// ErrHeld means that the message is held already.
	ErrHeld = errors.New("the message is held already")
	// ErrNotHeld means that there is no hold to release.
	ErrNotHeld = errors.New("the message is not held")
	// ErrSettled means that every recipient has its final outcome.
	ErrSettled = errors.New("nothing of the message waits any more")
)

func (o *Options) setDefaults() {
	setDefault(&o.Attempts, DefaultAttempts)
	setDefault(&o.PerAccount, DefaultPerAccount)
	setDefault(&o.PerDestination, DefaultPerDestination)
	setDefault(&o.PerMailbox, DefaultPerMailbox)
	setDefault(&o.UnknownWait, DefaultUnknownWait)
	setDefault(&o.Grace, DefaultGrace)
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if len(o.Backoff.Steps) == 0 {
		o.Backoff = DefaultBackoff()
	}
	if len(o.CopyBackoff.Steps) == 0 {
		o.CopyBackoff = DefaultCopyBackoff()
	}
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
