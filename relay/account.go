package relay

import "time"

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

// The providers.
const (
	ProviderIMAP      = "imap" // any SMTP and IMAP server
	ProviderGmail     = "gmail"
	ProviderOffice365 = "office365"
	ProviderExchange  = "exchange" // Exchange on one's own servers, and what speaks EWS
)

// Account is a user's upstream mail account.
type Account struct {
	ID           string
	Organisation string
	User         string  // id of the owner; empty for a shared mailbox
	Address      Address // proved for this account; belongs to no other account
	Aliases      []Alias // more addresses that it sends as, each with a proof of its own

	Settings               // in force: what was proved, or is to be proved first
	Password    []byte     // sealed by internal/secretbox; never leaves the program
	Version     uint64     // of settings and credentials; grows with every change of them; part of pool keys
	Candidate   *Candidate // new settings that are tried beside those in force; nil if there are none
	SentFolder  string     // the user's choice; empty finds it
	CopyMode    CopyMode   // whether relayd files copies in Sent
	Binding     Binding    // how the address was bound to its user, where a sign-in alone proves nothing
	State       AccountState
	StateReason string
	StateRule   string // the reply rule that parked or degraded it; empty if none did
	StateSince  time.Time
	RetryAt     time.Time // a parked account: when one sign-in may be tried without a person
	Down        []Rung    // ways that do not work at present, though they were proved
	Told        Told
	Broke       Break // the trouble before, which a sign-in without a person ended
	Card        Card
	Revision    uint64
}

// Settings is how an account is reached and signed in to: what people decide.
type Settings struct {
	Provider string // ProviderIMAP and so on
	Preset   string // id of the preset whose limits and reply rules hold, such as "gmx_net"; empty: none is known
	Ways     []Way  // the ladder: ways of sending, best first; empty means the provider's own
	SMTP     Server
	IMAP     Server
	EWS      EWS
	SignIn   SignIn
	App      string // id of the OAuth application, for every sign-in but by password
}

// Equal reports whether the settings reach the same place in the same way.
func (s *Settings) Equal(t *Settings) bool {
	if len(s.Ways) != len(t.Ways) {
		return false
	}
	for i := range s.Ways {
		if s.Ways[i] != t.Ways[i] {
			return false
		}
	}
	return s.Provider == t.Provider && s.Preset == t.Preset && s.SMTP == t.SMTP && s.IMAP == t.IMAP &&
		s.EWS == t.EWS && s.SignIn == t.SignIn && s.App == t.App
}

// Rules is the id under which the reply rules know the peer: the preset, else what the
// rules call the provider.
func (s *Settings) Rules() string {
	switch {
	case s.Preset != "":
		return s.Preset
	case s.Provider == ProviderOffice365:
		return "microsoft365"
	case s.Provider == ProviderExchange:
		return "exchange_onprem"
	}
	return s.Provider
}

// Ladder is the ways of sending, best first.
func (s *Settings) Ladder() []Way {
	switch {
	case len(s.Ways) > 0:
		return s.Ways
	case s.Provider == ProviderExchange:
		return []Way{WayEWS}
	case s.Provider == ProviderOffice365 && s.SignIn != SignInPassword:
		return []Way{WaySMTP, WayGraph}
	}
	return []Way{WaySMTP}
}

// Candidate is new settings of a proved account. The proved ones go on sending until
// these are proved as well.
type Candidate struct {
	Settings
	Password []byte    // sealed, as the account's own
	Since    time.Time //
	TryAt    time.Time // when one sign-in is tried without a person; zero: a verification is needed
	Reason   string    // why they could not be proved so far, in plain words
}

// Way is one way of sending through an account: a rung of its ladder.
type Way string

// The ways.
const (
	WaySMTP     Way = "smtp"
	WayGraph    Way = "graph"     // Microsoft Graph, sendMail
	WayGmailAPI Way = "gmail_api" // Gmail API, messages.send
	WayEWS      Way = "ews"       // Exchange Web Services, CreateItem
)

// Web reports whether the way is an HTTP API: without an envelope of its own, and
// filing the Sent copy by itself.
func (w Way) Web() bool { return w == WayGraph || w == WayGmailAPI || w == WayEWS }

// Resource is what the way's access tokens are for.
func (w Way) Resource() Resource {
	switch w {
	case WayGraph:
		return ResourceGraph
	case WayGmailAPI:
		return ResourceGmail
	}
	return ResourceMail
}

// Resource is what an access token opens. One token opens one of them.
type Resource string

// The resources.
const (
	ResourceMail  Resource = "mail"  // SMTP and IMAP
	ResourceGraph Resource = "graph" // Microsoft Graph
	ResourceGmail Resource = "gmail" // the Gmail API
)

// SignIn is how relayd signs in to an account.
type SignIn string

// The kinds of sign-in.
const (
	SignInPassword SignIn = ""      // a password or an app password
	SignInConsent  SignIn = "oauth" // OAuth2 with the consent of the person (RFC 6749)
	SignInApp      SignIn = "app"   // OAuth2 with a secret that opens many mailboxes: app-only, service account
)

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

// EWS is the endpoint of an Exchange server.
type EWS struct {
	URL     string // https://HOST/EWS/Exchange.asmx
	Version string // of RequestServerVersion, such as "Exchange2013_SP1"; empty finds it
	Login   string // "DOMAIN\\user" or a user principal name; empty means the account's address
}

// Alias is another address of an account.
type Alias struct {
	Address   Address
	ProvedAt  time.Time // zero: not proved, so nothing is sent as it
	KeepsFrom bool      // its proof arrived from this address
	Lapsed    bool      // it was proved for settings that have changed since: its mail is held until it is proved again
}

