package relay

import (
	"strings"
	"time"
)

// App is an OAuth application: what the operator or an organisation registered at a
// provider, so that relayd may ask for consent there. relayd ships none.
type App struct {
	ID            string
	Organisation  string // empty: the operator's, for every organisation
	Name          string
	Vendor        string // "google", "microsoft" or the id of a preset
	Kind          AppKind
	ClientID      string
	Secret        []byte    // sealed: the client secret, or a service account's key file (JSON)
	SecretExpires time.Time // zero: not known, or never
	Tenant        string    // Microsoft: a tenant's id, or one of its words for several tenants, such as "common"
	Cloud         string    // Microsoft: a national cloud, such as "china"; empty is the worldwide one
	Testing       bool      // Google: "External" and "Testing", so that grants end after 7 days
	ConsentedAt   time.Time // when an administrator of the tenant consented; zero: not yet, or not needed
	Endpoints     Endpoints // in place of the vendor's; for tests and clouds that no preset knows
	Created       time.Time
	Revision      uint64
}

// AppKind is whose consent an application needs.
type AppKind string

// The kinds.
const (
	AppConsent        AppKind = "consent"         // each person's own
	AppOnly           AppKind = "app_only"        // the tenant administrator's, for every mailbox (client credentials)
	AppServiceAccount AppKind = "service_account" // Google domain-wide delegation
)

// Endpoints are the addresses of a vendor. An empty field is the vendor's own.
type Endpoints struct {
	Auth         string
	Token        string
	Device       string
	Revoke       string
	AdminConsent string
	Graph        string // base address, such as https://graph.microsoft.com/v1.0
	Gmail        string // base address, such as https://gmail.googleapis.com
	Mail         string // hosts, besides the vendor's, to whose SMTP and IMAP access tokens may go; divided by spaces
}

// Grant is a person's consent for one account. Its ID is that of the account, or for
// consent that is tried beside the one in force CandidateGrant of it.
type Grant struct {
	ID       string
	App      string
	Address  string // of the id token, or of the vendor's profile
	Refresh  []byte // sealed refresh token
	Scopes   []string
	Obtained time.Time // when the person consented
	Rotated  time.Time // when the refresh token was replaced last
	Used     time.Time // when it last gave an access token
	Ended    string    // why it works no more; empty while it works
	Revision uint64
}

// CandidateGrant is the ID of the consent that is tried beside an account's own.
func CandidateGrant(account string) string { return account + "/candidate" }

// Starter is the starter configuration of a domain: what an administrator prepared,
// so that a person needs an address and a password, or one click.
type Starter struct {
	ID           string
	Organisation string
	Domain       string // empty: every domain of the organisation that has none of its own
	Settings            // of every account in it
	Login        string // user name, with {address}, {local} and {domain}; empty means the address
	OwnServers   bool   // people may type servers of their own
	Limits       Limits // over those of the preset
	Revision     uint64
}

// ExpandLogin writes the user name for an address by a form with {address}, {local} and
// {domain}. An empty form gives an empty name, which means the address.
func ExpandLogin(form string, a Address) string {
	return strings.NewReplacer("{address}", a.String(), "{local}", a.Local, "{domain}", a.Domain).Replace(form)
}

// DomainClaim is an organisation's claim that a domain is its own, until a DNS record
// proves it.
type DomainClaim struct {
	ID           string
	Organisation string
	Domain       string // lower-case A-labels
	Token        string // what the record must say
	Created      time.Time
	Checked      time.Time // last look; zero: never
	Proved       time.Time // zero: not yet
	Revision     uint64
}

// Link is a one-time link that was sent to a person. Who has it may do the one thing
// that it is for, to the one account that it is for.
type Link struct {
	ID           string
	Purpose      LinkPurpose
	Organisation string
	Account      string // id
	Code         []byte // for LinkCode: keyed hash of the code that was mailed
	Tries        int    // wrong codes so far
	Created      time.Time
	Expires      time.Time
	Used         time.Time // zero: not yet
	Revision     uint64
}

// LinkPurpose is what a link is for.
type LinkPurpose string

// The purposes.
const (
	LinkMend    LinkPurpose = "mend"    // sign in again to an account that broke
	LinkConnect LinkPurpose = "connect" // connect an account for the first time
	LinkCode    LinkPurpose = "code"    // type the code that binds an address
)

// Webhook is where an organisation wants to hear of events.
type Webhook struct {
	ID           string
	Organisation string             // empty: the operator's, for events of every organisation
	URL          string             // https
	Secret       []byte             // sealed; signs every call
	Events       []AccountEventKind // empty: all
	Disabled     bool
	Created      time.Time
	Revision     uint64
}

// WebhookCall is one event on its way to one webhook.
type WebhookCall struct {
	ID       string // the event's id, for the receiver to know it again
	Webhook  string
	Body     []byte // JSON
	Created  time.Time
	Attempts int
	Next     time.Time // not before
	Answer   string    // what the last attempt met
	Revision uint64
}

// AccountEvent is something that happened to an account, for people and webhooks.
type AccountEvent struct {
	Kind         AccountEventKind
	At           time.Time
	Account      string
	Organisation string
	Address      Address
	State        AccountState
	Rule         string // the reply rule, where one decided
	Reason       string // plain words
	By           string // the person or token that did it; empty for relayd itself
}

// AccountEventKind names what happened to an account.
type AccountEventKind string

// The kinds.
const (
	AccountEventVerified    AccountEventKind = "account.verified"
	AccountEventNotVerified AccountEventKind = "account.not_verified"
	AccountEventParked      AccountEventKind = "account.parked"
	AccountEventDegraded    AccountEventKind = "account.degraded"
	AccountEventRestored    AccountEventKind = "account.restored"
	AccountEventStepDown    AccountEventKind = "account.step_down" // another way of the ladder is used
	AccountEventQuota       AccountEventKind = "account.quota"     // sleeps until the provider's window moves
	AccountEventExpiring    AccountEventKind = "account.expiring"  // an entry of the expiry calendar is near
)
