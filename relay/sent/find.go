package sent

import (
	"context"
	"errors"
	"fmt"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Find tells whether a message of this Message-ID, angle brackets included, lies in
// the account's Sent folder, where the provider would have filed it. Where the
// provider files nothing itself the folder proves nothing, so the answer is
// FoundUnsearchable. An error means that the mailbox could not be searched now.
func (f *Filer) Find(ctx context.Context, accountID, headerID string) (relay.Found, error) {
	credentials, err := f.o.Credentials.Credentials(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return relay.FoundUnsearchable, nil
	}
	if err != nil {
		return relay.FoundUnsearchable, fmt.Errorf("credentials of account %s: %w", accountID, err)
	}
	account := &credentials.Account
	if !account.Card.FilesSent || account.IMAP.Host == "" || headerID == "" {
		return relay.FoundUnsearchable, nil
	}
	found := relay.FoundNo
	err = f.with(ctx, credentials, func(s *session) error {
		if err := f.sentFolder(ctx, s, account.SentFolder); err != nil {
			return err
		}
		messages, err := s.Find(ctx, s.folder, "Message-ID", headerID)
		if len(messages) > 0 {
			found = relay.FoundYes
		}
		return err
	})
	if errors.Is(err, mailbox.ErrNoSent) || errors.Is(err, mailbox.ErrNoFolder) {
		return relay.FoundUnsearchable, nil
	}
	if err != nil {
		return relay.FoundUnsearchable, fmt.Errorf("search Sent of account %s: %w", accountID, err)
	}
	return found, nil
}
