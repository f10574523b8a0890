package api

import "time"

// Account is a user's upstream mail account; its password is never shown.
type Account struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	User         string     `json:"user,omitempty" doc:"The id of the owner; absent for a shared mailbox of the organisation"`
	Address      string     `json:"address"`
	Aliases      []Alias    `json:"aliases,omitempty" doc:"More addresses that the account sends as"`
	Settings                //
	HasPassword  bool       `json:"has_password"`
	SentFolder   string     `json:"sent_folder,omitempty" doc:"The user's choice; absent finds it"`
	CopyMode     string     `json:"copy_mode" enum:"auto,always,never" doc:"Whether relayd files copies in Sent: as the capability card says, always, or never"`
	Binding      *Binding   `json:"binding,omitempty" doc:"How the address was bound to its user, where a sign-in alone proves nothing"`
	State        string     `json:"state" enum:"unverified,verified,degraded,parked"`
	StateReason  string     `json:"state_reason,omitempty"`
	StateRule    string     `json:"state_rule,omitempty" doc:"The reply rule that parked or degraded it"`
	StateSince   *time.Time `json:"state_since,omitempty"`
	RetryAt      *time.Time `json:"retry_at,omitempty" doc:"When a parked account tries one sign-in by itself"`
	Candidate    *Candidate `json:"candidate,omitempty" doc:"New settings that are tried beside those in force"`
	Down         []Rung     `json:"down,omitempty" doc:"Ways of sending that do not work at present"`
	Card         *Card      `json:"card,omitempty" doc:"What the last verification learned"`
	Revision     uint64     `json:"revision"`
}

// Settings is how an account is reached and signed in to.
type Settings struct {
	Provider string   `json:"provider,omitempty" enum:"imap,gmail,office365,exchange" doc:"Absent means imap, or that the servers are found by the address"`
	Preset   string   `json:"preset,omitempty" maxLength:"64" doc:"The id of the preset whose limits and reply rules hold"`
	Ways     []string `json:"ways,omitempty" maxItems:"4" enum:"smtp,graph,gmail_api,ews" doc:"The ladder: ways of sending, best first; absent means the provider's own"`
	SMTP     *Server  `json:"smtp,omitempty"`
	IMAP     *Server  `json:"imap,omitempty"`
	EWS      *EWS     `json:"ews,omitempty"`
	SignIn   string   `json:"sign_in,omitempty" enum:"password,oauth,app" doc:"By a password, by the person's consent, or by the secret of an application that opens many mailboxes; absent means password"`
	App      string   `json:"app,omitempty" maxLength:"64" doc:"The id of the OAuth application, for every sign-in but by password"`
}

// IsUnset reports whether nothing is said about how the account is reached.
func (s *Settings) IsUnset() bool {
	return s.Provider == "" && len(s.Ways) == 0 && s.SMTP == nil && s.IMAP == nil && s.EWS == nil && s.App == ""
}

// EWS is the endpoint of an Exchange server.
type EWS struct {
	URL     string `json:"url" minLength:"1" maxLength:"2048" doc:"Such as https://mail.example.com/EWS/Exchange.asmx"`
	Version string `json:"version,omitempty" maxLength:"64" doc:"Such as Exchange2013_SP1; absent finds it"`
	Login   string `json:"login,omitempty" maxLength:"320" doc:"DOMAIN\\user or a user principal name; absent means the account's address"`
}

// Candidate is new settings of an account that works.
type Candidate struct {
	Settings
	Since  time.Time  `json:"since"`
	TryAt  *time.Time `json:"try_at,omitempty" doc:"When one sign-in is tried; absent: a verification is needed"`
	Reason string     `json:"reason,omitempty" doc:"Why they could not be proved so far"`
}

// Alias is another address of an account.
type Alias struct {
	Address  string     `json:"address"`
	ProvedAt *time.Time `json:"proved_at,omitempty" doc:"Absent: not proved, so nothing is sent as it"`
}

// AliasInput names another address of an account.
type AliasInput struct {
	Address string `json:"address" minLength:"3" maxLength:"320" doc:"Inside a domain that the organisation owns"`
}

