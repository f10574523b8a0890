package webhook

import (
	"context"
	"time"

	"github.com/relayd/relayd/relay"
)

// The methods of account.Observer: what happens to accounts is told as events. They
// return at once. Events of a state have its time, so that the same one again is the
// same event.

// AccountVerified tells that an account was proved.
func (s *Service) AccountVerified(a *relay.Account, by string) {
	s.Tell(eventOf(a, relay.AccountEventVerified, time.Now(), "", "", by))
}

// AccountNotVerified tells that a verification failed.
func (s *Service) AccountNotVerified(a *relay.Account, by, _, message string) {
	s.Tell(eventOf(a, relay.AccountEventNotVerified, time.Now(), "", message, by))
}

// AccountParked tells that an account needs a person.
func (s *Service) AccountParked(a *relay.Account, rule string, _ time.Time) {
	s.Tell(eventOf(a, relay.AccountEventParked, a.StateMoment(), rule, a.StateReason, ""))
}

// AccountDegraded tells that an account sends, but cannot file copies.
func (s *Service) AccountDegraded(a *relay.Account) {
	s.Tell(eventOf(a, relay.AccountEventDegraded, a.StateMoment(), a.StateRule, a.StateReason, ""))
}

// AccountRestored tells that an account works again.
func (s *Service) AccountRestored(a *relay.Account, by string) {
	s.Tell(eventOf(a, relay.AccountEventRestored, a.StateMoment(), "", "", by))
}

// AccountStepDown tells that a way of sending does not work at present.
func (s *Service) AccountStepDown(a *relay.Account, r relay.Rung) {
	s.Tell(eventOf(a, relay.AccountEventStepDown, r.Since, r.Rule, r.Reason, ""))
}

// TellState keeps the event of the state that an account is in, if programs were not
// told of it: relayd may have died, or a queue may have been full, before it was kept.
// It reports whether there was one. It returns nil when the event is durable.
func (s *Service) TellState(ctx context.Context, a *relay.Account) (told bool, err error) {
	if a.Told.Programs.Equal(a.StateMoment()) {
		return false, nil
	}
	switch {
	case a.State == relay.AccountParked:
		return true, s.Emit(ctx, eventOf(a, relay.AccountEventParked, a.StateMoment(), a.StateRule, a.StateReason, ""))
	case a.State == relay.AccountDegraded && a.StateRule != "":
		return true, s.Emit(ctx, eventOf(a, relay.AccountEventDegraded, a.StateMoment(), a.StateRule, a.StateReason, ""))
	case a.State.Usable() && !a.Told.Programs.IsZero(): // they know of a trouble that is over
		return true, s.Emit(ctx, eventOf(a, relay.AccountEventRestored, a.StateMoment(), "", "", ""))
	}
	return false, nil
}

func eventOf(a *relay.Account, kind relay.AccountEventKind, at time.Time, rule, reason, by string) relay.AccountEvent {
	return relay.AccountEvent{
		Kind: kind, At: at, Account: a.ID, Organisation: a.Organisation, Address: a.Address,
		State: a.State, Rule: rule, Reason: reason, By: by,
	}
}
