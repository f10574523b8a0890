package simulator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
	"github.com/relayd/relayd/internal/simulator/web"
)

// Submission is a message that a web service sends.
type Submission = web.Submission

// The reasons why Submit sends nothing.
var (
	ErrLimit        = web.ErrLimit
	ErrNoRecipients = web.ErrNoRecipients
)

// Submit sends a message without an envelope, as the web services of providers do:
// to the recipients of its header. It gives the copy in Sent with its content and
// folder; UID is not known. Handlers that were mounted use it as well.
func (s *Simulator) Submit(ctx context.Context, sub Submission) (web.Message, error) {
	u := s.byAddress(sub.Address)
	if u == nil {
		return web.Message{}, fmt.Errorf("there is no account %s", sub.Address)
	}
	to := headerRecipients(sub.Content)
	switch {
	case len(to) == 0:
		return web.Message{}, ErrNoRecipients
	case !u.takeMessage():
		return web.Message{}, ErrLimit
	}
	content := sub.Content
	if sub.OwnFrom {
		content = setField(content, "From", "<"+u.account.Address+">")
	}
	folder := sub.Folder
	if folder == "" {
		folder, _ = u.forUse(imap.MailboxAttrSent)
	}
	m := Mail{At: time.Now(), Via: sub.Via, User: u.account.Login, From: u.account.Address, To: to, TLS: true,
		Content: dropField(content, "Bcc")} // the copy keeps it
	_, err := s.post(ctx, u, posting{mail: m, copied: content, file: !sub.NoCopy, folder: folder})
	return web.Message{Folder: folder, Seen: true, Date: m.At, Content: content}, err
}

// Folder gives an account's folder for a use.
func (s *Simulator) Folder(address string, use web.Use) (name string, ok bool) {
	u := s.byAddress(address)
	if u == nil {
		return "", false
	}
	switch use {
	case web.Inbox:
		return "INBOX", true
	case web.Sent:
		return u.forUse(imap.MailboxAttrSent)
	case web.Drafts:
		return u.forUse(imap.MailboxAttrDrafts)
	case web.Junk:
		return u.forUse(imap.MailboxAttrJunk)
	case web.Trash:
		return u.forUse(imap.MailboxAttrTrash)
	}
	return "", false
}

// Remove takes a message out of a folder for good. One that is gone already is no
// error.
func (s *Simulator) Remove(address, folder string, uid uint32) error {
	u := s.byAddress(address)
	if u == nil {
		return fmt.Errorf("there is no account %s", address)
	}
	defer s.changed()
	err := u.removeUID(folder, uid)
	if errors.Is(err, errNoMessage) {
		return nil
	}
	return err
}

// api is the provider as its web services see it.
type api struct{ *Simulator }

var _ web.Provider = api{}

// Token tells what an access token allows.
func (a api) Token(token string) (oauthsim.Token, bool) { return a.oauth.Token(token) }

// Mailbox finds the mailbox of a request, if the token opens it.
func (a api) Mailbox(t oauthsim.Token, name string) (address string, ok bool) {
	if name == "me" {
		name = t.Address
	}
	u := a.byAddress(name)
	if u == nil || !mayOpen(t, u) {
		return "", false
	}
	return u.account.Address, true
}

// Read gives what lies in a folder.
func (a api) Read(ctx context.Context, address, folder string) ([]web.Message, error) {
	found, err := a.Messages(ctx, address, folder)
	if err != nil {
		return nil, err
	}
	out := make([]web.Message, 0, len(found))
	for _, m := range found {
		out = append(out, web.Message{Folder: folder, UID: m.UID, Seen: m.Seen, Date: m.Date, Content: m.Content})
	}
	return out, nil
}

// Move takes a message to another folder.
func (a api) Move(ctx context.Context, address, folder string, uid uint32, to string) error {
	found, err := a.Messages(ctx, address, folder)
	if err != nil {
		return err
	}
	for _, m := range found {
		if m.UID != uid {
			continue
		}
		if err := a.byAddress(address).put(to, m.Content, m.Date); err != nil {
			return err
		}
	}
	return a.Remove(address, folder, uid)
}

// Strike gives the fault that is due.
func (a api) Strike(ctx context.Context, at fault.Place, who ...string) (fault.Fault, bool) {
	return a.Simulator.Strike(ctx, at, who...)
}
