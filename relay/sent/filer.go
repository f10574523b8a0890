package sent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Filer files copies of sent mail. Its methods may be called concurrently.
type Filer struct {
	o    Options
	pool *pool
}

// New makes a Filer. Close ends it.
func New(o Options) *Filer {
	o.fill()
	f := &Filer{o: o}
	f.pool = newPool(&f.o, f.open)
	return f
}

// Close ends the sessions that are kept. Filings that are at work go on until their
// contexts end.
func (f *Filer) Close() { f.pool.close() }

// The rules of an outcome that no answer of a server decided.
const (
	RuleFiled        = "copy.filed"         // put into the Sent folder
	RuleThere        = "copy.there"         // found in the Sent folder
	RuleWaits        = "copy.provider"      // the provider's own copy is waited for
	RuleNoIMAP       = "copy.no_imap"       // the account has no IMAP server
	RuleNoAccount    = "copy.no_account"    // the account is gone
	RuleOtherAddress = "copy.other_address" // the account is no longer that of the sender
	RuleNoID         = "copy.no_id"         // without a Message-ID a copy could be filed twice
	RuleParked       = "copy.parked"        // the account is parked, and signing in must wait
	RuleContent      = "copy.content"       // the content must not leave
	RuleNoRight      = "copy.no_permission" // the mailbox may not be written to
	RuleNoFolder     = "copy.folder"        // there is no folder to file into
	RuleInterrupted  = "copy.interrupted"   // we shut down
	RuleLocal        = "copy.local"         // a fault of our own
)

// File makes one try at a Sent copy. It waits for its turn: an account files one
// message at a time.
func (f *Filer) File(ctx context.Context, filing *relay.Filing) relay.Filed {
	credentials, err := f.o.Credentials.Credentials(ctx, filing.Account, relay.ResourceMail)
	if err != nil {
		return withoutAccount(err)
	}
	if filed, decided := f.before(credentials, filing, time.Now()); decided {
		return filed
	}
	var filed relay.Filed
	err = f.with(ctx, credentials, func(s *session) (err error) {
		filed, err = f.file(ctx, s, credentials, filing)
		return err
	})
	if err != nil {
		return f.failed(ctx, credentials, err)
	}
	if filed.Status != relay.CopyPending && credentials.Account.State == relay.AccountDegraded && f.o.Health != nil {
		if err := f.o.Health.Recover(ctx, filing.Account); err != nil && filed.Reason == "" {
			filed.Reason = "filed, but the account still shows as degraded"
		}
	}
	return filed
}

// before decides what needs no connection.
func (f *Filer) before(c *relay.Credentials, filing *relay.Filing, now time.Time) (relay.Filed, bool) {
	account := &c.Account
	switch {
	case account.IMAP.Host == "":
		return impossible(RuleNoIMAP, "the account has no server for reading mail (IMAP)"), true
	case filing.Message.HeaderID == "":
		return impossible(RuleNoID, "the message has no Message-ID"), true
	case !account.Address.Equal(filing.Message.From):
		// The mailbox is no longer the one that sent the message (promise G9).
		return impossible(RuleOtherAddress, "the account has another address now"), true
	case account.State == relay.AccountParked:
		// Providers lock accounts after failed sign-ins: they belong to the account's
		// own schedule, and servers that nobody has proved yet get no mail.
		return pending(RuleParked, "the account waits: "+account.StateReason, max(account.RetryAt.Sub(now), 0)), true
	case account.Card.FilesSent && now.Sub(filing.Sent) < f.o.ProviderFirst:
		return pending(RuleWaits, "the provider files sent mail itself", f.o.ProviderFirst-now.Sub(filing.Sent)), true
	}
	return relay.Filed{}, false
}

