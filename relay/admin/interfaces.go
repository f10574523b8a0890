package admin

import (
	"context"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Queue is what the API reads of the queue. store.Queue fits.
type Queue interface {
	List(ctx context.Context, f store.Filter) (store.Page, error)
	Timeline(ctx context.Context, id relay.ID) (*store.Record, []relay.Event, error)
	Usage() store.Usage
}

// Conductor changes how a waiting message goes on. Every method with an error returns nil only
// when the change is durable; store.ErrNotFound means that the message does not
// wait any more, and a *Conflict says why the message cannot be changed in this
// way now. by names the caller for the timeline.
type Conductor interface {
	Hold(ctx context.Context, id relay.ID, by, reason string) error
	Release(ctx context.Context, id relay.ID, by string) error
	Retry(ctx context.Context, id relay.ID, by string) error
	Cancel(ctx context.Context, id relay.ID, by string) error
	// Waits tells what stands in the way of a message that waits; nothing if its state
	// says all there is to say.
	Waits(ctx context.Context, m *relay.Message, s *relay.State) []relay.Wait
}

// Conflict refuses what does not fit how a thing stands now, such as releasing a
// message that is not held.
type Conflict struct {
	Message string // one sentence for the caller
	Cause   error  // may be nil
}

// Error is the sentence.
func (c *Conflict) Error() string { return c.Message }

// Unwrap gives the cause.
func (c *Conflict) Unwrap() error { return c.Cause }

// AccountWriter makes and changes accounts, because their passwords are sealed.
type AccountWriter interface {
	// Save makes a (Revision 0) or replaces the one with its Revision, as
	// store.Table.Put does, and sets the new Revision. An empty password keeps the
	// one that is sealed already. A *relay.FieldError names a setting that cannot be.
	Save(ctx context.Context, a *relay.Account, password relay.Secret) error
	// Delete removes an account with its consents, and cancels a verification of it.
	Delete(ctx context.Context, id string) error
	// AddAlias names another address of an account, and RemoveAlias takes it away.
	AddAlias(ctx context.Context, id string, address relay.Address) error
	RemoveAlias(ctx context.Context, id string, address relay.Address) error
	// Bind binds the account's address to its user.
	Bind(ctx context.Context, id string, b relay.Binding) error
	// Mended lets parked accounts of an OAuth application be tried again at once.
	Mended(ctx context.Context, app string) error
}

// Verifier proves accounts.
type Verifier interface {
	// Verify starts a verification and returns at once. store.ErrInUse means that
	// one runs already; a *relay.FieldError names what is missing.
	Verify(ctx context.Context, accountID, by string) error
	// VerifyAlias starts to prove another address of the account, as Verify does.
	VerifyAlias(ctx context.Context, accountID string, address relay.Address, by string) error
	// Progress is the running verification or the last one since the start of relayd.
	Progress(accountID string) (relay.Verification, bool)
	// Cancel ends a running verification; without one it does nothing.
	Cancel(accountID string)
}

// Ownership proves that domains are an organisation's own.
type Ownership interface {
	// Claim makes a claim, or gives the open one. A *relay.FieldError says why not.
	Claim(ctx context.Context, organisation, domain string) (*relay.DomainClaim, error)
	// Check looks for the record. A *Conflict says why it proves nothing.
	Check(ctx context.Context, id string) (*relay.DomainClaim, error)
	// Record is the TXT record that proves a claim.
	Record(c *relay.DomainClaim) (name, value string)
}

// Sealer seals secrets before they reach the directory.
type Sealer interface {
	// SealAppSecret seals the secret of an OAuth application, whose ID and kind are set.
	// A *relay.FieldError says why it cannot be one.
	SealAppSecret(app *relay.App, secret relay.Secret) ([]byte, error)
}

// Mender leads people to what their accounts need. A *Conflict says why it cannot now,
// such as that relayd has no public address.
type Mender interface {
	// Link makes a one-time link, and gives its address.
	Link(ctx context.Context, a *relay.Account, purpose relay.LinkPurpose) (address string, expires time.Time, err error)
	// Invite mails a link to the account's person; by is who asks.
	Invite(ctx context.Context, a *relay.Account, by string) (expires time.Time, err error)
	// SendCode mails a code to the account's address, and gives the address of the page
	// where it is typed.
	SendCode(ctx context.Context, a *relay.Account, by string) (address string, expires time.Time, err error)
	// BeginDevice starts a consent by code, and Device tells how it stands, to the same
	// caller. When it is done the account is verified with it. An empty app is the one
	// that the account has, or that is prepared for it.
	BeginDevice(ctx context.Context, a *relay.Account, app, by string) (api.Device, error)
	Device(ctx context.Context, a *relay.Account, id, by string) (api.Device, error)
	// AdminConsent gives the address where a tenant's administrator consents.
	AdminConsent(ctx context.Context, app *relay.App, organisation string) (address string, err error)
}

// Scout finds out about accounts without touching them.
type Scout interface {
	// Discover looks for the settings of an address. Nobody signs in anywhere.
	Discover(ctx context.Context, address relay.Address, organisation, provider string) (api.Discovery, error)
	// Usage is what an account sent lately, and may still send.
	Usage(a *relay.Account) api.AccountUsage
	// Calendar gives what ends in an organisation, sorted; empty is the operator's own.
	// Entries may come together with an error: some are missing then.
	Calendar(ctx context.Context, organisation string, from, to time.Time) ([]api.CalendarEntry, error)
	// NameWarning is what receivers may think of a display name; empty if nothing.
	NameWarning(name string, a relay.Address) string
}

// Webhooks makes and tries webhooks.
type Webhooks interface {
	// NewSecret gives a fresh secret, and the same sealed for the webhook with that id.
	NewSecret(id string) (secret relay.Secret, sealed []byte, err error)
	// CheckURL says in a *relay.FieldError why an address cannot be called.
	CheckURL(text string) error
	// Test sends a ping, and tells what came of it. A *Conflict means that it is busy.
	Test(ctx context.Context, id string) (api.WebhookTrial, error)
	// Events are the names of all events.
	Events() []string
}

// Explainer answers what would happen to a message. The same code decides real
// messages.
type Explainer interface {
	// Explain returns store.ErrNotFound if there is no submitter of that login.
	Explain(ctx context.Context, login string, from relay.Address, rcpts []relay.Address) (relay.Explanation, error)
}

// Passwords makes submitters' passwords.
type Passwords interface {
	// NewPassword gives a fresh random password and the hash to keep of it.
	NewPassword() (relay.Secret, []byte)
}

// KeyMaker makes DKIM keys.
type KeyMaker interface {
	// Generate makes a private key for k.Algorithm and puts it, sealed, into
	// k.Private. k.ID is set already.
	Generate(ctx context.Context, k *relay.Key) error
	// Record gives the DNS name and the TXT data, as zone files write it, that
	// publish the public half.
	Record(ctx context.Context, k *relay.Key) (name, value string, err error)
}

// Check is one thing that must work before relayd is ready.
type Check struct {
	Name  string // such as "queue"; shown to anybody who can reach /readyz
	Check func(ctx context.Context) error
}
