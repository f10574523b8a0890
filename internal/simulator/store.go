package simulator

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// literal is content in memory as go-imap wants to read it.
type literal struct{ *bytes.Reader }

// Size is the length in octets.
func (l literal) Size() int64 { return l.Reader.Size() }

// put stores a message as the provider does itself.
func (u *user) put(folder string, content []byte, at time.Time, flags ...imap.Flag) error {
	_, err := u.add(folder, content, &imap.AppendOptions{Time: at, Flags: flags})
	return err
}

// add stores a message, and a copy in the folder of everything where there is one.
func (u *user) add(folder string, content []byte, options *imap.AppendOptions) (*imap.AppendData, error) {
	data, err := u.store.Append(folder, literal{bytes.NewReader(content)}, options)
	if err != nil {
		return nil, fmt.Errorf("put a message into %q of %s: %w", folder, u.account.Address, err)
	}
	if u.all == "" || !u.isShownInAll(folder) {
		return data, nil
	}
	if err := u.removeID(u.all, field(content, "Message-ID")); err != nil {
		return nil, err
	}
	if _, err := u.store.Append(u.all, literal{bytes.NewReader(content)}, options); err != nil {
		return nil, fmt.Errorf("put a message into %q of %s: %w", u.all, u.account.Address, err)
	}
	return data, nil
}

func (u *user) isShownInAll(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := slices.IndexFunc(u.folders, func(f folder) bool { return f.name == name })
	return i >= 0 && !slices.Contains([]imap.MailboxAttr{imap.MailboxAttrJunk, imap.MailboxAttrTrash, imap.MailboxAttrAll}, u.folders[i].use)
}

// replace stores a message in the place of those with the same Message-ID.
func (u *user) replace(folder string, content []byte, options *imap.AppendOptions) (*imap.AppendData, error) {
	if err := u.removeID(folder, field(content, "Message-ID")); err != nil {
		return nil, err
	}
	return u.add(folder, content, options)
}

// removeID takes the messages with this Message-ID out of a folder.
func (u *user) removeID(folder, id string) error {
	if id == "" {
		return nil
	}
	err := u.expunge(folder, &imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: id}}})
	if errors.Is(err, errNoMessage) {
		return nil
	}
	return err
}

// removeElsewhere takes the messages with this Message-ID out of every folder but one.
func (u *user) removeElsewhere(folder, id string) error {
	u.mu.Lock()
	folders := slices.Clone(u.folders)
	u.mu.Unlock()
	for _, f := range folders {
		if f.name == folder {
			continue
		}
		if err := u.removeID(f.name, id); err != nil {
			return err
		}
	}
	return nil
}

// errNoMessage: there is nothing to take out.
var errNoMessage = errors.New("there is no such message")

// removeUID takes one message out of a folder. errNoMessage means that it was not
// there.
func (u *user) removeUID(folder string, uid uint32) error {
	return u.expunge(folder, &imap.SearchCriteria{UID: []imap.UIDSet{imap.UIDSetNum(imap.UID(uid))}})
}

// expunge takes messages out of a folder. errNoMessage means that there was none.
func (u *user) expunge(folder string, which *imap.SearchCriteria) error {
	view := imapmemserver.NewUserSession(u.store)
	if _, err := view.Select(folder, &imap.SelectOptions{}); err != nil {
		return fmt.Errorf("open folder %q of %s: %w", folder, u.account.Address, err)
	}
	defer view.Close() //nolint:errcheck // it only forgets
	found, err := view.Search(imapserver.NumKindUID, which, &imap.SearchOptions{})
	if err != nil {
		return fmt.Errorf("search folder %q of %s: %w", folder, u.account.Address, err)
	}
	uids, ok := found.All.(imap.UIDSet)
	if !ok || len(uids) == 0 {
		return errNoMessage
	}
	deleted := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}
	if err := view.Store(nil, uids, deleted, &imap.StoreOptions{}); err != nil {
		return fmt.Errorf("mark in folder %q of %s: %w", folder, u.account.Address, err)
	}
	return view.Expunge(nil, &uids)
}

// setLimit lets so many more messages be sent.
func (u *user) setLimit(messages int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = messages
}

// takeMessage counts a message, unless the limit is reached.
func (u *user) takeMessage() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.left > 0 {
		u.left--
		return true
	}
	return u.left < 0
}

// takeSlot counts a connection that may submit; 0 means any number.
func (u *user) takeSlot(limit int) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit > 0 && u.slots >= limit {
		return false
	}
	u.slots++
	return true
}

func (u *user) giveSlot() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.slots--
}
