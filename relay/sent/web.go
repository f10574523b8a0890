package sent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// errUnsearchable means that a mailbox cannot be looked into, now or later: there is no
// way to, or what was consented to does not permit it.
var errUnsearchable = errors.New("the mailbox cannot be searched")

// webWay is the HTTP API through which the account's mailbox can be looked into: the
// way of the message if it is one, else the first that the account has; empty if it has
// none.
func webWay(a *relay.Account, way relay.Way) relay.Way {
	if way.Web() {
		return way
	}
	for _, ways := range [][]relay.Way{a.Card.Ways, a.Ladder()} {
		for _, w := range ways {
			if w.Web() {
				return w
			}
		}
	}
	return way
}

// fileWeb sees to the copy of a message in a mailbox that an API files into. The copy
// is only looked for, so that people are told that it is there; nothing is sent or
// filed again because it was not found.
func (f *Filer) fileWeb(ctx context.Context, account *relay.Account, filing *relay.Filing, way relay.Way) relay.Filed {
	hits, err := f.search(ctx, account, way, headerIDs(account, filing))
	waited := time.Since(filing.Sent)
	switch {
	case len(hits) > 0:
		return relay.Filed{Status: relay.CopyByProvider, Folder: hits[0].folder, UID: hits[0].uid, Validity: hits[0].validity, Rule: RuleThere}
	case errors.Is(err, errUnsearchable) && filing.Way.Web():
		return byAPI("what was consented to does not permit to look for it")
	case ctx.Err() != nil, errors.Is(err, errClosed):
		return pending(RuleInterrupted, "broken off", 0)
	case waited < f.o.ProviderLast:
		return pending(RuleWaits, "the provider's own copy has not come yet", f.o.ProviderLast/3)
	case account.CopyMode == relay.CopyAlways && account.IMAP.Host != "":
		return f.fileIMAP(ctx, account, filing)
	case !filing.Way.Web():
		return impossible(RuleNoIMAP, "the provider filed no copy, and the account has no server for reading mail (IMAP)")
	case err != nil:
		return byAPI("Sent could not be searched: " + err.Error())
	}
	return byAPI("it was not found in Sent by its Message-ID")
}

// hit is a message that a search found.
type hit struct {
	folder        string // empty if the service does not tell
	uid, validity uint32 // by IMAP only
	arrived       time.Time
}

// search looks into Sent, by IMAP where the account has a server for it and lets us in,
// else by the API of the way.
func (f *Filer) search(ctx context.Context, account *relay.Account, way relay.Way, ids []string) ([]hit, error) {
	err := errUnsearchable
	if account.IMAP.Host != "" {
		var hits []hit
		if hits, err = f.searchIMAP(ctx, account, "", ids); err == nil || ctx.Err() != nil {
			return hits, err
		}
	}
	if f.o.Web == nil || !way.Web() {
		return nil, err
	}
	credentials, err := f.o.Credentials.Credentials(ctx, account.ID, way.Resource())
	if err != nil {
		return nil, fmt.Errorf("credentials of account %s: %w", account.ID, err)
	}
	leave, err := f.pool.enter(ctx, account.ID)
	if err != nil {
		return nil, err
	}
	defer leave()
	hits, err := f.searchWeb(ctx, credentials, way, ids)
	if err == nil {
		return hits, nil
	}
	renewed, err := f.renew(ctx, credentials, err)
	if err != nil {
		return nil, err
	}
	return f.searchWeb(ctx, renewed, way, ids)
}

// searchWeb looks into Sent by an API, with one sign-in.
func (f *Filer) searchWeb(ctx context.Context, c *relay.Credentials, way relay.Way, ids []string) ([]hit, error) {
	client, err := f.o.Web.Open(c, way)
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // nothing is written
	for _, id := range ids {
		items, err := client.Find(ctx, webmail.FolderSent, id)
		if errors.Is(err, webmail.ErrNotPermitted) {
			return nil, errUnsearchable
		}
		if err != nil || len(items) > 0 {
			return hitsOf(items), err
		}
	}
	return nil, nil
}

// webSent is how the Sent folder is called where the API tells no name.
const webSent = "Sent"

func hitsOf(items []webmail.Item) []hit {
	hits := make([]hit, len(items))
	for i := range items {
		hits[i] = hit{folder: webSent, arrived: items[i].Arrived}
	}
	return hits
}

// searchIMAP looks into one folder, or into Sent if none is named.
func (f *Filer) searchIMAP(ctx context.Context, account *relay.Account, folder string, ids []string) (hits []hit, err error) {
	credentials, err := f.o.Credentials.Credentials(ctx, account.ID, relay.ResourceMail)
	if err != nil {
		return nil, fmt.Errorf("credentials of account %s: %w", account.ID, err)
	}
	err = f.with(ctx, credentials, func(s *session) error {
		name := folder
		if name == "" {
			if err := f.findSent(ctx, s, credentials.Account.SentFolder); err != nil {
				return err
			}
			name = s.folder
		}
		var found []mailbox.Message
		found, err := look(ctx, s, name, ids)
		hits = hits[:0]
		for i := range found {
			hits = append(hits, hit{folder: name, uid: found[i].UID, validity: found[i].Validity, arrived: found[i].Arrived})
		}
		return err
	})
	return hits, err
}
