package webhook

import (
	"time"

	"github.com/relayd/relayd/relay"
)

// The methods of account.Observer: what happens to accounts is told as events. They
// return at once.

// AccountVerified tells that an account was proved.
func (s *Service) AccountVerified(a *relay.Account, by string) {
	s.tellOf(a, relay.AccountEventVerified, time.Now(), "", "", by)
}

// AccountNotVerified tells that a verification failed.
func (s *Service) AccountNotVerified(a *relay.Account, by, _, message string) {
	s.tellOf(a, relay.AccountEventNotVerified, time.Now(), "", message, by)
}

// AccountParked tells that an account needs a person.
func (s *Service) AccountParked(a *relay.Account, rule string, _ time.Time) {
	s.tellOf(a, relay.AccountEventParked, a.StateSince, rule, a.StateReason, "")
}

// AccountDegraded tells that an account sends, but cannot file copies.
func (s *Service) AccountDegraded(a *relay.Account) {
	s.tellOf(a, relay.AccountEventDegraded, a.StateSince, a.StateRule, a.StateReason, "")
}

// AccountRestored tells that an account works again.
func (s *Service) AccountRestored(a *relay.Account, by string) {
	s.tellOf(a, relay.AccountEventRestored, a.StateSince, "", "", by)
}

// AccountStepDown tells that a way of sending does not work at present.
func (s *Service) AccountStepDown(a *relay.Account, r relay.Rung) {
	s.tellOf(a, relay.AccountEventStepDown, r.Since, r.Rule, r.Reason, "")
}

func (s *Service) tellOf(a *relay.Account, kind relay.AccountEventKind, at time.Time, rule, reason, by string) {
	s.Tell(relay.AccountEvent{
		Kind: kind, At: at, Account: a.ID, Organisation: a.Organisation, Address: a.Address,
		State: a.State, Rule: rule, Reason: reason, By: by,
	})
}
