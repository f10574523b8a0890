package sent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

// recheckFor is how long after sending it is tried to look after a copy that was filed.
// Then it stays as it is: at worst there are two.
const recheckFor = 24 * time.Hour

// mayFile reports whether the account's provider files sent mail itself, or may do so.
func (f *Filer) mayFile(a *relay.Account) bool {
	return a.Card.FilesSent || f.o.MayFile != nil && f.o.MayFile(a)
}

// recheckAfter is when it is looked whether the provider filed a copy after ours; 0 if
// it does not, or if the account's owner wants ours in any case.
func (f *Filer) recheckAfter(a *relay.Account) time.Duration {
	if a.CopyMode != relay.CopyAuto || !f.mayFile(a) {
		return 0
	}
	return f.o.Recheck
}

// recheck looks whether the provider filed a copy after relayd had done so, and takes
// ours out again if so: the one message that relayd put there, by its recorded UID.
// Whatever is in doubt stays where it is.
func (f *Filer) recheck(ctx context.Context, account *relay.Account, err error, filing *relay.Filing) relay.Filed {
	k := filing.Filed
	kept := relay.Filed{Status: relay.CopyFiled, Folder: k.Folder, UID: k.UID, Validity: k.Validity, Rule: RuleKept}
	switch {
	case err != nil:
		if withoutAccount(err).Status == relay.CopyPending {
			kept.Recheck = f.again(filing)
		}
		return kept
	case f.recheckAfter(account) == 0, account.IMAP.Host == "", k.UID == 0, k.Validity == 0,
		filing.Message.HeaderID == "", !account.SendsAs(filing.Message.From):
		return kept
	case account.State == relay.AccountParked:
		kept.Recheck = f.again(filing)
		return kept
	}
	credentials, err := f.o.Credentials.Credentials(ctx, filing.Account, relay.ResourceMail)
	if err != nil {
		kept.Recheck, kept.Trouble = f.again(filing), f.withoutCredentials(ctx, account, err).Trouble
		return kept
	}
	filed := kept
	err = f.with(ctx, credentials, func(s *session) (err error) {
		filed, err = f.compare(ctx, s, credentials, filing, kept)
		return err
	})
	switch {
	case folderGone(err):
		return kept
	case err != nil:
		kept.Recheck, kept.Trouble = f.again(filing), f.failed(ctx, credentials, err).Trouble
		return kept
	}
	return filed
}

// again is after how long a recheck that failed is tried again: as long as the message
// is old, so that there are few of them; 0 if it was tried for long enough.
func (f *Filer) again(filing *relay.Filing) time.Duration {
	age := time.Since(filing.Sent)
	if age >= recheckFor {
		return 0
	}
	return max(age, f.o.Recheck)
}

// compare looks into the folder of our copy.
func (f *Filer) compare(ctx context.Context, s *session, c *relay.Credentials, filing *relay.Filing, kept relay.Filed) (relay.Filed, error) {
	found, err := look(ctx, s, kept.Folder, headerIDs(&c.Account, filing))
	if err != nil {
		return relay.Filed{}, err
	}
	ours, theirs := false, (*mailbox.Message)(nil)
	for i := range found {
		switch m := &found[i]; {
		case m.Validity != kept.Validity:
			return kept, nil // the numbers began anew: no UID says which one is ours
		case m.UID == kept.UID:
			ours = true
		case isProviders(m, filing, kept.UID):
			theirs = m
		}
	}
	if theirs == nil {
		if ours && c.Account.Card.FilesSent && f.o.MayFile != nil && f.o.MayFile(&c.Account) {
			f.learn(ctx, filing.Account, false)
		}
		return kept, nil
	}
	if ours {
		removed, err := s.Remove(ctx, mailbox.Place{Folder: kept.Folder, UID: kept.UID, Validity: kept.Validity})
		if err != nil || !removed {
			return kept, err
		}
	}
	// A copy that is alone may be ours, which somebody moved away and back.
	if !c.Account.Card.FilesSent && (ours || hasTrace(theirs, filing)) {
		f.learn(ctx, filing.Account, true)
	}
	return relay.Filed{Status: relay.CopyByProvider, Folder: kept.Folder, UID: theirs.UID, Validity: theirs.Validity, Rule: RuleLate,
		Reason: "the provider filed a copy of its own later, so relayd took its one out again"}, nil
}

// isProviders reports whether a message that has our Message-ID, and is not the copy
// that relayd filed, is a copy that the provider filed. It is for certain if it has the
// trace field of this very message, which relayd's copies lack. Else it must have come
// after ours: so two copies that relayd filed of two messages with one Message-ID can
// never both be taken out.
func isProviders(m *mailbox.Message, filing *relay.Filing, ours uint32) bool {
	return hasTrace(m, filing) || m.UID > ours && isCopyOf(m.Arrived, filing.Message)
}

// hasTrace reports whether a message has the trace field of this very message.
func hasTrace(m *mailbox.Message, filing *relay.Filing) bool {
	return slices.ContainsFunc(m.Header["received"], func(trace string) bool { return strings.Contains(trace, filing.Message.ID.String()) })
}

// ourCopy gives the copy among messages of one Message-ID that relayd itself filed,
// nil if none can be told to be ours: it has the size and the date that we gave it.
func ourCopy(found []mailbox.Message, filing *relay.Filing) (*mailbox.Message, error) {
	_, size, err := copyOf(filing.Message, filing.Body)
	if err != nil {
		return nil, fmt.Errorf("measure the copy: %w", err)
	}
	for i := range found {
		if m := &found[i]; m.Size == size && m.Arrived.Unix() == filing.Sent.Unix() {
			return m, nil
		}
	}
	return nil, nil
}

// learn tells what a search showed. If it cannot be noted the next search shows it
// again.
func (f *Filer) learn(ctx context.Context, accountID string, filesSent bool) {
	if f.o.Learner != nil {
		f.o.Learner.Learn(ctx, accountID, filesSent) //nolint:errcheck // see above
	}
}
