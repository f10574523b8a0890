package simulator

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// delimiter stands between the parts of a folder's name; go-imap's memory server
// has no other.
const delimiter = '/'

// user is an account with its mailbox. Beside go-imap's memory server, which
// forgets the special use of folders, it keeps the list of folders itself.
type user struct {
	account Account
	store   *imapmemserver.User

	all string // the folder of everything, if there is one

	mu       sync.Mutex
	password string
	aliases  []string // beside those of the account
	folders  []folder
	left     int // messages that may still be sent; negative means any number
	slots    int // connections that may submit
}

func (u *user) passwordIs(password string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) == 1
}

func (u *user) currentPassword() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.password
}

func (u *user) setPassword(password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.password = password
}

type folder struct {
	name string
	use  imap.MailboxAttr
}

func newUser(a Account, p *Personality) (*user, error) {
	if a.Login == "" {
		a.Login = a.Address
	}
	u := &user{account: a, password: a.Password, store: imapmemserver.NewUser(a.Login, a.Password),
		all: p.AllFolder, left: -1}
	wanted := []folder{{name: "INBOX"}, {name: p.DraftsFolder, use: imap.MailboxAttrDrafts},
		{name: p.JunkFolder, use: imap.MailboxAttrJunk}, {name: p.TrashFolder, use: imap.MailboxAttrTrash}}
	if p.SentFolder != "-" {
		wanted = append(wanted, folder{name: p.SentFolder, use: imap.MailboxAttrSent})
	}
	if p.AllFolder != "" {
		wanted = append(wanted, folder{name: p.AllFolder, use: imap.MailboxAttrAll})
	}
	for _, name := range p.Folders {
		wanted = append(wanted, folder{name: name})
	}
	for _, f := range wanted {
		if err := u.create(f); err != nil {
			return nil, fmt.Errorf("make folder %q of %s: %w", f.name, a.Address, err)
		}
	}
	return u, nil
}

func (u *user) create(f folder) error {
	f.name = strings.TrimRight(f.name, string(delimiter))
	if err := u.store.Create(f.name, nil); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.folders = append(u.folders, f)
	return nil
}

func (u *user) remove(name string) error {
	if err := u.store.Delete(name); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.folders = slices.DeleteFunc(u.folders, func(f folder) bool { return f.name == name })
	return nil
}

func (u *user) rename(from, to string) error {
	if err := u.store.Rename(from, to, nil); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.folders {
		if u.folders[i].name == from {
			u.folders[i].name = to
		}
	}
	return nil
}

// has reports whether there is such a folder.
func (u *user) has(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.ContainsFunc(u.folders, func(f folder) bool { return f.name == name })
}

// forUse gives the folder for a use.
func (u *user) forUse(use imap.MailboxAttr) (name string, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range u.folders {
		if f.use == use {
			return f.name, true
		}
	}
	return "", false
}

// list writes the folders that match.
func (u *user) list(w *imapserver.ListWriter, ref string, patterns []string, options *imap.ListOptions, hideUse bool) error {
	if len(patterns) == 0 {
		return w.WriteList(&imap.ListData{Attrs: []imap.MailboxAttr{imap.MailboxAttrNoSelect}, Delim: delimiter})
	}
	u.mu.Lock()
	folders := slices.Clone(u.folders)
	u.mu.Unlock()
	for _, f := range folders {
		matches := slices.ContainsFunc(patterns, func(p string) bool {
			return imapserver.MatchList(f.name, delimiter, ref, p)
		})
		if hideUse {
			f.use = ""
		}
		if !matches || (options.SelectSpecialUse && f.use == "") {
			continue
		}
		data := &imap.ListData{Mailbox: f.name, Delim: delimiter}
		if f.use != "" {
			data.Attrs = append(data.Attrs, f.use)
		}
		if options.ReturnStatus != nil {
			data.Status, _ = u.store.Status(f.name, options.ReturnStatus) //nolint:errcheck // a folder just removed has none
		}
		if err := w.WriteList(data); err != nil {
			return err
		}
	}
	return nil
}
