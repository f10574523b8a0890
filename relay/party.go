package relay

import "time"

// Organisation is a company of users. It owns domains.
type Organisation struct {
	ID       string
	Name     string
	Domains  []string // owned: given by the operator; lower-case A-labels; unique over the installation
	Policy   Policy
	Revision uint64
}

// Owns reports whether the domain belongs to the organisation.
func (o *Organisation) Owns(domain string) bool {
	for _, d := range o.Domains {
		if d == domain {
			return true
		}
	}
	return false
}

// Policy is what an organisation decides about its mail.
type Policy struct {
	FallBack FallBack // what happens to mail of users without a verified account
}

// FallBack is an organisation's choice for mail that has no verified account.
type FallBack string

// The choices.
const (
	FallBackDirect FallBack = ""     // deliver directly, DKIM-signed (the default)
	FallBackHold   FallBack = "hold" // keep it until an account is verified
)

// Submitter is an application's credential.
type Submitter struct {
	ID           string
	Organisation string // empty: the submitter belongs to the operator
	Login        string // the user name of AUTH; unique over the installation
	PasswordHash []byte // keyed hash of the generated password; never leaves the store
	Networks     []string
	Senders      Senders
	NullSender   bool // may submit MAIL FROM:<>
	Disabled     bool
	Created      time.Time
	Revision     uint64
}

// Senders is whom a submitter may send as, in the envelope and in the header.
// Nothing set means nobody.
type Senders struct {
	Addresses    []string // exact addresses
	Domains      []string // every address of these domains
	Organisation bool     // every address that the organisation owns or has proved
}

// User is a person.
type User struct {
	ID           string
	Organisation string
	Address      Address // the primary address; unique over the installation
	HeaderName   string  // display name for From; empty leaves the field as it is
	Revision     uint64
}

// AccountState is how an account stands.
type AccountState string

// The states of an account.
const (
	AccountUnverified AccountState = "unverified" // never proved: its user's mail goes directly
	AccountVerified   AccountState = "verified"
	AccountDegraded   AccountState = "degraded" // sends, but the Sent copy fails
	AccountParked     AccountState = "parked"   // was proved and broke: its mail is held
)

// Usable reports whether mail goes through the account now.
func (s AccountState) Usable() bool { return s == AccountVerified || s == AccountDegraded }

// Account is a user's upstream mail account.
type Account struct {
	ID           string
	Organisation string
	User         string  // id of the owner
	Address      Address // proved for this account; belongs to no other account
	Provider     string  // "imap" in this first form
	SMTP, IMAP   Server
	Password     []byte // sealed by internal/secretbox; never leaves the program
	Version      uint64 // of servers and credentials; grows with every change of them; part of pool keys
	SentFolder   string // the user's choice; empty finds it
	State        AccountState
	StateReason  string
	StateSince   time.Time
	RetryAt      time.Time // a parked account: when one sign-in may be tried without a person
	Card         Card
	Revision     uint64
}

// Server is one endpoint of an account.
type Server struct {
	Host  string
	Port  int
	TLS   TLSMode
	Login string // empty means the account's address
}

// TLSMode says how a connection is secured.
type TLSMode string

// The TLS modes.
const (
	TLSImplicit TLSMode = "implicit"
	TLSStartTLS TLSMode = "starttls" // required: without it no sign-in
	TLSNone     TLSMode = "none"     // loopback and networks that the operator lists only
)

// Card is what verification learned about an account (the capability card).
type Card struct {
	VerifiedAt    time.Time
	SMTPHost      string // as it greeted
	SentFolder    string // the folder that was found
	FilesSent     bool   // the provider files sent mail itself
	KeepsFrom     bool   // From arrived as it was sent
	KeepsHeaderID bool   // Message-ID arrived as it was sent
	UIDPlus       bool
}

// Key is a DKIM key (RFC 6376).
type Key struct {
	ID           string
	Organisation string
	Domain       string // d=
	Selector     string // s=
	Algorithm    string // "rsa-sha256" or "ed25519-sha256"
	Private      []byte // PKCS #8, sealed by internal/secretbox
	Created      time.Time
	Revision     uint64
}

// Token lets a caller use the admin API.
type Token struct {
	ID           string
	Name         string
	Organisation string // the one organisation that it reaches; empty means everything
	Hash         []byte // SHA-256 of the secret part, which is random
	Created      time.Time
	Expires      time.Time // zero: never
	Revision     uint64
}
