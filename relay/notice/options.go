package notice

import (
	"context"
	"io"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Spool is where a notice becomes a message like any other: the part of store.Queue
// that is needed, under the same promises.
type Spool interface {
	// Put makes m durable. store.ErrExists means that it was put before, even if
	// nothing is left of it but its history.
	Put(ctx context.Context, m *relay.Message, key func() relay.SubmissionKey, content io.Reader) (relay.ID, error)
}

// Accounts is the directory's table of accounts, under the promises of
// store.Directory. That people were told is written here.
type Accounts interface {
	Get(ctx context.Context, id string) (*relay.Account, error)
	Put(ctx context.Context, a *relay.Account) error
	List(ctx context.Context, after string, limit int) ([]*relay.Account, error)
}

// Users is the directory's table of users, as far as it is read.
type Users interface {
	Get(ctx context.Context, id string) (*relay.User, error)
	List(ctx context.Context, after string, limit int) ([]*relay.User, error)
}

// Organisations is the directory's table of organisations, as far as it is read.
type Organisations interface {
	Get(ctx context.Context, id string) (*relay.Organisation, error)
	List(ctx context.Context, after string, limit int) ([]*relay.Organisation, error)
}

// Waiting tells how many messages wait for an account.
type Waiting interface {
	Waiting(ctx context.Context, account string) (int, error)
}

// Events takes what the expiry calendar raises.
type Events interface {
	// Emit returns nil when the event is durable. The same event again is the same
	// one to whoever hears of it.
	Emit(ctx context.Context, e relay.AccountEvent) error
}

// Observer hears what the Service does. Its methods must return at once.
type Observer interface {
	// NoticeMade tells that a notice is in the queue. kind is one of those below.
	NoticeMade(kind string, id relay.ID, organisation, account string)
	// Fault tells that something of ours did not work; it is tried again.
	Fault(step string, id relay.ID, err error)
}

// The kinds of notice, for Observer.
const (
	KindOwner          = "owner"
	KindAdministrators = "administrators"
	KindCode           = "code"
	KindInvitation     = "invitation"
)

// LinkPath is where the pages take tokens: a link is Options.BaseURL, this, and the
// token.
const LinkPath = "/link/"

// Options are the parts and settings of a Service.
type Options struct {
	Spool         Spool
	Accounts      Accounts
	Users         Users
	Organisations Organisations
	Links         store.Table[relay.Link]
	Key           Key
	Waiting       Waiting  // nil: the number of waiting messages is left out
	Events        Events   // nil: nothing is raised
	Sources       []Source // of the expiry calendar
	Observer      Observer // nil: nobody

	Hostname string        // the name that we go by: required
	From     relay.Address // as reports have it; zero means postmaster at Hostname
	Name     string        // display name of From; empty means DefaultName

	// BaseURL is where the pages are reached from outside, such as
	// https://relay.acme.example. Empty: a notice names the command instead.
	BaseURL string

	// OwnerMends reports whether the owner can do anything about a trouble with this
	// reply rule. If not, only the administrators are told. nil means always.
	OwnerMends func(rule string) bool

	MendLifetime    time.Duration // of the link to mend an account; 0 means DefaultMendLifetime
	ConnectLifetime time.Duration // of an invitation; 0 means DefaultConnectLifetime
	Look            time.Duration // how often the accounts are looked at; 0 means DefaultLook
	Housekeeping    time.Duration // how often links are swept and the calendar is read; 0 means DefaultHousekeeping
}

// The defaults of Options.
const (
	DefaultName            = "Mail relay"
	DefaultMendLifetime    = 7 * 24 * time.Hour
	DefaultConnectLifetime = 7 * 24 * time.Hour
	DefaultLook            = 3 * time.Minute
	DefaultHousekeeping    = time.Hour
)

func (o *Options) fill() {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.MendLifetime, DefaultMendLifetime}, {&o.ConnectLifetime, DefaultConnectLifetime},
		{&o.Look, DefaultLook}, {&o.Housekeeping, DefaultHousekeeping},
	} {
		if *d.value <= 0 {
			*d.value = d.fallback
		}
	}
	o.MendLifetime, o.ConnectLifetime = min(o.MendLifetime, MaxLifetime), min(o.ConnectLifetime, MaxLifetime)
	if o.From.IsZero() {
		o.From = relay.Address{Local: "postmaster", Domain: o.Hostname} // RFC 5321 §4.5.1: every host has one
	}
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.OwnerMends == nil {
		o.OwnerMends = func(string) bool { return true }
	}
	if o.Observer == nil {
		o.Observer = silent{}
	}
}

// silent is an Observer that nobody listens to.
type silent struct{}

func (silent) NoticeMade(string, relay.ID, string, string) {}
func (silent) Fault(string, relay.ID, error)               {}
