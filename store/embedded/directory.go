package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// DefaultDirectoryCache is how many look-ups are remembered for each kind of record.
// An account takes about 800 octets there.
const DefaultDirectoryCache = 200_000

// DefaultDirectorySize is the largest file in octets: room for several million
// accounts, and far less than a disk.
const DefaultDirectorySize = 16 << 30

// DirectoryOptions is what OpenDirectory needs. Only Path is required.
type DirectoryOptions struct {
	Path      string // the bbolt file; its folder must exist; the file is made if it is missing
	CacheSize int    // look-ups remembered for each kind; 0 means DefaultDirectoryCache
	MaxSize   int64  // octets of the file; 0 means DefaultDirectorySize
}

// Directory keeps organisations, users, accounts and all that is set up for them in
// one bbolt file, apart from the queue. It implements [store.Directory].
//
// A change is one transaction: the record as JSON, its unique values, its
// references. Only once that is flushed does the memory follow: the cache forgets
// the record and those who watch it are told. A look-up asks the cache, which never
// grows over its limit, and then the file's memory map.
type Directory struct {
	db *bolt.DB

	organisations directoryTable[relay.Organisation]
	users         directoryTable[relay.User]
	accounts      directoryTable[relay.Account]
	submitters    directoryTable[relay.Submitter]
	keys          directoryTable[relay.Key]
	tokens        directoryTable[relay.Token]
	apps          directoryTable[relay.App]
	grants        directoryTable[relay.Grant]
	starters      directoryTable[relay.Starter]
	domainClaims  directoryTable[relay.DomainClaim]
	links         directoryTable[relay.Link]
	webhooks      directoryTable[relay.Webhook]
	webhookCalls  directoryTable[relay.WebhookCall]

	watchers directoryWatchers
	closed   atomic.Bool

	writing sync.Mutex            // held by the one change that is under way
	commit  func(*bolt.Tx) error  // (*bolt.Tx).Commit; a test makes it fail
	failure atomic.Pointer[error] // why the engine refuses everything since a commit failed
	failed  chan struct{}         // closed with it
}

var _ store.Directory = (*Directory)(nil)

// OpenDirectory opens the file, or makes it durably when it is not there. Another
// process that has it open is an error.
func OpenDirectory(o DirectoryOptions) (*Directory, error) {
	if o.CacheSize == 0 {
		o.CacheSize = DefaultDirectoryCache
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultDirectorySize
	}
	db, err := openDirectoryFile(o)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", o.Path, err)
	}
	d := &Directory{db: db, commit: (*bolt.Tx).Commit, failed: make(chan struct{})}
	d.organisations.init(d, organisationKind(), o.CacheSize)
	d.users.init(d, userKind(), o.CacheSize)
	d.accounts.init(d, accountKind(), o.CacheSize)
	d.submitters.init(d, submitterKind(), o.CacheSize)
	d.keys.init(d, keyKind(), o.CacheSize)
	d.tokens.init(d, tokenKind(), o.CacheSize)
	d.apps.init(d, appKind(), o.CacheSize)
	d.grants.init(d, grantKind(), o.CacheSize)
	d.starters.init(d, starterKind(), o.CacheSize)
	d.starters.remembersNone = true // every message of an account asks, and most find none
	d.domainClaims.init(d, domainClaimKind(), o.CacheSize)
	d.links.init(d, linkKind(), o.CacheSize)
	d.webhooks.init(d, webhookKind(), o.CacheSize)
	d.webhookCalls.init(d, webhookCallKind(), o.CacheSize)
	return d, nil
}

// Organisations is the table of organisations.
func (d *Directory) Organisations() store.Table[relay.Organisation] { return &d.organisations }

// Users is the table of users.
func (d *Directory) Users() store.Table[relay.User] { return &d.users }

// Accounts is the table of accounts.
func (d *Directory) Accounts() store.Table[relay.Account] { return &d.accounts }

// Submitters is the table of submitters.
func (d *Directory) Submitters() store.Table[relay.Submitter] { return &d.submitters }

// Keys is the table of DKIM keys.
func (d *Directory) Keys() store.Table[relay.Key] { return &d.keys }

// Tokens is the table of tokens of the admin API.
func (d *Directory) Tokens() store.Table[relay.Token] { return &d.tokens }

// Apps is the table of OAuth applications.
func (d *Directory) Apps() store.Table[relay.App] { return &d.apps }

// Grants is the table of consents.
func (d *Directory) Grants() store.Table[relay.Grant] { return &d.grants }

// Starters is the table of starter configurations.
func (d *Directory) Starters() store.Table[relay.Starter] { return &d.starters }

// DomainClaims is the table of claims to domains.
func (d *Directory) DomainClaims() store.Table[relay.DomainClaim] { return &d.domainClaims }

// Links is the table of one-time links.
func (d *Directory) Links() store.Table[relay.Link] { return &d.links }

// Webhooks is the table of webhooks.
func (d *Directory) Webhooks() store.Table[relay.Webhook] { return &d.webhooks }

// WebhookCalls is the table of events on their way to webhooks.
func (d *Directory) WebhookCalls() store.Table[relay.WebhookCall] { return &d.webhookCalls }

// Changed returns a channel that is closed at the next change of the record kind
// and id; an empty id means any record of that kind.
func (d *Directory) Changed(kind store.Kind, id string) <-chan struct{} {
	return d.watchers.watch(kind, id)
}

// Failed is closed when a commit failed (store.ErrUnknown): the program must stop.
func (d *Directory) Failed() <-chan struct{} { return d.failed }

// Close ends the engine. Every change that returned nil is on disk already.
func (d *Directory) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	if err := d.db.Close(); err != nil {
		return fmt.Errorf("close the directory: %w", err)
	}
	return nil
}

// usable tells why nothing can be asked now, or nil.
func (d *Directory) usable(ctx context.Context) error {
	if failure := d.failure.Load(); failure != nil {
		return *failure
	}
	if d.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// view reads the file. Look-ups are short: a long transaction would keep the file
// from growing.
func (d *Directory) view(ctx context.Context, read func(*bolt.Tx) error) error {
	if err := d.usable(ctx); err != nil {
		return err
	}
	err := guarded(func() error { return d.db.View(read) })
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// update makes one change durable. When change returns an error nothing was done.
func (d *Directory) update(ctx context.Context, change func(*bolt.Tx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if err := d.usable(ctx); err != nil {
		return err
	}
	tx, err := d.db.Begin(true)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	if err != nil {
		return fmt.Errorf("begin a change: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	if err := guarded(func() error { return change(tx) }); err != nil {
		return err
	}
	return d.settle(guarded(func() error { return d.commit(tx) }))
}

// settle judges the end of a commit. A failed flush is final: the change may be on
// disk or not, and asking the kernel again would give a false yes.
func (d *Directory) settle(err error) error {
	switch {
	case err == nil:
		return nil
	case noRoom(err):
		return fmt.Errorf("directory: %w: %w", store.ErrFull, err)
	}
	err = fmt.Errorf("directory: %w: %w", store.ErrUnknown, err)
	if d.failure.CompareAndSwap(nil, &err) {
		close(d.failed)
	}
	return err
}
