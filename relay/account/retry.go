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
		err := s.eachDue(ctx, time.Now(), func(id string) {
			tries.Go(func() { s.tryAgain(ctx, id) })
		})
		if err != nil && ctx.Err() == nil {
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

// eachDue claims every parked account whose time has come: the time of its next try
// is moved on before this one begins, so that a crash in between cannot lead to
// tries one after the other.
func (s *Service) eachDue(ctx context.Context, now time.Time, try func(id string)) error {
	due := func(a *relay.Account) bool {
		return a.State == relay.AccountParked && !a.RetryAt.IsZero() && !a.RetryAt.After(now)
	}
	for after := ""; ; {
		page, err := s.o.Accounts.List(ctx, after, pageSize)
		if err != nil {
			return err
		}
		for _, a := range page {
			after = a.ID
			if !due(a) || s.verifying(a.ID) {
				continue
			}
			_, claimed, err := s.update(ctx, a.ID, func(a *relay.Account) bool {
				if !due(a) {
					return false
				}
				a.RetryAt = now.Add(s.o.RetryEvery)
				return true
			})
			if err == nil && claimed {
				try(a.ID)
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

// tryAgain signs in once to both servers. If the one for sending takes the
// password, mail flows again, even if no copies can be filed.
func (s *Service) tryAgain(ctx context.Context, id string) {
	select {
	case s.workers <- struct{}{}:
		defer func() { <-s.workers }()
	case <-ctx.Done():
		return
	}
	c, err := s.Credentials(ctx, id)
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