// Binding says how an address was bound to its user.
type Binding struct {
	Kind string    `json:"kind" enum:"mapping,code"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at"`
}

// Rung is a way of sending that does not work at present.
type Rung struct {
	Way     string     `json:"way"`
	Rule    string     `json:"rule,omitempty"`
	Reason  string     `json:"reason,omitempty"`
	Since   time.Time  `json:"since"`
	RetryAt *time.Time `json:"retry_at,omitempty"`
}

// AccountInput makes or changes an account. With an address and a password alone, the
// servers are found when it is verified.
type AccountInput struct {
	User         string `json:"user,omitempty" maxLength:"64" doc:"The id of the owner. It cannot be changed later"`
	Organisation string `json:"organisation,omitempty" maxLength:"64" doc:"Instead of a user: the id of the organisation, for a shared mailbox"`
	Address      string `json:"address,omitempty" maxLength:"320" doc:"Absent means the user's primary address"`
	Settings
	Password   *string `json:"password,omitempty" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"Absent leaves the password as it is; needed again if a server has another host or loses its TLS. A new account may do without: its owner types it on the page of a link"`
	SentFolder string  `json:"sent_folder,omitempty" maxLength:"255" doc:"Absent finds it"`
	CopyMode   string  `json:"copy_mode,omitempty" enum:"auto,always,never" doc:"Absent means auto"`
}

// Server is one endpoint of an account.
type Server struct {
	Host  string `json:"host" minLength:"1" maxLength:"253"`
	Port  int    `json:"port" minimum:"1" maximum:"65535"`
	TLS   string `json:"tls" enum:"implicit,starttls,none"`
	Login string `json:"login,omitempty" maxLength:"320" doc:"Absent means the account's address"`
}

// Card is what verification learned about an account.
type Card struct {
	VerifiedAt    time.Time `json:"verified_at"`
	Ways          []string  `json:"ways" nullable:"false" doc:"The ways of sending that were proved, best first"`
	SMTPHost      string    `json:"smtp_host,omitempty" doc:"The server for sending, as it greeted"`
	Certificate   string    `json:"certificate,omitempty" doc:"The names on its certificate"`
	Extensions    []string  `json:"extensions" nullable:"false" doc:"What its EHLO offered"`
	MaxSize       int64     `json:"max_size,omitempty" doc:"Octets of one message; absent if it does not tell"`
	ArrivedIn     string    `json:"arrived_in,omitempty" doc:"The folder in which the mail to oneself arrived"`
	ArrivedAfter  float64   `json:"arrived_after_seconds" doc:"How long it was under way"`
	KeepsFrom     bool      `json:"keeps_from" doc:"From arrived as it was sent"`
	KeepsHeaderID bool      `json:"keeps_message_id" doc:"Message-ID arrived as it was sent"`
	ReplyNamesID  bool      `json:"reply_names_message_id" doc:"The answer to the message names the Message-ID that the provider gave it"`
	SentFolder    string    `json:"sent_folder,omitempty"`
	FilesSent     bool      `json:"files_sent" doc:"The provider files sent mail itself"`
	Appends       bool      `json:"appends" doc:"relayd tried to file a copy, and could"`
	AppendLimit   int64     `json:"append_limit,omitempty" doc:"Octets of one copy (RFC 7889); absent if it does not tell"`
	UIDPlus       bool      `json:"uidplus" doc:"The server offers UIDPLUS (RFC 4315)"`
}

// Verification is the progress of proving one account.
type Verification struct {
	Account string             `json:"account"`
	State   string             `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Started time.Time          `json:"started"`
	Ended   *time.Time         `json:"ended,omitempty"`
	Steps   []VerificationStep `json:"steps" nullable:"false"`
	Field   string             `json:"field,omitempty" doc:"The setting that is wrong, such as smtp.port or password"`
	Message string             `json:"message,omitempty" doc:"What is wrong and how to mend it"`
}

// Running reports whether the verification has not ended.
func (v *Verification) Running() bool { return v.State == "waiting" || v.State == "running" }

// VerificationStep is one line of progress.
type VerificationStep struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	State  string `json:"state" enum:"waiting,running,done,failed,cancelled,skipped"`
	Detail string `json:"detail,omitempty"`
}
