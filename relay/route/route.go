// Package route decides the way of a message: through the sender's own account,
// directly, or held, with the reason.
//
// Order of work:
//  1. [Router.Route] gathers the facts: the account of the header From address, the
//     policy of its organisation, for a report the account of its recipient;
//  2. [Decide], a pure function, applies the rules of rules.go in order, and the
//     first that decides wins;
//  3. [Router.Explain] does the same for a message that does not exist, and tells
//     every rule that it looked at.
//
// The decision is taken anew at every attempt until the first final dot left; from
// then on the conductor keeps it. It changes with the accounts and organisations, and
// in one case with time alone: an organisation can limit how long mail waits for an
// account that nobody mends.
package route

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Directory is where the facts come from. Every look-up is answered from memory;
// store.ErrNotFound means that there is no such record.
type Directory interface {
	Organisations() store.Table[relay.Organisation]
	OrganisationOf(ctx context.Context, domain string) (*relay.Organisation, error)
	UserByAddress(ctx context.Context, a relay.Address) (*relay.User, error)
	AccountByAddress(ctx context.Context, a relay.Address) (*relay.Account, error)
	SubmitterByLogin(ctx context.Context, login string) (*relay.Submitter, error)
}

// Options is what New needs.
type Options struct {
	Directory Directory
	NoDirect  bool // hold what would be delivered directly
}

// Router decides routes. It may be used concurrently.
type Router struct {
	directory Directory
	noDirect  bool
}

// New makes a Router.
func New(o Options) *Router { return &Router{directory: o.Directory, noDirect: o.NoDirect} }

// Route decides the way of m as things stand now. An error means that the directory
// could not be asked, and the attempt has to be made later.
func (r *Router) Route(ctx context.Context, m *relay.Message) (relay.Route, error) {
	facts, err := r.facts(ctx, m)
	if err != nil {
		return relay.Route{}, fmt.Errorf("route message %s: %w", m.ID, err)
	}
	return Decide(facts), nil
}

// Until gives when time alone makes another decision of the hold that m is under; zero
// if it never does.
func (r *Router) Until(ctx context.Context, m *relay.Message) (time.Time, error) {
	facts, err := r.facts(ctx, m)
	if err != nil {
		return time.Time{}, fmt.Errorf("route message %s: %w", m.ID, err)
	}
	return heldUntil(facts), nil
}

// facts asks only for what the kind of the message needs.
func (r *Router) facts(ctx context.Context, m *relay.Message) (f Facts, err error) {
	f = Facts{Kind: m.Kind, Now: time.Now(), Accepted: m.Accepted, NullSender: m.Envelope.ReturnPath.IsZero(), Organisation: m.Organisation, NoDirect: r.noDirect}
	owner := m.From
	if m.Kind == relay.KindNotice {
		return f, nil
	}
	if m.Kind == relay.KindReport {
		if len(m.Envelope.Recipients) == 0 {
			return f, nil
		}
		owner = m.Envelope.Recipients[0].Address // a report has one: the return path
	}
	f.Address = owner
	if f.Account, err = found(r.directory.AccountByAddress(ctx, owner)); err != nil {
		return f, fmt.Errorf("find the account of %s: %w", owner, err)
	}
	if f.Account != nil && !f.Account.SendsAs(owner) {
		f.Lapsed = f.Account.Lapsed(owner)
		if !f.Lapsed {
			f.Account = nil // an alias without a proof of its own is nobody's (promise G9)
		}
	}
	if f.Policy, err = r.policy(ctx, m.From, m.Organisation); err != nil {
		return f, err
	}
	return f, nil
}

// policy is that of the organisation whose person the sender is: of the user, else
// of the domain, else of the submitter.
func (r *Router) policy(ctx context.Context, from relay.Address, submitters string) (relay.Policy, error) {
	user, err := found(r.directory.UserByAddress(ctx, from))
	if err != nil {
		return relay.Policy{}, fmt.Errorf("find the user of %s: %w", from, err)
	}
	var org *relay.Organisation
	if user != nil {
		org, err = found(r.directory.Organisations().Get(ctx, user.Organisation))
	}
	if org == nil && err == nil {
		org, err = found(r.directory.OrganisationOf(ctx, from.Domain))
	}
	if org == nil && err == nil && submitters != "" {
		org, err = found(r.directory.Organisations().Get(ctx, submitters))
	}
	if err != nil {
		return relay.Policy{}, fmt.Errorf("find the organisation of %s: %w", from, err)
	}
	if org == nil {
		return relay.Policy{}, nil
	}
	return org.Policy, nil
}

// found turns "there is none" from an error into nil.
func found[T any](rec *T, err error) (*T, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}
