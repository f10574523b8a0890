package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Save makes an account (Revision 0) or replaces the one with its Revision, as
// store.Table.Put does. An empty password keeps the one that is sealed already,
// unless a server has another host or loses its TLS: then it is needed again. Of
// the record only what people decide is taken: owner, address, servers and the
// choice of the Sent folder; state, card and version are this package's own, and
// are set in a. A *relay.FieldError names a setting that cannot be.
//
// A new address must be proved anew. A proved account with other servers or another
// password is parked until a sign-in proves them: with a new password only, that is
// tried at once; with other servers, a verification is needed.
func (s *Service) Save(ctx context.Context, a *relay.Account, password relay.Secret) error {
	record := *a
	if err := check(&record, password); err != nil {
		return err
	}
	now := time.Now()
	var err error
	if record.Revision == 0 {
		err = s.create(&record, password, now)
	} else {
		err = s.replace(ctx, &record, password, now)
	}
	if err == nil {
		err = s.o.Accounts.Put(ctx, &record)
	}
	if err != nil {
		return fmt.Errorf("save account %s: %w", a.ID, err)
	}
	record.Password = nil
	*a = record
	s.wake()
	return nil
}

func (s *Service) create(record *relay.Account, password relay.Secret, now time.Time) error {
	if password == "" {
		return &relay.FieldError{Field: "password", Message: "A password is needed."}
	}
	record.Password = s.seal(record.ID, password)
	record.Version = 1
	record.State, record.StateReason, record.StateSince = relay.AccountUnverified, "", now
	record.RetryAt, record.Card = time.Time{}, relay.Card{}
	return nil
}

// replace takes over what people cannot decide from the record that is there.
func (s *Service) replace(ctx context.Context, record *relay.Account, password relay.Secret, now time.Time) error {
	old, err := s.o.Accounts.Get(ctx, record.ID)
	if err != nil {
		return err
	}
	if old.Revision != record.Revision {
		return store.ErrStale
	}
	record.Password, record.Version, record.Card = old.Password, old.Version, old.Card
	record.State, record.StateReason, record.StateSince, record.RetryAt = old.State, old.StateReason, old.StateSince, old.RetryAt
	if password == "" && leadsElsewhere(old, record) {
		return fieldError("password", "The password is needed again: relayd gives the one it keeps only to the servers for which it was given.")
	}
	newPassword := password != "" && !s.same(old, password)
	newServers := record.SMTP != old.SMTP || record.IMAP != old.IMAP || record.Provider != old.Provider
	if newPassword {
		record.Password = s.seal(record.ID, password)
	}
	if newPassword || newServers {
		record.Version++
	}
	switch {
	case !record.Address.Equal(old.Address):
		record.State, record.StateReason, record.StateSince = relay.AccountUnverified, "", now
		record.RetryAt, record.Card = time.Time{}, relay.Card{}
	case record.State == relay.AccountUnverified:
	case newServers:
		park(record, "the servers were changed and must be verified", now, time.Time{})
	case newPassword:
		park(record, "the password was changed and is being tried", now, now)
	}
	return nil
}

// leadsElsewhere reports whether a sign-in by the new settings would show the
// password to somebody who could not see it by the old ones. Without this rule
// whoever may change the servers could read the password: by naming one of his own.
func leadsElsewhere(old, changed *relay.Account) bool {
	known := func(host string) bool { return host == old.SMTP.Host || host == old.IMAP.Host }
	bared := func(before, after relay.TLSMode) bool { return after == relay.TLSNone && before != relay.TLSNone }
	return !known(changed.SMTP.Host) || !known(changed.IMAP.Host) ||
		bared(old.SMTP.TLS, changed.SMTP.TLS) || bared(old.IMAP.TLS, changed.IMAP.TLS)
}

func (s *Service) seal(id string, password relay.Secret) []byte {
	return s.o.Sealer.Seal(sealKind, id, sealField, []byte(password.Reveal()))
}

// same reports whether the password is the one that is sealed already. One that
// cannot be opened is another one.
func (s *Service) same(old *relay.Account, password relay.Secret) bool {
	sealed, err := s.o.Sealer.Unseal(sealKind, old.ID, sealField, old.Password)
	return err == nil && string(sealed) == password.Reveal()
}

// check refuses settings that cannot be, and brings host names to their one form.
func check(a *relay.Account, password relay.Secret) error {
	if a.ID == "" {
		return errors.New("an account needs an ID")
	}
	if a.Provider == "" {
		a.Provider = relay.ProviderIMAP
	}
	if a.Provider != relay.ProviderIMAP {
		return fieldError("provider", "The provider %q is not known; accounts with SMTP and IMAP have the provider %q.", a.Provider, relay.ProviderIMAP)
	}
	if a.Address.Local == "" || a.Address.Domain == "" {
		return fieldError("address", "The address of the account is needed.")
	}
	if err := checkServer("smtp", &a.SMTP, "465 (implicit TLS) or 587 (STARTTLS)"); err != nil {
		return err
	}
	if err := checkServer("imap", &a.IMAP, "993 (implicit TLS) or 143 (STARTTLS)"); err != nil {
		return err
	}
	if hasControls(a.SentFolder) {
		return fieldError("sent_folder", "The name of the folder for sent mail has characters that no folder can have.")
	}
	if hasControls(password.Reveal()) {
		return fieldError("password", "The password has control characters; it may have been copied together with a line end.")
	}
	return nil
}

func checkServer(name string, server *relay.Server, ports string) error {
	host, err := hostName(server.Host)
	if err != nil {
		return fieldError(name+".host", "%q is not the name of a server; it looks like mail.example.com.", relay.Printable(server.Host))
	}
	server.Host = host
	if server.Port < 1 || server.Port > 65535 {
		return fieldError(name+".port", "The port must be a number from 1 to 65535; usual are %s.", ports)
	}
	switch server.TLS {
	case relay.TLSImplicit, relay.TLSStartTLS, relay.TLSNone:
	default:
		return fieldError(name+".tls", "The TLS mode must be implicit, starttls or none.")
	}
	if hasControls(server.Login) {
		return fieldError(name+".login", "The user name has control characters; it may have been copied together with a line end.")
	}
	return nil
}

// hostName accepts a domain name, or an IP address in its usual form.
func hostName(host string) (string, error) {
	host = strings.TrimSpace(host)
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return addr.String(), nil
	}
	return mailaddr.ParseDomain(host)
}

func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

func fieldError(field, format string, args ...any) error {
	return &relay.FieldError{Field: field, Message: fmt.Sprintf(format, args...)}
}
