package simulator

import (
	"bytes"
	"crypto/subtle"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

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

	mu       sync.Mutex
	password string
	folders  []folder
	aliases  []string
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

func newUser(a Account, p Personality) (*user, error) {
	if a.Login == "" {
		a.Login = a.Address
	}
	u := &user{account: a, password: a.Password, store: imapmemserver.NewUser(a.Login, a.Password)}
	wanted := []folder{{name: "INBOX"}, {name: "Drafts", use: imap.MailboxAttrDrafts},
		{name: "Junk", use: imap.MailboxAttrJunk}, {name: "Trash", use: imap.MailboxAttrTrash}}
	if p.SentFolder != "-" {
		wanted = append(wanted, folder{name: p.SentFolder, use: imap.MailboxAttrSent})
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

// put stores a message.
func (u *user) put(folder string, content []byte, at time.Time, flags ...imap.Flag) error {
	_, err := u.store.Append(folder, literal{bytes.NewReader(content)}, &imap.AppendOptions{Time: at, Flags: flags})
	if err != nil {
		return fmt.Errorf("put a message into %q of %s: %w", folder, u.account.Address, err)
	}
	return nil
}

// sentFolder is where the provider files sent mail itself.
func (u *user) sentFolder() (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range u.folders {
		if f.use == imap.MailboxAttrSent {
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

// literal is content in memory as go-imap wants to read it.
type literal struct{ *bytes.Reader }

// Size is the length in octets.
func (l literal) Size() int64 { return l.Reader.Size() }
