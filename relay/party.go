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

	Broken      Broken        // what becomes of mail that an account in trouble has held for BrokenAfter
	BrokenAfter time.Duration // 0 means DefaultBrokenAfter
	TellAfter   time.Duration // when the administrators are told of an account in trouble; 0 means DefaultTellAfter
}

// The defaults of Policy.
const (
	DefaultBrokenAfter = 72 * time.Hour
	DefaultTellAfter   = 24 * time.Hour
)

// Broken is an organisation's choice for mail that waits for an account which nobody
// mends (promise G3).
type Broken string

// The choices.
const (
	BrokenHold   Broken = ""       // keep it (the default)
	BrokenDirect Broken = "direct" // deliver it directly, DKIM-signed
	BrokenReturn Broken = "return" // return it to its return path with a DSN
)

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

	// Administrator is told of accounts in trouble and may set up the organisation. The
	// first one is who made it.
	Administrator bool
	Revision      uint64
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