// CopyMode is whether relayd files copies in Sent.
type CopyMode string

// The modes.
const (
	CopyAuto   CopyMode = ""       // as the capability card says
	CopyAlways CopyMode = "always" // also where the provider seems to file itself
	CopyNever  CopyMode = "never"
)

// Binding says how an address was bound to its user. An application secret opens
// every mailbox, so a sign-in with it proves nothing about whose mailbox that is.
type Binding struct {
	Kind BindingKind
	By   string // who mapped it
	At   time.Time
}

// BindingKind is one of the ways to bind an address.
type BindingKind string

// The kinds.
const (
	BindingNone    BindingKind = ""
	BindingMapping BindingKind = "mapping" // an administrator mapped the mailbox to the user
	BindingCode    BindingKind = "code"    // the user typed a code that was mailed to the mailbox
)

// Rung is a way that was proved and does not work at present.
type Rung struct {
	Way     Way
	Rule    string // the reply rule
	Reason  string // plain words
	Since   time.Time
	RetryAt time.Time // when it is tried again
}

// Break is trouble of an account that went away by itself. Where the same comes back
// soon, it is the same: the account could be signed in to, and no more.
type Break struct {
	Rule  string // the reply rule
	Since time.Time
	Until time.Time
}

// Told is when people, and programs, were told that an account needs them.
type Told struct {
	Owner         time.Time
	Administrator time.Time
	Programs      time.Time // StateMoment of the last state that webhooks were told of
}

// Card is what verification learned about an account (the capability card).
type Card struct {
	VerifiedAt  time.Time
	Ways        []Way    // proved, in the order of the ladder
	SMTPHost    string   // as it greeted
	Certificate string   // the names on the server's certificate
	Extensions  []string // what its EHLO offered
	MaxSize     int64    // octets of one message; 0 if it does not tell
	AppendLimit int64    // octets of one APPEND (RFC 7889); 0 if it does not tell

	ArrivedIn     string        // folder in which the loop mail arrived
	ArrivedAfter  time.Duration // how long it was under way
	KeepsFrom     bool          // From arrived as it was sent
	KeepsHeaderID bool          // Message-ID arrived as it was sent
	ReplyNamesID  bool          // the answer to the final dot names the Message-ID that the provider gave

	SentFolder string // the folder that was found
	FilesSent  bool   // the provider files sent mail itself
	Appends    bool   // an APPEND to Sent was tried and worked
	UIDPlus    bool
}

// StateMoment tells the state that the account is in from every one that it was in
// before: when it came into it. Trouble that came back keeps its StateSince, though
// programs have heard meanwhile that it was over; its moment follows that one.
func (a *Account) StateMoment() time.Time {
	if a.State == AccountParked && !a.Broke.Until.Before(a.StateSince) && !a.Broke.Until.IsZero() {
		return a.Broke.Until.Add(time.Nanosecond)
	}
	return a.StateSince
}

// SendsAs reports whether the account may send as the address: its own, or an alias
// that was proved.
func (a *Account) SendsAs(address Address) bool {
	if a.Address.Equal(address) {
		return true
	}
	for i := range a.Aliases {
		if alias := &a.Aliases[i]; alias.Address.Equal(address) {
			return !alias.ProvedAt.IsZero()
		}
	}
	return false
}

// Lapsed reports whether the address is an alias that has to be proved again.
func (a *Account) Lapsed(address Address) bool {
	for i := range a.Aliases {
		if alias := &a.Aliases[i]; alias.Address.Equal(address) {
			return alias.Lapsed
		}
	}
	return false
}

// LapseAliases makes every alias one that has to be proved again: other settings may
// lead to another mailbox.
func (a *Account) LapseAliases() {
	for i := range a.Aliases {
		alias := &a.Aliases[i]
		alias.Lapsed = alias.Lapsed || !alias.ProvedAt.IsZero()
		alias.ProvedAt, alias.KeepsFrom = time.Time{}, false
	}
}

// Proved is the ways through which the account may send now, best first: those on
// its card that are not down, or all of them if every one is. An account from before
// cards named ways has SMTP.
func (a *Account) Proved(now time.Time) []Way {
	proved := a.Card.Ways
	if len(proved) == 0 {
		proved = []Way{WaySMTP}
	}
	var ways []Way
	for _, w := range proved {
		if !a.isDown(w, now) {
			ways = append(ways, w)
		}
	}
	if len(ways) == 0 {
		return proved
	}
	return ways
}

func (a *Account) isDown(w Way, now time.Time) bool {
	for i := range a.Down {
		if a.Down[i].Way == w {
			return a.Down[i].RetryAt.IsZero() || now.Before(a.Down[i].RetryAt)
		}
	}
	return false
}

// Clone copies the account; the copy shares nothing with it that can change.
func (a *Account) Clone() *Account {
	c := *a
	c.Aliases = append([]Alias(nil), a.Aliases...)
	c.Ways = append([]Way(nil), a.Ways...)
	c.Password = append([]byte(nil), a.Password...)
	c.Down = append([]Rung(nil), a.Down...)
	c.Card.Ways = append([]Way(nil), a.Card.Ways...)
	c.Card.Extensions = append([]string(nil), a.Card.Extensions...)
	if a.Candidate != nil {
		k := *a.Candidate
		k.Ways = append([]Way(nil), k.Ways...)
		k.Password = append([]byte(nil), k.Password...)
		c.Candidate = &k
	}
	return &c
}
