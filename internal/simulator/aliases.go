package simulator

import (
	"fmt"
	"slices"
)

// AddAlias gives the mailbox of an address another one: mail to it arrives there, and
// the mailbox may send as it.
func (s *Simulator) AddAlias(address, alias string) error {
	u := s.byAddress(address)
	if u == nil {
		return fmt.Errorf("there is no account %s", address)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.aliases = append(u.aliases, alias)
	return nil
}

// has reports whether an address is the user's.
func (u *user) has(address string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return sameAddress(u.account.Address, address) ||
		slices.ContainsFunc(u.aliases, func(alias string) bool { return sameAddress(alias, address) })
}
