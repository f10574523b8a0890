package mailbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// Folder is one folder of the mailbox. Its name is decoded from modified UTF-7
// (RFC 3501 §5.1.3).
type Folder struct {
	Name       string
	Delim      rune   // between the parts of Name; 0 if there is no hierarchy
	Use        string // its special use (RFC 6154), such as "\\Sent"; empty if it has none
	Selectable bool   // it can hold messages, and its name can be sent back
}

// The special uses that matter here (RFC 6154 §2).
const (
	UseSent  = string(imap.MailboxAttrSent)
	UseJunk  = string(imap.MailboxAttrJunk)
	UseAll   = string(imap.MailboxAttrAll)
	UseTrash = string(imap.MailboxAttrTrash)
)

// maxFolders bounds the list of folders that is kept.
const maxFolders = 10000

// Folders lists every folder that the account sees.
func (m *Mailbox) Folders(ctx context.Context) ([]Folder, error) {
	var options *imap.ListOptions
	if m.caps.Has(imap.CapSpecialUse) && m.caps.Has(imap.CapListExtended) {
		options = &imap.ListOptions{ReturnSpecialUse: true} // RFC 6154 §2: plain LIST need not tell it
	}
	var found []*imap.ListData
	err := m.do(ctx, operation{step: StepList}, func() (err error) {
		found, err = m.client.List("", "*", options).Collect()
		return err
	})
	if err != nil {
		return nil, err
	}
	folders := make([]Folder, 0, min(len(found), maxFolders))
	for _, f := range found[:min(len(found), maxFolders)] {
		folders = append(folders, folderOf(f))
	}
	return folders, nil
}

func folderOf(f *imap.ListData) Folder {
	folder := Folder{Name: f.Mailbox, Delim: f.Delim, Selectable: sendable(f.Mailbox)}
	for _, attribute := range f.Attrs {
		switch attribute {
		case imap.MailboxAttrNoSelect, imap.MailboxAttrNonExistent:
			folder.Selectable = false
		case imap.MailboxAttrSent, imap.MailboxAttrJunk, imap.MailboxAttrAll, imap.MailboxAttrTrash:
			folder.Use = string(attribute)
		}
	}
	return folder
}

// FindSent finds the folder for sent mail: the one that the user chose; else the
// one with the special use \Sent; else, by its name, in many languages. ErrNoSent
// if there is none, ErrNoFolder if the chosen one is not there.
func (m *Mailbox) FindSent(ctx context.Context, choice string) (Folder, error) {
	folders, err := m.Folders(ctx)
	if err != nil {
		return Folder{}, err
	}
	space := m.namespace(ctx)
	if choice != "" {
		if f, found := chosen(folders, space, choice); found {
			return f, nil
		}
		return Folder{}, &Error{Step: StepList, Kind: KindProtocol, Err: fmt.Errorf("%w: %s", ErrNoFolder, choice)}
	}
	if f, found := sentAmong(folders, space); found {
		return f, nil
	}
	return Folder{}, &Error{Step: StepList, Kind: KindProtocol, Err: ErrNoSent}
}

// MakeSent makes a folder for sent mail where the user's own folders live, and
// tells the server its use where that is possible (RFC 6154 §3).
func (m *Mailbox) MakeSent(ctx context.Context) (Folder, error) {
	space := m.namespace(ctx)
	folder := Folder{Name: space.prefix + "Sent", Delim: space.delim, Use: UseSent, Selectable: true}
	var options *imap.CreateOptions
	if m.caps.Has(imap.CapCreateSpecialUse) {
		options = &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{imap.MailboxAttrSent}}
	}
	err := m.do(ctx, operation{step: StepCreate}, func() error { return m.client.Create(folder.Name, options).Wait() })
	var e *Error
	if errors.As(err, &e) && e.Code == string(imap.ResponseCodeAlreadyExists) {
		err = nil // somebody else made it meanwhile
	}
	if err != nil {
		return Folder{}, err
	}
	// Many mail programs show only what is subscribed. A server that refuses has
	// the folder all the same.
	m.do(ctx, operation{step: StepCreate}, func() error { return m.client.Subscribe(folder.Name).Wait() }) //nolint:errcheck // see above
	return folder, nil
}

// namespace asks where the user's own folders live (RFC 2342). Servers that do not
// tell have them at the top.
func (m *Mailbox) namespace(ctx context.Context) namespace {
	if !m.caps.Has(imap.CapNamespace) {
		return namespace{}
	}
	var data *imap.NamespaceData
	err := m.do(ctx, operation{step: StepList}, func() (err error) {
		data, err = m.client.Namespace().Wait()
		return err
	})
	if err != nil || len(data.Personal) == 0 || (data.Personal[0].Prefix != "" && !sendable(data.Personal[0].Prefix)) {
		return namespace{}
	}
	return namespace{prefix: data.Personal[0].Prefix, delim: data.Personal[0].Delim}
}

// open selects a folder: read-only to look, else to change.
func (m *Mailbox) open(ctx context.Context, folder string, readOnly bool) (*imap.SelectData, error) {
	if !sendable(folder) {
		return nil, failure(StepSelect, ErrBadValue)
	}
	var data *imap.SelectData
	err := m.do(ctx, operation{step: StepSelect}, func() (err error) {
		data, err = m.client.Select(folder, &imap.SelectOptions{ReadOnly: readOnly}).Wait()
		return err
	})
	return data, err
}

// SearchOrder sorts folders in the order in which a mail that was just delivered
// is likely to be found: INBOX, junk, all mail, then the others.
func SearchOrder(folders []Folder) []Folder {
	var sorted []Folder
	for _, f := range folders {
		if f.Selectable {
			sorted = append(sorted, f)
		}
	}
	slices.SortStableFunc(sorted, func(a, b Folder) int { return rank(a) - rank(b) })
	return sorted
}

func rank(f Folder) int {
	switch {
	case f.Name == "INBOX":
		return 0
	case f.Use == UseJunk:
		return 1
	case f.Use == UseAll:
		return 2
	}
	return 3
}
