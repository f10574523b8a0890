package account

import (
	"context"
	"fmt"
	"strings"
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

// due reports whether one sign-in is to be tried without a person: of an account that is
// parked, or of a new password that is tried beside the one in force.
func due(a *relay.Account, now time.Time) bool {
	if candidateDue(a, now) {
		return true
	}
	return a.State == relay.AccountParked && !a.RetryAt.IsZero() && !a.RetryAt.After(now)
}

func candidateDue(a *relay.Account, now time.Time) bool {
	return a.Candidate != nil && !a.Candidate.TryAt.IsZero() && !a.Candidate.TryAt.After(now)
}

// claim moves the time of an account's next try on before this one begins, so that a
// crash in between cannot lead to tries one after the other.
func (s *Service) claim(ctx context.Context, id string) bool {
	now := time.Now()
	_, claimed, err := s.update(ctx, id, func(a *relay.Account) bool {
		switch {
		case candidateDue(a, now):
			a.Candidate.TryAt = now.Add(s.o.RetryEvery)
		case due(a, now):
			a.RetryAt = now.Add(s.o.RetryEvery)
		default:
			return false
		}
		return true
	})
	return err == nil && claimed
}

// tryAgain signs in once. A new password that is tried beside the old one is proved by
// that: it is the same mailbox. A parked account whose way of sending takes the sign-in
// sends again, even if no copies can be filed.
func (s *Service) tryAgain(ctx context.Context, id string) {
	a, err := s.o.Accounts.Get(ctx, id)
	if err != nil {
		return // it was deleted, or the next look finds out
	}
	if a.Candidate != nil && !a.Candidate.TryAt.IsZero() {
		s.tryCandidate(ctx, a)
		return
	}
	s.o.Observer.CredentialUsed(a, "retry", a.SMTP.Host)
	if p := s.signInToSend(ctx, a); p != nil {
		if ctx.Err() == nil {
			s.postpone(ctx, id, a.Version, p.message, p.pause)
		}
		return
	}
	state, reason := relay.AccountVerified, ""
	if p := s.signInToRead(ctx, a); p != nil {
		state, reason = relay.AccountDegraded, p.message
	}
	s.bringBack(ctx, a, state, reason)
}

// tryCandidate tries a new password. One that fails waits for a person: it was just
// typed, and every failing sign-in brings the account nearer to being locked.
func (s *Service) tryCandidate(ctx context.Context, a *relay.Account) {
	v := &verification{s: s, stored: a, account: candidateOf(a), trying: true}
	s.o.Observer.CredentialUsed(v.account, "try", v.account.SMTP.Host)
	wrong := v.signIn(ctx)
	if ctx.Err() != nil {
		return // after the claim's pause it is tried again
	}
	now := time.Now()
	//nolint:errcheck // after the claim's pause it is tried again
	s.update(ctx, a.ID, func(a *relay.Account) bool {
		switch {
		case !v.isTried(a):
			return false
		case wrong != nil:
			a.Candidate.Reason = relay.Printable(wrong.message)
			if wrong.refusedSignIn() {
				a.Candidate.TryAt = time.Time{}
			}
			return true
		}
		v.promote(a)
		restore(a, relay.AccountVerified, "", now)
		return true
	})
	if wrong != nil {
		s.o.Observer.AccountNotVerified(v.account, "", wrong.field, wrong.message)
		return
	}
	s.o.Parked(a.ID) // connections of the old password end
	s.o.Observer.AccountRestored(v.account, "")
}

// signIn is one sign-in by the first way that was proved, and one to the server for
// reading where there is one.
func (v *verification) signIn(ctx context.Context) *problem {
	way := v.account.Proved(time.Now())[0]
	c, wrong := v.credentials(ctx, way.Resource())
	switch {
	case wrong != nil:
		return wrong
	case way != relay.WaySMTP:
		wrong = v.s.signInByWeb(ctx, c, way)
	default:
		wrong = v.s.signInBySMTP(ctx, c)
	}
	if wrong != nil || v.account.IMAP.Host == "" {
		return wrong
	}
	if c, wrong = v.credentials(ctx, relay.ResourceMail); wrong != nil {
		return wrong
	}
	return v.s.signInByIMAP(ctx, c)
}

// refusedSignIn reports whether the server refused what was typed. Each repetition
// brings the account nearer to being locked; a server that is down may be asked again.
func (p *problem) refusedSignIn() bool {
	return p.field == "password" || p.field == "consent" || strings.HasSuffix(p.field, ".login")
}

// signInToSend is one sign-in to the first way of the ladder that was proved.
func (s *Service) signInToSend(ctx context.Context, a *relay.Account) *problem {
	way := a.Proved(time.Now())[0]
	c, err := s.credentials(ctx, a, way.Resource())
	if err != nil {
		return s.problemOfCredentials(a, err)
	}
	if way == relay.WaySMTP {
		return s.signInBySMTP(ctx, c)
	}
	return s.signInByWeb(ctx, c, way)
}

// signInToRead is one sign-in to the server for reading, where there is one.
func (s *Service) signInToRead(ctx context.Context, a *relay.Account) *problem {
	if a.IMAP.Host == "" {
		return nil
	}
	c, err := s.credentials(ctx, a, relay.ResourceMail)
	if err != nil {
		return s.problemOfCredentials(a, err)
	}
	return s.signInByIMAP(ctx, c)
}

func (s *Service) bringBack(ctx context.Context, tried *relay.Account, state relay.AccountState, reason string) {
	now := time.Now()
	a, changed, err := s.update(ctx, tried.ID, func(a *relay.Account) bool {
		if a.State != relay.AccountParked || a.Version != tried.Version {
			return false // it was changed while we tried what it was before
		}
		a.Broke = relay.Break{Rule: a.StateRule, Since: a.StateSince, Until: now}
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
