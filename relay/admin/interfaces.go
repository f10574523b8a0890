package admin

import (
	"context"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Queue is what the API reads of the queue. store.Queue fits.
type Queue interface {
	List(ctx context.Context, f store.Filter) (store.Page, error)
	Timeline(ctx context.Context, id relay.ID) (*store.Record, []relay.Event, error)
	Usage() store.Usage
}

// Conductor changes how a waiting message goes on. Every method returns nil only
// when the change is durable; store.ErrNotFound means that the message does not
// wait any more, and a *Conflict says why the message cannot be changed in this
// way now. by names the caller for the timeline.
type Conductor interface {
	Hold(ctx context.Context, id relay.ID, by, reason string) error
	Release(ctx context.Context, id relay.ID, by string) error
	Retry(ctx context.Context, id relay.ID, by string) error
	Cancel(ctx context.Context, id relay.ID, by string) error
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

// Vault seals secrets before they reach the directory: what it seals opens only for
// the same kind, id and field.
type Vault interface {
	Seal(kind, id, field string, plain []byte) []byte
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
