package account

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// pageSize is how many accounts are looked at in one step.
const pageSize = 200

// Run tries parked accounts again when their time has come, until ctx ends. It
// returns nil then, after the tries that were at work.
func (s *Service) Run(ctx context.Context) error {
	var tries sync.WaitGroup
	defer tries.Wait()
	ticker := time.NewTicker(s.o.Look)
	defer ticker.Stop()
	for {
		err := s.eachDue(ctx, func(id string) {
			tries.Go(func() {
				defer func() { <-s.workers }()
				s.tryAgain(ctx, id)
			})
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for parked accounts: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-s.kick:
		}
	}
}

// wake lets Run look at once.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// eachDue claims every parked account whose time has come, and gives each to try
// together with a worker, which is waited for before the claim: one that nobody can
// try yet stays due, and takes no goroutine.
func (s *Service) eachDue(ctx context.Context, try func(id string)) error {
	for after := ""; ; {
		page, err := s.o.Accounts.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, a := range page {
			after = a.ID
			if !due(a, time.Now()) || s.verifying(a.ID) {
				continue
			}
			select {
			case s.workers <- struct{}{}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !s.claim(ctx, a.ID) {
				<-s.workers
				continue
			}
			try(a.ID)
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func due(a *relay.Account, now time.Time) bool {
	return a.State == relay.AccountParked && !a.RetryAt.IsZero() && !a.RetryAt.After(now)
}

// claim moves the time of an account's next try on before this one begins, so that a
// crash in between cannot lead to tries one after the other.
func (s *Service) claim(ctx context.Context, id string) bool {
	now := time.Now()
	_, claimed, err := s.update(ctx, id, func(a *relay.Account) bool {
		if !due(a, now) {
			return false
		}
		a.RetryAt = now.Add(s.o.RetryEvery)
		return true
	})
	return err == nil && claimed
}

// tryAgain signs in once to both servers. If the one for sending takes the
// password, mail flows again, even if no copies can be filed.
func (s *Service) tryAgain(ctx context.Context, id string) {
	c, err := s.Credentials(ctx, id, relay.ResourceMail)
	if err != nil {
		s.postpone(ctx, id, 0, err.Error(), 0)
		return
	}
	s.o.Observer.CredentialUsed(&c.Account, "retry", c.Account.SMTP.Host)
	if p := s.signInToSend(ctx, c); p != nil {
		if ctx.Err() == nil {
			s.postpone(ctx, id, c.Account.Version, p.message, p.pause)
		}
		return
	}
	state, reason := relay.AccountVerified, ""
	if p := s.signInToRead(ctx, c); p != nil {
		state, reason = relay.AccountDegraded, p.message
	}
	s.bringBack(ctx, c, state, reason)
}

func (s *Service) bringBack(ctx context.Context, c *relay.Credentials, state relay.AccountState, reason string) {
	now := time.Now()
	a, changed, err := s.update(ctx, c.Account.ID, func(a *relay.Account) bool {
		if a.State != relay.AccountParked || a.Version != c.Account.Version {
			return false // it was changed while we tried what it was before
		}
		restore(a, state, reason, now)
		return true
	})
	if err == nil && changed {
		s.o.Observer.AccountRestored(a, "")
	}
}

// postpone plans the next try. version 0 means whatever it is.
func (s *Service) postpone(ctx context.Context, id string, version uint64, reason string, pause time.Duration) {
	next := time.Now().Add(max(pause, s.o.RetryEvery))
	//nolint:errcheck // the next try is planned already, by the claim
	s.update(ctx, id, func(a *relay.Account) bool {
		if a.State != relay.AccountParked || (version != 0 && a.Version != version) {
			return false
		}
		a.RetryAt, a.StateReason = next, relay.Printable(reason)
		return true
	})
}
