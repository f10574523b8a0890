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

// inbox is the one folder whose name is the same everywhere (RFC 9051 §5.1).
const inbox = "INBOX"

// RuleInbox is the rule of a report that lies in the INBOX.
const RuleInbox = "inbox.filed"

// Deliver puts a report into the INBOX of the route's account (relay.RouteInbox).
// It searches by Message-ID first, so that a repetition never makes a second one;
// so what was broken off is deferred and not unknown.
func (f *Filer) Deliver(ctx context.Context, d *relay.Delivery) relay.Attempt {
	a := relay.Attempt{Started: time.Now()}
	var uid uint32
	credentials, err := f.o.Credentials.Credentials(ctx, d.Route.Account, relay.ResourceMail)
	switch {
	case err == nil && credentials.Account.IMAP.Host == "":
		err = errNoIMAP
	case err == nil:
		err = f.with(ctx, credentials, func(s *session) (err error) {
			peer := s.Peer()
			a.Peer = relay.Peer{Host: peer.Host, Addr: peer.Addr, TLS: peer.TLS}
			uid, err = putReport(ctx, s, d)
			return err
		})
	}
	result := relay.Result{Outcome: relay.Delivered, Rule: RuleInbox, Reply: relay.Reply{Text: fmt.Sprintf("in the INBOX, UID %d", uid)}}
	if err != nil {
		result, a.Trouble = f.deferred(ctx, credentials, err)
	}
	for _, i := range d.Recipients {
		result.Recipient = i
		a.Results = append(a.Results, result)
	}
	a.Ended = time.Now()
	return a
}

var errNoIMAP = errors.New("the account has no server for reading mail (IMAP)")

// putReport searches, and appends what is not there.
func putReport(ctx context.Context, s *session, d *relay.Delivery) (uint32, error) {
	found, err := s.Find(ctx, inbox, "Message-ID", d.Message.HeaderID)
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		return found[0].UID, nil
	}
	return s.Append(ctx, inbox, mailbox.Upload{
		Size:    d.Body.Size(),
		Content: d.Body.Reader(),
		Date:    d.Message.Accepted,
		Before: func(ctx context.Context) error {
			if d.BeforeDot == nil {
				return nil
			}
			return d.BeforeDot(ctx, d.Recipients)
		},
	})
}

// deferred is the result of a report that could not be filed now. The trouble of a
// mailbox makes the lane rest; it never parks the account, which may send all the
// same.
func (f *Filer) deferred(ctx context.Context, c *relay.Credentials, err error) (relay.Result, *relay.Trouble) {
	result := relay.Result{Outcome: relay.Deferred, Rule: RuleLocal}
	var e *mailbox.Error
	switch {
	case ctx.Err() != nil, errors.Is(err, errClosed):
		result.Rule = RuleInterrupted
		return result, &relay.Trouble{Kind: relay.TroubleAborted, Rule: RuleInterrupted}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errNoIMAP):
		result.Rule, result.Hint = RuleNoAccount, "the mailbox cannot be reached by IMAP any longer"
		return result, nil
	case errors.Is(err, mailbox.ErrBadContent):
		return relay.Result{Outcome: relay.Failed, Rule: RuleContent, Hint: "the report has line ends that must not leave"}, nil
	case !errors.As(err, &e):
		result.Hint = relay.Printable(err.Error())
		return result, nil
	}
	class := f.o.Classifier.Classify(e.Answer(c.Account.Rules()))
	result.Rule, result.Reply, result.Hint, result.Pause = class.Rule, e.Reply(), class.Hint, class.Pause
	switch class.Action {
	case relay.ActionFailMessage, relay.ActionFailRecipient:
		result.Outcome = relay.Failed
	case relay.ActionHoldAccount, relay.ActionHoldApp, relay.ActionSlow:
		return result, troubleOf(relay.TroubleSlow, &class, e.Reply())
	}
	return result, nil
}
