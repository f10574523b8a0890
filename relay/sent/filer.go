package sent

import (
	"context"
	"errors"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
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
	RuleOff          = "copy.off"           // switched off for the account
	RuleFiled        = "copy.filed"         // put into the Sent folder
	RuleThere        = "copy.there"         // found in the Sent folder
	RuleAPI          = "copy.api"           // filed by the API that sent the message
	RuleLate         = "copy.late"          // the provider's own copy came after ours, which was taken out again
	RuleKept         = "copy.kept"          // no copy of the provider's came after ours
	RuleOtherID      = "copy.other_id"      // the provider files under a Message-ID that nobody told us
	RuleWaits        = "copy.provider"      // the provider's own copy is waited for
	RuleNoIMAP       = "copy.no_imap"       // the account has no IMAP server
	RuleNoAccount    = "copy.no_account"    // the account is gone
	RuleOtherAddress = "copy.other_address" // the account no longer sends as the sender
	RuleNoID         = "copy.no_id"         // without a Message-ID a copy could be filed twice
	RuleParked       = "copy.parked"        // the account is parked, and signing in must wait
	RuleContent      = "copy.content"       // the content must not leave
	RuleNoRight      = "copy.no_permission" // the mailbox may not be written to
	RuleNoFolder     = "copy.folder"        // there is no folder to file into
	RuleInterrupted  = "copy.interrupted"   // we shut down
	RuleLocal        = "copy.local"         // a fault of our own
)

// File makes one try at a Sent copy, or looks after one that was filed. It waits for
// its turn: an account files one message at a time.
func (f *Filer) File(ctx context.Context, filing *relay.Filing) relay.Filed {
	account, err := f.o.Accounts.Get(ctx, filing.Account)
	switch {
	case filing.Filed != nil:
		return f.recheck(ctx, account, err, filing)
	case err != nil:
		return withoutAccount(err)
	}
	way := filing.Way
	if account.IMAP.Host == "" {
		way = webWay(account, way)
	}
	if filed, decided := f.before(account, filing, way, time.Now()); decided {
		return filed
	}
	if way.Web() {
		return f.fileWeb(ctx, account, filing, way)
	}
	return f.fileIMAP(ctx, account, filing)
}

// before decides what needs no connection.
func (f *Filer) before(account *relay.Account, filing *relay.Filing, way relay.Way, now time.Time) (relay.Filed, bool) {
	ownAPI := filing.Way.Web() // it has filed the message already, whatever we do
	waits := ownAPI || way.Web() || account.Card.FilesSent && account.CopyMode == relay.CopyAuto
	switch {
	case account.CopyMode == relay.CopyNever && !ownAPI:
		return relay.Filed{Status: relay.CopyNone, Rule: RuleOff, Reason: "switched off for this account"}, true
	case account.IMAP.Host == "" && !way.Web():
		return impossible(RuleNoIMAP, "the account has no server for reading mail (IMAP)"), true
	case filing.Message.HeaderID == "" && !ownAPI:
		return impossible(RuleNoID, "the message has no Message-ID"), true
	case !account.SendsAs(filing.Message.From) && !ownAPI:
		// The mailbox is no longer the one that sent the message (promise G9).
		return impossible(RuleOtherAddress, "the account no longer sends as "+filing.Message.From.String()), true
	case filing.Message.HeaderID == "", !account.SendsAs(filing.Message.From), account.CopyMode == relay.CopyNever:
		return byAPI("it was not looked for"), true
	case account.State == relay.AccountParked:
		// Providers lock accounts after failed sign-ins: they belong to the account's
		// own schedule, and servers that nobody has proved yet get no mail.
		return pending(RuleParked, "the account waits: "+account.StateReason, max(account.RetryAt.Sub(now), 0)), true
	case waits && now.Sub(filing.Sent) < f.o.ProviderFirst:
		return pending(RuleWaits, "the provider files sent mail itself", f.o.ProviderFirst-now.Sub(filing.Sent)), true
	}
	return relay.Filed{}, false
}

