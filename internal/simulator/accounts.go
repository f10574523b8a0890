package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// Why an account is not opened.
var (
	errRefused          = errors.New("wrong name, password or token")
	errNeedsAppPassword = errors.New("that is the password of the web page")
)

// AddAccount makes another account, with its mailbox.
func (s *Simulator) AddAccount(a Account) error {
	u, err := newUser(a, &s.options.Personality)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.users, func(other *user) bool { return sameAddress(other.account.Address, a.Address) }) {
		return fmt.Errorf("account %s is there already", a.Address)
	}
	s.users = append(s.users, u)
	return nil
}

// SetPassword changes an account's password for everything that signs in from now
// on.
func (s *Simulator) SetPassword(address, password string) error {
	return s.withAccount(address, func(u *user) { u.setPassword(password) })
}

// SetLimit lets an account send so many more messages; a negative number means any.
func (s *Simulator) SetLimit(address string, messages int) error {
	return s.withAccount(address, func(u *user) { u.setLimit(messages) })
}

// SMTPAuthDisabled switches AUTH of submission off or on for everybody, as the
// administrator of a tenant can.
func (s *Simulator) SMTPAuthDisabled(off bool) { s.smtpAuthOff.Store(off) }

func (s *Simulator) withAccount(address string, change func(*user)) error {
	u := s.byAddress(address)
	if u == nil {
		return fmt.Errorf("there is no account %s", address)
	}
	change(u)
	return nil
}

// CheckPassword tells whose account a login and password open, for handlers that
// were mounted on the HTTPS server.
func (s *Simulator) CheckPassword(login, password string) (address string, ok bool) {
	u, err := s.byPassword(login, password)
	if err != nil {
		return "", false
	}
	return u.account.Address, true
}

// Password gives the password of a login, for mechanisms that prove one without
// sending it.
func (s *Simulator) Password(login string) (address, password string, ok bool) {
	u := s.byLogin(login)
	if u == nil {
		return "", "", false
	}
	return u.account.Address, u.currentPassword(), true
}

// byPassword opens an account with its password.
func (s *Simulator) byPassword(login, password string) (*user, error) {
	p := &s.options.Personality
	u := s.byLogin(login)
	if u == nil || !(slices.Contains(p.Mechanisms, "PLAIN") || slices.Contains(p.Mechanisms, "LOGIN")) {
		return nil, errRefused
	}
	if !p.AppPasswords {
		if !u.passwordIs(password) {
			return nil, errRefused
		}
		return u, nil
	}
	switch {
	case isAppPassword(u.currentPassword()):
		if withoutSpaces(u.currentPassword()) != withoutSpaces(password) {
			return nil, errRefused
		}
		return u, nil
	case u.passwordIs(password):
		return nil, errNeedsAppPassword
	}
	return nil, errRefused
}

// appPasswordLetters is how long Google's app passwords are.
const appPasswordLetters = 16

func isAppPassword(password string) bool {
	letters := withoutSpaces(password)
	return len(letters) == appPasswordLetters && !strings.ContainsFunc(letters, func(r rune) bool { return r < 'a' || r > 'z' })
}

func withoutSpaces(s string) string { return strings.ReplaceAll(s, " ", "") }

// byToken opens an account with an access token.
func (s *Simulator) byToken(name, token string, use oauthsim.Use) (*user, error) {
	t, ok := s.oauth.Token(token)
	if !ok || !t.Allows(use) {
		return nil, errRefused
	}
	u := s.byLogin(name)
	if u == nil {
		u = s.byAddress(name)
	}
	if u == nil || !mayOpen(t, u) {
		return nil, errRefused
	}
	return u, nil
}

// mayOpen: the owner's token, that of a delegate, or one for every mailbox.
func mayOpen(t oauthsim.Token, u *user) bool {
	return t.AppOnly || sameAddress(t.Address, u.account.Address) || containsAddress(u.account.Delegates, t.Address)
}

// maySendAs: the account's own addresses, and those of mailboxes that it may open.
func (s *Simulator) maySendAs(u *user, from string) bool {
	if sameAddress(from, u.account.Address) || u.hasAlias(from) {
		return true
	}
	other := s.byAddress(from)
	return other != nil && containsAddress(other.account.Delegates, u.account.Address)
}

func (s *Simulator) byLogin(login string) *user {
	return s.find(func(u *user) bool { return strings.EqualFold(u.account.Login, login) })
}

func (s *Simulator) byAddress(address string) *user {
	return s.find(func(u *user) bool {
		return sameAddress(u.account.Address, address) || u.hasAlias(address)
	})
}

// owns reports whether the domain of an address is one of the provider's.
func (s *Simulator) owns(address string) bool {
	return s.find(func(u *user) bool { return strings.EqualFold(domain(u.account.Address), domain(address)) }) != nil
}

func (s *Simulator) find(match func(*user) bool) *user {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if match(u) {
			return u
		}
	}
	return nil
}

// addresses are those of all accounts.
func (s *Simulator) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, 0, len(s.users))
	for _, u := range s.users {
		out = append(out, u.account.Address)
	}
	return out
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func sameAddress(a, b string) bool { return strings.EqualFold(a, b) }

func containsAddress(list []string, address string) bool {
	return slices.ContainsFunc(list, func(a string) bool { return sameAddress(a, address) })
}
