package api

import "time"

// Organisation is a company of users.
type Organisation struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Domains  []string `json:"domains" nullable:"false" doc:"The domains that it owns, as lower-case A-labels"`
	Policy   Policy   `json:"policy"`
	Revision uint64   `json:"revision"`
}

// OrganisationInput makes or changes an organisation.
type OrganisationInput struct {
	Name    string   `json:"name" minLength:"1" maxLength:"200" doc:"What people call it"`
	Domains []string `json:"domains,omitempty" nullable:"false" maxItems:"1000" doc:"The domains that it owns; a domain belongs to one organisation only"`
	Policy  *Policy  `json:"policy,omitempty" doc:"Absent means the defaults"`

	// Administrator is made together with the organisation: who makes it is its first one.
	Administrator *UserInput `json:"administrator,omitempty" doc:"The first administrator; only when the organisation is made"`
}

// Policy is what an organisation decides about its mail.
type Policy struct {
	FallBack    string `json:"fall_back" enum:"direct,hold" doc:"What happens to mail of users without a verified account: direct delivers it DKIM-signed, hold keeps it until an account is verified"`
	Broken      string `json:"broken,omitempty" enum:"hold,direct,return" doc:"What becomes of mail that waited for an account which nobody mended: hold keeps it, direct delivers it DKIM-signed, return sends a DSN; absent means hold"`
	BrokenAfter string `json:"broken_after,omitempty" maxLength:"20" doc:"How long such mail waits, such as 72h; absent means 72h"`
	TellAfter   string `json:"tell_after,omitempty" maxLength:"20" doc:"When the administrators are told of an account in trouble, such as 24h; absent means 24h"`
}

// User is a person.
type User struct {
	ID           string `json:"id"`
	Organisation string `json:"organisation" doc:"The id of the organisation"`
	Address      string `json:"address" doc:"The primary address"`
	HeaderName   string `json:"header_name,omitempty" doc:"The display name that relayd writes into From; absent leaves the field as it is"`
	// Warning is for the person: mail with this name may look forged.
	Warning       string `json:"warning,omitempty" doc:"What receivers may think of the header name"`
	Administrator bool   `json:"administrator" doc:"Is told of accounts in trouble"`
	Revision      uint64 `json:"revision"`
}

// UserInput makes or changes a user. The organisation follows from the domain of
// the address.
type UserInput struct {
	Address    string `json:"address" minLength:"3" maxLength:"320" doc:"The primary address, inside a domain that an organisation owns"`
	HeaderName string `json:"header_name,omitempty" maxLength:"200" doc:"The display name for From; absent leaves the field as it is"`

	Administrator bool `json:"administrator,omitempty" doc:"Is told of accounts in trouble"`
}

// Submitter is an application's credential.
type Submitter struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation,omitempty" doc:"The id of the organisation; absent if the submitter belongs to the operator"`
	Login        string    `json:"login" doc:"The user name of AUTH"`
	Networks     []string  `json:"networks" nullable:"false" doc:"Where it may connect from, as CIDR; empty means anywhere"`
	Senders      Senders   `json:"senders"`
	NullSender   bool      `json:"null_sender" doc:"Whether it may submit MAIL FROM:<>"`
	Disabled     bool      `json:"disabled"`
	Created      time.Time `json:"created"`
	Revision     uint64    `json:"revision"`
}

// Senders is whom a submitter may send as.
type Senders struct {
	Addresses    []string `json:"addresses,omitempty" nullable:"false" maxItems:"1000" doc:"Exact addresses"`
	Domains      []string `json:"domains,omitempty" nullable:"false" maxItems:"1000" doc:"Every address of these domains"`
	Organisation bool     `json:"organisation,omitempty" doc:"Every address of the domains that the organisation owns"`
}

// SubmitterInput makes or changes a submitter.
type SubmitterInput struct {
	Organisation string   `json:"organisation,omitempty" maxLength:"64" doc:"The id of the organisation; it cannot be changed later"`
	Login        string   `json:"login" minLength:"1" maxLength:"128" pattern:"^[A-Za-z0-9][A-Za-z0-9._@+-]*$" patternDescription:"letters, digits and . _ @ + -, beginning with a letter or digit"`
	Networks     []string `json:"networks,omitempty" nullable:"false" maxItems:"100" doc:"Where it may connect from, such as 10.0.0.0/8; empty means anywhere"`
	Senders      Senders  `json:"senders"`
	NullSender   bool     `json:"null_sender,omitempty" doc:"Whether it may submit MAIL FROM:<>"`
	Disabled     bool     `json:"disabled,omitempty"`
}

// SubmitterSecret is a submitter together with its new password, which is shown
// this once.
type SubmitterSecret struct {
	Submitter Submitter `json:"submitter"`
	Password  string    `json:"password" doc:"Shown this once: relayd keeps only a hash"`
}

// Key is a DKIM key; its private half is never shown.
type Key struct {
	ID           string    `json:"id"`
	Organisation string    `json:"organisation,omitempty"`
	Domain       string    `json:"domain"`
	Selector     string    `json:"selector"`
	Algorithm    string    `json:"algorithm" enum:"rsa-sha256,ed25519-sha256"`
	Created      time.Time `json:"created"`
	Revision     uint64    `json:"revision"`
	DNSName      string    `json:"dns_name" doc:"Where the public half is to be published"`
	DNSType      string    `json:"dns_type" enum:"TXT"`
	DNSValue     string    `json:"dns_value" doc:"The record's data in zone file form, in quoted strings of at most 255 octets (RFC 1035 section 3.3.14)"`
}

// KeyInput makes a DKIM key.
type KeyInput struct {
	Domain    string `json:"domain" minLength:"1" maxLength:"253"`
	Selector  string `json:"selector,omitempty" maxLength:"63" pattern:"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$" patternDescription:"one DNS label of a-z, 0-9 and hyphens" doc:"Absent makes one of the date and the algorithm"`
	Algorithm string `json:"algorithm,omitempty" enum:"rsa-sha256,ed25519-sha256" doc:"Absent means rsa-sha256, which every receiver understands"`
}

// Token is a token of this API without its secret.
type Token struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Organisation string     `json:"organisation,omitempty" doc:"The one organisation that the token reaches; absent means everything"`
	Created      time.Time  `json:"created"`
	Expires      *time.Time `json:"expires,omitempty" doc:"Absent means never"`
}

// TokenInput makes a token.
type TokenInput struct {
	Name         string     `json:"name" minLength:"1" maxLength:"100" doc:"Who uses it; stands in the audit log"`
	Organisation string     `json:"organisation,omitempty" maxLength:"64" doc:"The one organisation that the token shall reach; absent means everything"`
	Expires      *time.Time `json:"expires,omitempty" doc:"When it ends; absent means never"`
}

// TokenSecret is a new token, which is shown this once.
type TokenSecret struct {
	Token  Token  `json:"token"`
	Secret string `json:"secret" doc:"The bearer token. Shown this once: relayd keeps only a hash"`
}
