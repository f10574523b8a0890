package simulator

import "fmt"

// AddAlias gives the mailbox of an address another one: mail to it arrives there, and
// the mailbox may send as it.
func (s *Simulator) AddAlias(address, alias string) error {
	u := s.byAddress(address)
	if u == nil {
		return fmt.Errorf("there is no account %s", address)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.account.Aliases = append(u.account.Aliases, alias)
	return nil
}
