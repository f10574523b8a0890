package account

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Save makes an account (Revision 0) or replaces the one with its Revision, as
// store.Table.Put does. A new account may do without a password until its owner types
// it. Otherwise an empty password keeps the one that is sealed already, unless a server has another host or loses its TLS: then it is needed again. Of
// the record only what people decide is taken: owner, address, settings, and the
// choices about the Sent folder; state, card, version, aliases and binding are this
// package's own, and are set in a. A *relay.FieldError names a setting that cannot be.
//
// A new address must be proved anew. New settings or a new password of an account that
// works become its Candidate: what was proved goes on sending until they are proved as
// well. Only the password changed: that is tried at once, by one sign-in; anything
// else waits for a verification. Where the old settings do not work any more (the
// account is parked) the new ones take their place, and its mail goes on waiting.
func (s *Service) Save(ctx context.Context, a *relay.Account, password relay.Secret) error {
	record := a.Clone()
	if s.o.Complete != nil {
		s.o.Complete(record)
	}
	password = trimAppPassword(&record.Settings, password)
	if err := check(record, password, s.o.Finder != nil); err != nil {
		return err
	}
	now := time.Now()
	withdrawn := record.Candidate
	var err error
	if record.Revision == 0 {
		s.create(record, password, now)
	} else {
		err = s.replace(ctx, record, password, now)
	}
	if err == nil {
		err = s.o.Accounts.Put(ctx, record)
	}
	if err != nil {
		return fmt.Errorf("save account %s: %w", a.ID, err)
	}
	if withdrawn != nil && withdrawn.SignIn == relay.SignInConsent && record.Candidate == nil && s.o.Tokens != nil {
		if err := s.o.Tokens.ForgetCandidate(ctx, a.ID); err != nil {
			return fmt.Errorf("forget the consent that account %s does not try any more: %w", a.ID, err)
		}
	}
	strip(record)
	*a = *record
	s.wake()
	return nil
}

// missing is what an account still needs before it can be proved; empty if nothing.
func missing(a *relay.Account) string {
	if a.SignIn == relay.SignInPassword && len(a.Password) == 0 {
		return "its password has not been typed yet"
	}
	return ""
}

func (s *Service) create(record *relay.Account, password relay.Secret, now time.Time) {
	record.Password = nil
	if password != "" {
		record.Password = s.sealIn(record.ID, sealField, record.SignIn, password)
	}
	record.Version = 1
	record.Aliases, record.Candidate, record.Down = nil, nil, nil
	record.Binding, record.Told = relay.Binding{}, relay.Told{}
	unproved(record, now)
}

// unproved makes a record one that nobody has proved.
func unproved(record *relay.Account, now time.Time) {
	record.State, record.StateReason, record.StateRule, record.StateSince = relay.AccountUnverified, missing(record), "", now
	record.RetryAt, record.Card = time.Time{}, relay.Card{}
	record.Down, record.Told, record.Broke = nil, relay.Told{}, relay.Break{}
}

// replace takes over what people cannot decide from the record that is there, and
// finds the place of what they changed.
func (s *Service) replace(ctx context.Context, record *relay.Account, password relay.Secret, now time.Time) error {
	old, err := s.o.Accounts.Get(ctx, record.ID)
	if err != nil {
		return err
	}
	if old.Revision != record.Revision {
		return store.ErrStale
	}
	asked := record.Settings
	keepOwn(record, old)
	switch {
	case !record.Address.Equal(old.Address):
		record.Settings, record.Candidate, record.Aliases, record.Binding = asked, nil, nil, relay.Binding{}
		if err := s.overwrite(record, old, password); err != nil {
			return err
		}
		unproved(record, now)
		return nil
	case old.State.Usable():
		return s.propose(record, old, &asked, password, now)
	}
	record.Settings, record.Candidate = asked, nil
	before := record.Version
	if err := s.overwrite(record, old, password); err != nil {
		return err
	}
	switch {
	case record.State == relay.AccountUnverified:
		record.StateReason = missing(record)
	case record.Version == before:
	case record.Settings.Equal(&old.Settings):
		park(record, "the password was changed and is being tried", record.StateRule, now, now)
	default:
		park(record, "the servers were changed and must be verified", record.StateRule, now, time.Time{})
	}
	return nil
}

// keepOwn copies into record what is not for people to say.
func keepOwn(record, old *relay.Account) {
	record.Password, record.Version, record.Card = old.Password, old.Version, old.Card
	record.State, record.StateReason, record.StateRule, record.StateSince = old.State, old.StateReason, old.StateRule, old.StateSince
	record.RetryAt, record.Down, record.Told, record.Broke = old.RetryAt, old.Down, old.Told, old.Broke
	record.Aliases, record.Binding, record.Candidate = old.Aliases, old.Binding, old.Candidate
}