// file searches, and files what is not there. A folder that has gone since it was
// found is looked for once more.
func (f *Filer) file(ctx context.Context, s *session, c *relay.Credentials, filing *relay.Filing) (relay.Filed, error) {
	if err := f.sentFolder(ctx, s, c.Account.SentFolder); err != nil {
		return relay.Filed{}, err
	}
	found, err := s.Find(ctx, s.folder, "Message-ID", filing.Message.HeaderID)
	if err != nil {
		return relay.Filed{}, err
	}
	if len(found) > 0 {
		status := relay.CopyFiled // by an earlier try whose end we did not see
		if c.Account.Card.FilesSent {
			status = relay.CopyByProvider
		}
		return relay.Filed{Status: status, Folder: s.folder, UID: found[0].UID, Rule: RuleThere}, nil
	}
	if waited := time.Since(filing.Sent); c.Account.Card.FilesSent && waited < f.o.ProviderLast {
		return pending(RuleWaits, "the provider's own copy has not come yet", f.o.ProviderLast/3), nil
	}
	return f.append(ctx, s, filing)
}

func (f *Filer) append(ctx context.Context, s *session, filing *relay.Filing) (relay.Filed, error) {
	content, size, err := copyOf(filing.Message, filing.Body)
	if err != nil {
		return relay.Filed{}, err
	}
	uid, err := s.Append(ctx, s.folder, mailbox.Upload{Size: size, Content: content, Date: filing.Sent, Seen: true})
	if err != nil {
		return relay.Filed{}, err
	}
	return relay.Filed{Status: relay.CopyFiled, Folder: s.folder, UID: uid, Rule: RuleFiled}, nil
}

// sentFolder finds the Sent folder once in a session, and makes it where there is
// none.
func (f *Filer) sentFolder(ctx context.Context, s *session, choice string) error {
	if s.folder != "" {
		return nil
	}
	folder, err := s.FindSent(ctx, choice)
	if errors.Is(err, mailbox.ErrNoSent) && !f.o.NeverCreate {
		folder, err = s.MakeSent(ctx)
	}
	s.folder = folder.Name
	return err
}

// with runs work in a session of the account. An idle session whose server hung up
// meanwhile, and a folder that has gone, cost one more try and no failure.
func (f *Filer) with(ctx context.Context, c *relay.Credentials, work func(*session) error) error {
	leave, err := f.pool.enter(ctx, c.Account.ID)
	if err != nil {
		return err
	}
	defer leave()
	for fresh := false; ; fresh = true {
		s, err := f.pool.take(ctx, c, fresh)
		if err != nil {
			return err
		}
		reused, known := s.again, s.folder != ""
		err = work(s)
		gone := folderGone(err)
		if gone {
			s.folder = ""
		}
		lost := !s.Usable() && !maySaved(err)
		f.pool.put(s)
		if err == nil || ctx.Err() != nil || fresh {
			return err
		}
		if !(reused && lost) && !(known && gone) {
			return err
		}
	}
}

// maySaved reports whether an APPEND may have been carried out though it failed.
func maySaved(err error) bool {
	var e *mailbox.Error
	return errors.As(err, &e) && e.Step == mailbox.StepAppend && e.Status == ""
}

// folderGone reports whether the server says that the folder does not exist.
func folderGone(err error) bool {
	var e *mailbox.Error
	return errors.As(err, &e) && (e.Code == "TRYCREATE" || e.Code == "NONEXISTENT")
}

// open opens a session of an account.
func (f *Filer) open(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, error) {
	return mailbox.Open(ctx, mailbox.Options{
		Dialer:           f.o.Dialer,
		Server:           c.Account.IMAP,
		Login:            c.IMAPLogin(),
		Password:         c.Password,
		Token:            c.Token,
		Roots:            f.o.Roots,
		PlainAllowed:     f.o.PlainAllowed,
		ConnectTimeout:   f.o.ConnectTimeout,
		OperationTimeout: f.o.OperationTimeout,
		UploadRate:       f.o.UploadRate,
		AnswerLimit:      f.o.AnswerLimit,
	})
}

// withoutAccount is the outcome when there are no credentials.
func withoutAccount(err error) relay.Filed {
	if errors.Is(err, store.ErrNotFound) {
		return impossible(RuleNoAccount, "the account was removed")
	}
	return pending(RuleLocal, fmt.Sprintf("the account cannot be read: %v", err), 0)
}
