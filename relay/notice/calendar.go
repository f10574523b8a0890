package notice

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// EntryKind says what expires.
type EntryKind string

// The kinds of entry.
const (
	EntryConsent     EntryKind = "consent"     // a person's consent ends, or dies of not being used
	EntryAppSecret   EntryKind = "app_secret"  // the client secret of an OAuth application
	EntryCertificate EntryKind = "certificate" // of listeners, pages, or a service account
	EntryProvider    EntryKind = "provider"    // a date on which a provider ends a way to sign in
)

// Actor says who has to act.
type Actor string

// The actors.
const (
	ActorOwner         Actor = "owner" // of the account
	ActorAdministrator Actor = "administrator"
	ActorOperator      Actor = "operator"
)

// Entry is one date of the expiry calendar.
type Entry struct {
	When     time.Time
	Kind     EntryKind
	What     string // what expires, such as the name of an application
	Account  string // id; empty if it concerns no single account
	App      string // id of an OAuth application; empty if it concerns none
	Actor    Actor
	Sentence string // what happens then, and what to do, for that person
}

// Source knows some of what will expire.
type Source interface {
	// Expiring gives the entries of an organisation from one moment to before another,
	// in any order. The empty organisation is the operator's own.
	Expiring(ctx context.Context, organisation string, from, to time.Time) ([]Entry, error)
}

// maxEntries is how many entries of one source are taken, the first ones.
const maxEntries = 10_000

// Calendar gives what expires in an organisation from one moment to before another,
// sorted. If a source fails, the entries of the others are given together with the
// error.
func (s *Service) Calendar(ctx context.Context, organisation string, from, to time.Time) ([]Entry, error) {
	var all []Entry
	var errs []error
	for _, source := range s.o.Sources {
		entries, err := source.Expiring(ctx, organisation, from, to)
		if err != nil {
			errs = append(errs, fmt.Errorf("read what expires in organisation %q: %w", organisation, err))
			continue
		}
		entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool {
			return e.When.Before(from) || !e.When.Before(to)
		})
		slices.SortStableFunc(entries, compareEntries)
		all = append(all, entries[:min(len(entries), maxEntries)]...)
	}
	slices.SortStableFunc(all, compareEntries)
	return all, errors.Join(errs...)
}

func compareEntries(a, b Entry) int {
	return cmp.Or(a.When.Compare(b.When), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What),
		cmp.Compare(a.Account, b.Account), cmp.Compare(a.App, b.App))
}

// event is what is raised about an entry, a time ahead of it. All of it follows from
// entry and time, so that the same event is recognised when it is raised again.
func (e *Entry) event(organisation string, ahead time.Duration) relay.AccountEvent {
	return relay.AccountEvent{
		Kind: relay.AccountEventExpiring, At: e.When.Add(-ahead).UTC(), Account: e.Account, Organisation: organisation,
		Rule: "expiry." + string(e.Kind), Reason: relay.Printable(e.What + ", " + moment(e.When) + ": " + e.Sentence),
	}
}
