package store

import (
	"context"

	"github.com/relayd/relayd/relay"
)

// Directory keeps organisations, users, accounts and all that is set up for them.
// Look-ups are answered from memory. Its methods may be called concurrently; the
// records that it returns belong to the caller.
//
// Writing: a record with Revision 0 is made (ErrExists if its ID or a unique value
// is taken), any other replaces the one with that revision (ErrStale). The written
// record's Revision is set. Unique over the installation: an organisation's
// domains, a user's address, an account's address and proved aliases, a submitter's
// login, a key's domain and selector, a starter configuration's organisation and
// domain. Deleting what others refer to is ErrInUse.
type Directory interface {
	Organisations() Table[relay.Organisation]
	Users() Table[relay.User]
	Accounts() Table[relay.Account]
	Submitters() Table[relay.Submitter]
	Keys() Table[relay.Key]
	Tokens() Table[relay.Token]
	Apps() Table[relay.App]
	Grants() Table[relay.Grant]
	Starters() Table[relay.Starter]
	DomainClaims() Table[relay.DomainClaim]
	Links() Table[relay.Link]
	Webhooks() Table[relay.Webhook]
	WebhookCalls() Table[relay.WebhookCall]

	// OrganisationOf finds the owner of a domain.
	OrganisationOf(ctx context.Context, domain string) (*relay.Organisation, error)
	// UserByAddress finds the user whose primary address this is.
	UserByAddress(ctx context.Context, a relay.Address) (*relay.User, error)
	// AccountByAddress finds the account to which the address belongs, as its own or
	// as a proved alias, whatever its state.
	AccountByAddress(ctx context.Context, a relay.Address) (*relay.Account, error)
	// SubmitterByLogin finds a submitter by the user name of AUTH.
	SubmitterByLogin(ctx context.Context, login string) (*relay.Submitter, error)
	// StarterOf finds the starter configuration for a domain of an organisation: its
	// own, else the one for every domain.
	StarterOf(ctx context.Context, organisation, domain string) (*relay.Starter, error)
	// KeysOf gives the DKIM keys of a domain, in no order.
	KeysOf(ctx context.Context, domain string) ([]relay.Key, error)

	// Changed returns a channel that is closed at the next change of the record
	// kind and id; an empty id means any record of that kind.
	Changed(kind Kind, id string) <-chan struct{}

	Close() error
}

// Kind names a table of the directory.
type Kind string

// The tables.
const (
	KindOrganisation Kind = "organisation"
	KindUser         Kind = "user"
	KindAccount      Kind = "account"
	KindSubmitter    Kind = "submitter"
	KindKey          Kind = "key"
	KindToken        Kind = "token"
	KindApp          Kind = "app"
	KindGrant        Kind = "grant"
	KindStarter      Kind = "starter"
	KindDomainClaim  Kind = "domain claim"
	KindLink         Kind = "link"
	KindWebhook      Kind = "webhook"
	KindWebhookCall  Kind = "webhook call"
)

// Table is one kind of record.
type Table[T any] interface {
	// Get gives a record by its ID, or ErrNotFound.
	Get(ctx context.Context, id string) (*T, error)
	// Put makes or replaces a record as the Directory's comment says. It sets the
	// Revision of rec.
	Put(ctx context.Context, rec *T) error
	// Delete removes a record: ErrNotFound, ErrInUse.
	Delete(ctx context.Context, id string) error
	// List gives up to limit records in the order of their IDs, after the ID
	// given; an empty after starts at the first.
	List(ctx context.Context, after string, limit int) ([]*T, error)
}
