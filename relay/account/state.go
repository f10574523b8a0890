package account

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// park makes a record parked. A retryAt of zero waits for a person.
func park(a *relay.Account, reason string, now, retryAt time.Time) {
	if a.State != relay.AccountParked {
		a.StateSince = now
	}
	a.State, a.StateReason, a.RetryAt = relay.AccountParked, relay.Printable(reason), retryAt
}

// restore makes a record usable again.
func restore(a *relay.Account, state relay.AccountState, reason string, now time.Time) {
	if a.State != state {
		a.StateSince = now
	}
	a.State, a.StateReason, a.RetryAt = state, relay.Printable(reason), time.Time{}
}

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
		park(a, reasonOf(&t), now, retryAt)
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
