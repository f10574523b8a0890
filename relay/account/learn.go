package account

import (
	"context"

	"github.com/relayd/relayd/relay"
)

// Learn notes that a search of the mailbox has shown whether the provider files sent
// mail itself, which the card of a proved account says otherwise.
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
