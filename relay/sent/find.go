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

// Find tells whether message m was accepted although its answer was lost: whether it
// lies in the account's Sent folder, where the provider or its API would have filed it,
// or in the INBOX of a sender who wrote to himself. It is known by its Message-ID; a
// copy from before m was accepted is that of another message, whose Message-ID the
// application used again. Where neither folder proves anything the answer is
// FoundUnsearchable. An error means that the mailbox could not be searched now.
func (f *Filer) Find(ctx context.Context, accountID string, m *relay.Message) (relay.Found, error) {
	account, err := f.o.Accounts.Get(ctx, accountID)
	if errors.Is(err, store.ErrNotFound) {
		return relay.FoundUnsearchable, nil
	}
	if err != nil {
		return relay.FoundUnsearchable, fmt.Errorf("read account %s: %w", accountID, err)
	}
	if m.HeaderID == "" {
		return relay.FoundUnsearchable, nil
	}
	answer := relay.FoundUnsearchable
	way := webWay(account, "")
	if way.Web() || f.mayFile(account) {
		hits, searched := f.search(ctx, account, way, []string{m.HeaderID})
		answer, err = foundAmong(hits, searched, m)
	}
	if answer == relay.FoundYes || account.IMAP.Host == "" || !writesToHimself(account, m) {
		return answer, err
	}
	hits, searched := f.searchIMAP(ctx, account, inbox, []string{m.HeaderID})
	inboxed, inboxErr := foundAmong(hits, searched, m)
	switch {
	case inboxed == relay.FoundYes:
		return inboxed, nil
	case err == nil:
		err = inboxErr
	}
	return answer, err // that it is not in the INBOX proves nothing
}

// foundAmong is the answer that a search gives about a message.
func foundAmong(hits []hit, err error, m *relay.Message) (relay.Found, error) {
	switch {
	case errors.Is(err, mailbox.ErrNoSent), errors.Is(err, mailbox.ErrNoFolder), errors.Is(err, errUnsearchable):
		return relay.FoundUnsearchable, nil
	case err != nil:
		return relay.FoundUnsearchable, fmt.Errorf("search the mailbox: %w", err)
	case slices.ContainsFunc(hits, func(h hit) bool { return isCopyOf(h.arrived, m) }):
		return relay.FoundYes, nil
	}
	return relay.FoundNo, nil
}

// isCopyOf reports whether a message with the right Message-ID that arrived at a time
// can be a copy of m. Where the service tells no time the Message-ID has to do.
func isCopyOf(arrived time.Time, m *relay.Message) bool {
	return arrived.IsZero() || !arrived.Before(m.Accepted.Add(-clockSkew))
}

// writesToHimself reports whether the account's own mailbox is among the recipients.
func writesToHimself(a *relay.Account, m *relay.Message) bool {
	return slices.ContainsFunc(m.Envelope.Recipients, func(r relay.Recipient) bool { return a.SendsAs(r.Address) })
}