// fileIMAP files by IMAP, and tells the account's health how that went.
func (f *Filer) fileIMAP(ctx context.Context, account *relay.Account, filing *relay.Filing) relay.Filed {
	credentials, err := f.o.Credentials.Credentials(ctx, filing.Account, relay.ResourceMail)
	if err != nil {
		return f.withoutCredentials(ctx, account, err)
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

// file searches, and files what is not there. A folder that has gone since it was
// found is looked for once more.
func (f *Filer) file(ctx context.Context, s *session, c *relay.Credentials, filing *relay.Filing) (relay.Filed, error) {
	if err := f.sentFolder(ctx, s, c.Account.SentFolder); err != nil {
		return relay.Filed{}, err
	}
	ids := headerIDs(&c.Account, filing)
	found, err := look(ctx, s, s.folder, ids)
	if err != nil {
		return relay.Filed{}, err
	}
	if len(found) > 0 {
		return f.there(&c.Account, s.folder, found, filing)
	}
	if c.Account.CopyMode == relay.CopyAuto && c.Account.Card.FilesSent {
		if time.Since(filing.Sent) < f.o.ProviderLast {
			return pending(RuleWaits, "the provider's own copy has not come yet", f.o.ProviderLast/3), nil
		}
		if card := &c.Account.Card; !card.KeepsHeaderID && len(ids) == 1 {
			// Whoever searches finds nothing, so the copy that is not found says nothing.
			return relay.Filed{Status: relay.CopyByProvider, Folder: s.folder, Rule: RuleOtherID,
				Reason: "the provider files sent mail itself, under a Message-ID of its own"}, nil
		}
	}
	return f.append(ctx, s, c, filing)
}

// look searches a folder for the Message-IDs of one message, newest first, with the
// Received fields that tell who filed what.
func look(ctx context.Context, s *session, folder string, ids []string) (found []mailbox.Message, err error) {
	for _, id := range ids {
		some, err := s.Find(ctx, folder, "Message-ID", id, "Received")
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// there is the outcome for a message that lies in Sent already: put there by an
// earlier try whose end we did not see, or by the provider.
func (f *Filer) there(account *relay.Account, folder string, found []mailbox.Message, filing *relay.Filing) (relay.Filed, error) {
	filed := relay.Filed{Status: relay.CopyFiled, Folder: folder, UID: found[0].UID, Validity: found[0].Validity, Rule: RuleThere}
	ours, err := ourCopy(found, filing)
	switch {
	case err != nil:
		return relay.Filed{}, err
	case ours != nil:
		filed.UID, filed.Validity, filed.Recheck = ours.UID, ours.Validity, f.recheckAfter(account)
	case f.mayFile(account):
		filed.Status = relay.CopyByProvider
	}
	return filed, nil
}

func (f *Filer) append(ctx context.Context, s *session, c *relay.Credentials, filing *relay.Filing) (relay.Filed, error) {
	content, size, err := copyOf(filing.Message, filing.Body)
	if err != nil {
		return relay.Filed{}, err
	}
	place, err := s.Put(ctx, s.folder, mailbox.Upload{Size: size, Content: content, Date: filing.Sent, Seen: true})
	if err != nil {
		return relay.Filed{}, err
	}
	filed := relay.Filed{Status: relay.CopyFiled, Folder: s.folder, UID: place.UID, Validity: place.Validity, Rule: RuleFiled}
	filed.Recheck = f.recheckAfter(&c.Account)
	if filed.Recheck > 0 && (filed.UID == 0 || filed.Validity == 0) {
		// The server does not tell. What cannot be found either is left where it lies.
		if found, err := s.Find(ctx, s.folder, "Message-ID", filing.Message.HeaderID); err == nil {
			if ours, err := ourCopy(found, filing); err == nil && ours != nil {
				filed.UID, filed.Validity = ours.UID, ours.Validity
			}
		}
	}
	return filed, nil
}

// sentFolder finds the Sent folder once in a session, and makes it where there is
// none.
func (f *Filer) sentFolder(ctx context.Context, s *session, choice string) error {
	err := f.findSent(ctx, s, choice)
	if errors.Is(err, mailbox.ErrNoSent) && !f.o.NeverCreate {
		var folder mailbox.Folder
		folder, err = s.MakeSent(ctx)
		s.folder = folder.Name
	}
	return err
}

// findSent finds the Sent folder once in a session.
func (f *Filer) findSent(ctx context.Context, s *session, choice string) error {
	if s.folder != "" {
		return nil
	}
	folder, err := s.FindSent(ctx, choice)
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

// dial opens a session of an account.
func (f *Filer) dial(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, error) {
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
