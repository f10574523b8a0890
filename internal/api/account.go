package api

import "time"

// Account is a user's upstream mail account; its password is never shown.
type Account struct {
	ID           string     `json:"id"`
	Organisation string     `json:"organisation"`
	User         string     `json:"user,omitempty" doc:"The id of the owner; absent for a shared mailbox of the organisation"`
	Address      string     `json:"address"`
	Provider     string     `json:"provider" enum:"imap"`
	SMTP         Server     `json:"smtp"`
	IMAP         Server     `json:"imap"`
	HasPassword  bool       `json:"has_password"`
	SentFolder   string     `json:"sent_folder,omitempty" doc:"The user's choice; absent finds it"`
	State        string     `json:"state" enum:"unverified,verified,degraded,parked"`
	StateReason  string     `json:"state_reason,omitempty"`
	StateSince   *time.Time `json:"state_since,omitempty"`
	RetryAt      *time.Time `json:"retry_at,omitempty" doc:"When a parked account tries one sign-in by itself"`
	Card         *Card      `json:"card,omitempty" doc:"What the last verification learned"`
	Revision     uint64     `json:"revision"`
}

// AccountInput makes or changes an account.
type AccountInput struct {
	User         string  `json:"user,omitempty" maxLength:"64" doc:"The id of the owner. It cannot be changed later"`
	Organisation string  `json:"organisation,omitempty" maxLength:"64" doc:"Instead of a user: the id of the organisation, for a shared mailbox"`
	Address      string  `json:"address,omitempty" maxLength:"320" doc:"Absent means the user's primary address"`
	Provider     string  `json:"provider,omitempty" enum:"imap" doc:"Absent means imap"`
	SMTP         Server  `json:"smtp"`
	IMAP         Server  `json:"imap"`
	Password     *string `json:"password,omitempty" minLength:"1" maxLength:"1024" writeOnly:"true" doc:"Absent leaves the password as it is; needed again if a server has another host or loses its TLS"`
	SentFolder   string  `json:"sent_folder,omitempty" maxLength:"255" doc:"Absent finds it"`
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
	SMTPHost      string    `json:"smtp_host"`
	SentFolder    string    `json:"sent_folder"`
	FilesSent     bool      `json:"files_sent" doc:"The provider files sent mail itself"`
	KeepsFrom     bool      `json:"keeps_from" doc:"From arrived as it was sent"`
	KeepsHeaderID bool      `json:"keeps_message_id" doc:"Message-ID arrived as it was sent"`
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
	State  string `json:"state" enum:"waiting,running,done,failed,cancelled"`
	Detail string `json:"detail,omitempty"`
}
