package notice

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// maxNews is how many parked accounts may wait to be looked at; beyond it all
// accounts are looked at.
const maxNews = 1024

// Service tells people. Its methods may be called concurrently.
type Service struct {
	o     Options
	links *Links
	names []byte // key of derived message IDs
	news  chan string
	all   chan struct{} // every account is to be looked at

	asking sync.Mutex // one code or invitation is counted and made at one time

	// Of Run alone:
	told     map[string]time.Time // by organisation: the last mail to its administrators
	expiring *expiring
}

// New makes a Service. Run does what happens by itself.
func New(o Options) *Service {
	o.fill()
	return &Service{
		o: o, links: NewLinks(o.Links, o.Key), names: o.Key.Derive("notice/message name"),
		news: make(chan string, maxNews), all: make(chan struct{}, 1),
		told: map[string]time.Time{}, expiring: newExpiring(),
	}
}

// Links gives the links, for the pages that take their tokens.
func (s *Service) Links() *Links { return s.links }

// AccountParked lets Run look at an account at once. It is one of the methods of
// account.Observer. Nothing depends on it but how soon the owner hears.
func (s *Service) AccountParked(a *relay.Account, _ string, _ time.Time) {
	select {
	case s.news <- a.ID:
	default:
		select {
		case s.all <- struct{}{}:
		default:
		}
	}
}

// Run tells who is to be told, until ctx ends. It returns nil then. What does not
// work is told to the Observer and tried again at the next look.
func (s *Service) Run(ctx context.Context) error {
	look, keep := time.NewTicker(s.o.Look), time.NewTicker(s.o.Housekeeping)
	defer look.Stop()
	defer keep.Stop()
	s.try(ctx, "notice.accounts", s.look)
	s.try(ctx, "notice.housekeeping", s.housekeep)
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-s.news:
			s.try(ctx, "notice.owner", func(ctx context.Context) error { return s.tellOwner(ctx, id) })
		case <-s.all:
			s.try(ctx, "notice.accounts", s.look)
		case <-look.C:
			s.try(ctx, "notice.accounts", s.look)
		case <-keep.C:
			s.try(ctx, "notice.housekeeping", s.housekeep)
		}
	}
}

func (s *Service) try(ctx context.Context, step string, do func(context.Context) error) {
	if err := do(ctx); err != nil && ctx.Err() == nil {
		s.o.Observer.Fault(step, relay.ID{}, err)
	}
}

func (s *Service) housekeep(ctx context.Context) error {
	return errors.Join(s.links.sweep(ctx, time.Now()), s.raise(ctx))
}

// look goes through all accounts: it tells the owners of those that are parked, and
// then the administrators.
func (s *Service) look(ctx context.Context) error {
	orgs := map[string]*troubles{}
	var faults failures
	err := s.eachAccount(ctx, func(a *relay.Account) {
		gather(orgs, a)
		if s.owed(a) {
			faults.add(s.tellOwner(ctx, a.ID))
		}
	})
	faults.add(err)
	if err == nil { // a part of the accounts would give a wrong list
		faults.add(s.tellAdministrators(ctx, orgs))
	}
	return faults.err()
}

func (s *Service) eachAccount(ctx context.Context, do func(*relay.Account)) error {
	for after := ""; ; {
		page, err := s.o.Accounts.List(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the accounts: %w", err)
		}
		for _, a := range page {
			after = a.ID
			do(a)
		}
		if len(page) < pageSize {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// note changes when people were told, in the account as it is now. when gives the
// moment, or false if the account is in another state by now.
func (s *Service) note(ctx context.Context, id string, when func(*relay.Account) bool) error {
	for range maxRaces {
		a, err := s.o.Accounts.Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil // there is nobody left to tell
		}
		if err != nil {
			return fmt.Errorf("read account %s: %w", id, err)
		}
		if !when(a) {
			return nil
		}
		err = s.o.Accounts.Put(ctx, a)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrStale) {
			return fmt.Errorf("note in account %s who was told: %w", id, err)
		}
	}
	return fmt.Errorf("note in account %s who was told: %w", id, store.ErrStale)
}

// failures counts errors and keeps the first: one cause, such as a full queue, would
// else be told once for each of a thousand accounts.
type failures struct {
	first error
	more  int
}

func (f *failures) add(err error) {
	switch {
	case err == nil:
	case f.first == nil:
		f.first = err
	default:
		f.more++
	}
}

func (f *failures) err() error {
	if f.more == 0 {
		return f.first
	}
	return fmt.Errorf("%w (and %d more)", f.first, f.more)
}
