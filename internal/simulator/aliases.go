package simulator

import "slices"

// AddAlias gives the mailbox of an address another one: mail to it arrives there, and
// the mailbox may send as it.
func (s *Simulator) AddAlias(address, alias string) error {
	return s.withAccount(address, func(u *user) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.aliases = append(u.aliases, alias)
	})
}

// allAliases are the account's own and those that were added.
func (u *user) allAliases() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Concat(u.account.Aliases, u.aliases)
}

func (u *user) hasAlias(address string) bool { return containsAddress(u.allAliases(), address) }
