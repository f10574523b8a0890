package exchange

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrNoMailbox says that nobody has the name or the address.
var ErrNoMailbox = errors.New("no such mailbox")

// ErrNoItem says that the folder does not hold the item, or no longer.
var ErrNoItem = errors.New("no such item")

// ErrQuota says that a mailbox may send no more for the time being.
var ErrQuota = errors.New("the mailbox has used up what it may send")

// Mailboxes is whose mail the server keeps. A folder is named by its distinguished
// id: inbox, sentitems, drafts, outbox, deleteditems or junkemail. An address is
// that of an Owner. The methods may be called from several goroutines.
type Mailboxes interface {
	// Find gives the owner of a mailbox by login name or by one of its addresses,
	// in upper or lower case. ErrNoMailbox means that there is none.
	Find(ctx context.Context, name string) (Owner, error)
	// Deliver hands a message on to its recipients, those of the server and those
	// elsewhere. The copy for the sender's own folder is not its task. ErrQuota means
	// that nothing was sent.
	Deliver(ctx context.Context, m Mail) error
	// Put keeps a message in a folder and gives its id there.
	Put(ctx context.Context, address, folder string, m Item) (id string, err error)
	// List gives what lies in a folder, oldest first.
	List(ctx context.Context, address, folder string) ([]Item, error)
	// Delete takes a message out of a folder for good. ErrNoItem means that it is
	// not there.
	Delete(ctx context.Context, address, folder, id string) error
}

// Owner is who signs in.
type Owner struct {
	Address   string   // primary address
	Aliases   []string // more addresses, which it may send as
	Login     string   // name without a domain; empty means Address
	Name      string   // as an address book shows it; empty means Address
	Password  string   // NTLM proves that the client knows it, and needs it in clear
	Delegates []string // addresses of owners that may open this mailbox and send as it
}

// Mail is a message as it was handed over.
type Mail struct {
	From    string   // address of the mailbox that sent it
	To      []string // addresses of To, Cc and Bcc, each once
	Content []byte   // without the Bcc field
}

// Item is a message in a folder.
type Item struct {
	ID       string // within its folder; Put chooses it
	Received time.Time
	Read     bool
	Content  []byte
}

func (o Owner) displayName() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Address
}

// owns reports whether an address is one of the mailbox's own.
func (o Owner) owns(address string) bool {
	return sameName(o.Address, address) || containsName(o.Aliases, address)
}

// admits reports whether another owner may act in this mailbox.
func (o Owner) admits(other Owner) bool {
	return sameName(o.Address, other.Address) || containsName(o.Delegates, other.Address)
}

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

func containsName(names []string, name string) bool {
	for _, n := range names {
		if sameName(n, name) {
			return true
		}
	}
	return false
}

func domainOf(address string) string {
	at := strings.LastIndexByte(address, '@')
	return address[at+1:]
}
