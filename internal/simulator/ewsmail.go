package simulator

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/relayd/relayd/internal/simulator/exchange"
)

// ewsMailboxes are the provider's mailboxes as its Exchange server sees them.
type ewsMailboxes struct{ *Simulator }

var _ exchange.Mailboxes = ewsMailboxes{}

// Find gives the owner of a mailbox. Without a domain a login is the name of the
// account, or the local part of its address where no other account has the same.
func (m ewsMailboxes) Find(_ context.Context, name string) (exchange.Owner, error) {
	for _, find := range []func(string) *user{m.byLogin, m.byAddress, m.byLocalPart} {
		if u := find(name); u != nil {
			return exchange.Owner{Address: u.account.Address, Aliases: u.allAliases(), Login: u.account.Login,
				Password: u.currentPassword(), Delegates: u.account.Delegates}, nil
		}
	}
	return exchange.Owner{}, exchange.ErrNoMailbox
}

// byLocalPart gives the one account whose address begins so.
func (s *Simulator) byLocalPart(name string) *user {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *user
	for _, u := range s.users {
		local, _, _ := strings.Cut(u.account.Address, "@")
		switch {
		case !strings.EqualFold(local, name):
		case found != nil:
			return nil
		default:
			found = u
		}
	}
	return found
}

// Deliver sends a message as all mail of the provider is sent. The copy is put by the
// Exchange server.
func (m ewsMailboxes) Deliver(ctx context.Context, mail exchange.Mail) error {
	u := m.byAddress(mail.From)
	switch {
	case u == nil:
		return exchange.ErrNoMailbox
	case !u.takeMessage():
		return exchange.ErrQuota
	}
	_, err := m.post(ctx, u, posting{mail: Mail{At: time.Now(), Via: "ews", User: u.account.Login,
		From: u.account.Address, To: mail.To, Content: mail.Content, TLS: true}})
	return err
}

// Put keeps a message. Its id is the UID that IMAP shows.
func (m ewsMailboxes) Put(_ context.Context, address, folder string, item exchange.Item) (string, error) {
	u, name, err := m.place(address, folder)
	if err != nil {
		return "", err
	}
	options := &imap.AppendOptions{Time: item.Received}
	if item.Read {
		options.Flags = []imap.Flag{imap.FlagSeen}
	}
	data, err := u.add(name, item.Content, options)
	if err != nil {
		return "", err
	}
	m.changed()
	return strconv.FormatUint(uint64(data.UID), 10), nil
}

// List gives what lies in a folder.
func (m ewsMailboxes) List(ctx context.Context, address, folder string) ([]exchange.Item, error) {
	_, name, err := m.place(address, folder)
	if err != nil {
		return nil, err
	}
	found, err := m.Messages(ctx, address, name)
	if err != nil {
		return nil, err
	}
	items := make([]exchange.Item, 0, len(found))
	for _, f := range found {
		items = append(items, exchange.Item{ID: strconv.FormatUint(uint64(f.UID), 10), Received: f.Date, Read: f.Seen, Content: f.Content})
	}
	return items, nil
}

// Delete takes a message out of a folder for good.
func (m ewsMailboxes) Delete(_ context.Context, address, folder, id string) error {
	u, name, err := m.place(address, folder)
	if err != nil {
		return err
	}
	uid, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return exchange.ErrNoItem
	}
	defer m.changed()
	err = u.removeUID(name, uint32(uid))
	if errors.Is(err, errNoMessage) {
		return exchange.ErrNoItem
	}
	return err
}

// outboxFolder is the one folder of Exchange for which IMAP has no special use.
const outboxFolder = "Outbox"

// place finds the folder that IMAP shows for a distinguished folder.
func (m ewsMailboxes) place(address, folder string) (u *user, name string, err error) {
	if u = m.byAddress(address); u == nil {
		return nil, "", exchange.ErrNoMailbox
	}
	use, special := map[string]imap.MailboxAttr{
		"sentitems": imap.MailboxAttrSent, "drafts": imap.MailboxAttrDrafts,
		"deleteditems": imap.MailboxAttrTrash, "junkemail": imap.MailboxAttrJunk,
	}[folder]
	found := false
	switch {
	case special:
		name, found = u.forUse(use)
	case folder == "inbox":
		name, found = "INBOX", true
	case folder == "outbox":
		name, found = outboxFolder, u.has(outboxFolder)
	}
	if !found {
		return nil, "", fmt.Errorf("the mailbox of %s has no folder for %s", address, folder)
	}
	return u, name, nil
}
