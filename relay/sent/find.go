package sent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// clockSkew is by how much a provider's clock may be behind ours.
const clockSkew = 10 * time.Minute

// Find tells whether message m lies in the account's Sent folder, where the provider
// would have filed it. It is known by its Message-ID; a copy from before m was
// accepted is that of another message, whose Message-ID the application used again.
// Where the provider files nothing itself the folder proves nothing, so the answer
// is FoundUnsearchable. An error means that the mailbox could not be searched now.
func (f *Filer) Find(ctx context.Context, accountID string, m *relay.Message) (relay.Found, error) {
	credentials, err := f.o.Credentials.Credentials(ctx, accountID, relay.ResourceMail)
	if errors.Is(err, store.ErrNotFound) {
		return relay.FoundUnsearchable, nil
	}
	if err != nil {
		return relay.FoundUnsearchable, fmt.Errorf("credentials of account %s: %w", accountID, err)
	}
	account := &credentials.Account
	if !account.Card.FilesSent || account.IMAP.Host == "" || m.HeaderID == "" {
		return relay.FoundUnsearchable, nil
	}
	found := relay.FoundNo
	err = f.with(ctx, credentials, func(s *session) error {
		if err := f.sentFolder(ctx, s, account.SentFolder); err != nil {
			return err
		}
		messages, err := s.Find(ctx, s.folder, "Message-ID", m.HeaderID)
		if slices.ContainsFunc(messages, func(c mailbox.Message) bool { return isCopyOf(c, m) }) {
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

// isCopyOf reports whether a message with the right Message-ID can be the provider's
// copy of m.
func isCopyOf(c mailbox.Message, m *relay.Message) bool {
	return !c.Arrived.Before(m.Accepted.Add(-clockSkew))
}
