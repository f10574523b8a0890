package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// park makes a record parked, by a reply rule or, with an empty one, for another
// reason. A retryAt of zero waits for a person.
func park(a *relay.Account, reason, rule string, now, retryAt time.Time) {
	if a.State != relay.AccountParked {
		a.StateSince = now
	}
	a.State, a.StateReason, a.StateRule, a.RetryAt = relay.AccountParked, relay.Printable(reason), rule, retryAt
}

// restore makes a record usable again.
func restore(a *relay.Account, state relay.AccountState, reason string, now time.Time) {
	if a.State != state {
		a.StateSince = now
	}
	a.State, a.StateReason, a.StateRule, a.RetryAt = state, relay.Printable(reason), "", time.Time{}
}

// sameBreak is how soon after a sign-in without a person the same trouble must come
// back to be the same one.
const sameBreak = 24 * time.Hour

// Park notes that a proved account needs a person: its mail is held from now on,
// and what is in flight is broken off. One sign-in is tried without a person after
// t.Pause, though not before Options.RetryEvery. An account that was never proved, is
// parked already, or has got other credentials since, stays as it is.
func (s *Service) Park(ctx context.Context, id string, t relay.Trouble) error {
	now := time.Now()
	retryAt := now.Add(max(t.Pause, s.o.RetryEvery))
	a, changed, err := s.update(ctx, id, func(a *relay.Account) bool {
		if !a.State.Usable() || t.Version != 0 && t.Version != a.Version {
			return false
		}
		park(a, reasonOf(&t), t.Rule, now, retryAt)
		if t.Rule != "" && t.Rule == a.Broke.Rule && now.Sub(a.Broke.Until) < sameBreak {
			a.StateSince = a.Broke.Since // so people are not told again, and a policy's time goes on
		}
		return true
	})
	if err != nil || !changed {
		return err
	}
	s.o.Parked(id)
	s.o.Observer.AccountParked(a, t.Rule, retryAt)
	return nil
}

// Degrade notes that a verified account sends, but that copies of sent mail cannot
// be filed until a person did something.
func (s *Service) Degrade(ctx context.Context, id string, t relay.Trouble) error {
	now := time.Now()
	a, changed, err := s.update(ctx, id, func(a *relay.Account) bool {
		if a.State != relay.AccountVerified {
			return false
		}
		restore(a, relay.AccountDegraded, reasonOf(&t), now)
		a.StateRule = t.Rule
		return true
	})
	if err == nil && changed {
		s.o.Observer.AccountDegraded(a)
	}
	return err
}

// Recover notes that a copy was filed in a degraded account.
func (s *Service) Recover(ctx context.Context, id string) error {
	now := time.Now()
	a, changed, err := s.update(ctx, id, func(a *relay.Account) bool {
		if a.State != relay.AccountDegraded {
			return false
		}
		restore(a, relay.AccountVerified, "", now)
		return true
	})
	if err == nil && changed {
		s.o.Observer.AccountRestored(a, "")
	}
	return err
}

// StepDown notes that a proved way does not work at present, so that the next one of
// the ladder is used until r.RetryAt. The last way that works is not given up: its
// trouble is the account's.
func (s *Service) StepDown(ctx context.Context, id string, r relay.Rung) error {
	now := time.Now()
	a, changed, err := s.update(ctx, id, func(a *relay.Account) bool {
		working := a.Proved(now)
		if !a.State.Usable() || !slices.Contains(working, r.Way) || len(working) == 1 {
			return false
		}
		a.Down = slices.DeleteFunc(a.Down, func(old relay.Rung) bool { return old.Way == r.Way })
		r.Reason, r.Since = relay.Printable(r.Reason), now
		a.Down = append(a.Down, r)
		return true
	})
	if err == nil && changed {
		s.o.Observer.AccountStepDown(a, r)
	}
	return err
}

// Learn corrects the capability card by what was seen later: whether the provider files
// sent mail itself.
func (s *Service) Learn(ctx context.Context, id string, filesSent bool) error {
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		if a.Card.VerifiedAt.IsZero() || a.Card.FilesSent == filesSent {
			return false
		}
		a.Card.FilesSent = filesSent
		return true
	})
	return err
}

// Bind binds the account's address to its user, where an application secret opens every
// mailbox and so a sign-in proves nothing.
func (s *Service) Bind(ctx context.Context, id string, b relay.Binding) error {
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		if a.Binding == b {
			return false
		}
		a.Binding = b
		return true
	})
	return err
}

// Mended notes that somebody did something about an OAuth application, such as giving
// it a new secret or the consent of a tenant: each parked account of it that may be
// tried without a person is tried at once.
func (s *Service) Mended(ctx context.Context, app string) error {
	for after := ""; ; {
		page, err := s.o.Accounts.List(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("look for accounts of application %s: %w", app, err)
		}
		for _, a := range page {
			after = a.ID
			if !mayRetry(a, app) {
				continue
			}
			now := time.Now()
			if _, _, err := s.update(ctx, a.ID, func(a *relay.Account) bool {
				if !mayRetry(a, app) {
					return false
				}
				a.RetryAt = now
				return true
			}); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			s.wake()
			return nil
		}
	}
}

// mayRetry: an account whose servers were changed has no time of a next try, since a
// sign-in would not prove them.
func mayRetry(a *relay.Account, app string) bool {
	return a.State == relay.AccountParked && a.App == app && !a.RetryAt.IsZero()
}

// Told notes when people were told of the trouble that the account is in. since is
// StateSince of that trouble: if another one came in between, nothing is noted.
func (s *Service) Told(ctx context.Context, id string, since time.Time, told relay.Told) error {
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		told.Programs = a.Told.Programs
		if !a.StateSince.Equal(since) || a.Told == told {
			return false
		}
		a.Told = told
		return true
	})
	return err
}

// Heard notes that programs were told of the state that the account is in. moment is its
// StateMoment: if another one came in between, nothing is noted.
func (s *Service) Heard(ctx context.Context, id string, moment time.Time) error {
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		if !a.StateMoment().Equal(moment) || a.Told.Programs.Equal(moment) {
			return false
		}
		a.Told.Programs = moment
		return true
	})
	return err
}

// reasonOf says for a person what the trouble is, with the server's words.
func reasonOf(t *relay.Trouble) string {
	reply := t.Reply.String()
	switch {
	case t.Hint == "":
		return reply
	case reply == "":
		return t.Hint
	}
	return t.Hint + " (" + reply + ")"
}