// overwrite puts settings and password in the place of those in force.
func (s *Service) overwrite(record, old *relay.Account, password relay.Secret) error {
	if err := s.mayKeep(&old.Settings, &record.Settings, old.Password, password); err != nil {
		return err
	}
	changed := !record.Settings.Equal(&old.Settings)
	if password != "" && !s.same(old.ID, sealField, old.Password, password) || record.SignIn != relay.SignInPassword {
		record.Password = s.sealIn(record.ID, sealField, record.SignIn, password)
		changed = changed || record.SignIn == relay.SignInPassword
	}
	if changed {
		record.Version++
		record.Down = nil
	}
	if !record.Settings.Equal(&old.Settings) {
		record.LapseAliases()
	}
	return nil
}

// propose makes what was asked for the candidate of an account that works, or takes
// the candidate back if it asks for what is in force.
func (s *Service) propose(record, old *relay.Account, asked *relay.Settings, password relay.Secret, now time.Time) error {
	record.Settings = old.Settings
	from, sealed, field := &old.Settings, old.Password, sealField
	if old.Candidate != nil && len(old.Candidate.Password) > 0 {
		from, sealed, field = &old.Candidate.Settings, old.Candidate.Password, sealCandidate
	}
	if asked.Equal(&old.Settings) && (password == "" || s.same(old.ID, sealField, old.Password, password)) {
		record.Candidate = nil
		return nil
	}
	if err := s.mayKeep(from, asked, sealed, password); err != nil {
		return err
	}
	if old.Candidate != nil && asked.Equal(&old.Candidate.Settings) && password == "" {
		return nil // nothing new
	}
	k := &relay.Candidate{Settings: *asked, Since: now}
	if asked.SignIn == relay.SignInPassword {
		if password == "" {
			plain, err := s.o.Sealer.Unseal(sealKind, old.ID, field, sealed)
			if err != nil {
				return fieldError("password", "The password that relayd keeps cannot be read: type it again.")
			}
			password = relay.Secret(plain)
		}
		k.Password = s.sealIn(old.ID, sealCandidate, asked.SignIn, password)
	}
	if asked.Equal(&old.Settings) {
		k.TryAt = now
	}
	record.Candidate = k
	return nil
}

// mayKeep refuses to use the password that is kept where it was not given for.
func (s *Service) mayKeep(old, asked *relay.Settings, sealed []byte, password relay.Secret) error {
	switch {
	case asked.SignIn != relay.SignInPassword || password != "":
		return nil
	case len(sealed) == 0 && old.SignIn == relay.SignInPassword:
		return nil // nobody has typed one yet
	case len(sealed) == 0:
		return fieldError("password", "A password is needed.")
	case leadsElsewhere(old, asked):
		return fieldError("password", "The password is needed again: relayd gives the one it keeps only to the servers for which it was given.")
	}
	return nil
}

// leadsElsewhere reports whether a sign-in by the new settings would show the
// password to somebody who could not see it by the old ones. Without this rule
// whoever may change the servers could read the password: by naming one of his own.
func leadsElsewhere(old, asked *relay.Settings) bool {
	if unset(asked) && !unset(old) {
		return true // whatever is found for the address
	}
	known := func(host string) bool {
		return host == "" || host == old.SMTP.Host || host == old.IMAP.Host || host == hostOf(old.EWS)
	}
	bared := func(before, after relay.TLSMode) bool { return after == relay.TLSNone && before != relay.TLSNone }
	return !known(asked.SMTP.Host) || !known(asked.IMAP.Host) || !known(hostOf(asked.EWS)) ||
		bared(old.SMTP.TLS, asked.SMTP.TLS) || bared(old.IMAP.TLS, asked.IMAP.TLS) ||
		schemeOf(asked.EWS) == "http" && schemeOf(old.EWS) != "http"
}

func hostOf(e relay.EWS) string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func schemeOf(e relay.EWS) string {
	u, err := url.Parse(e.URL)
	if err != nil {
		return ""
	}
	return u.Scheme
}

// sealIn seals the password for its field; a sign-in by token has none.
func (s *Service) sealIn(id, field string, how relay.SignIn, password relay.Secret) []byte {
	if how != relay.SignInPassword {
		return nil
	}
	return s.o.Sealer.Seal(sealKind, id, field, []byte(password.Reveal()))
}

// same reports whether the password is the one that is sealed already. One that
// cannot be opened is another one.
func (s *Service) same(id, field string, sealed []byte, password relay.Secret) bool {
	plain, err := s.o.Sealer.Unseal(sealKind, id, field, sealed)
	return err == nil && string(plain) == password.Reveal()
}

// strip takes the sealed passwords out of a record that leaves this package.
func strip(a *relay.Account) {
	a.Password = nil
	if a.Candidate != nil {
		a.Candidate.Password = nil
	}
}
