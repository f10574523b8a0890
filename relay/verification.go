package relay

import "time"

// Verification is the progress of proving one account.
type Verification struct {
	Account string // id
	State   VerificationState
	Started time.Time
	Ended   time.Time // zero while it runs
	Steps   []VerificationStep
	// Field names the setting that is wrong when State is VerificationFailed:
	// "address", "smtp.host", "smtp.port", "smtp.tls", "smtp.login", "password",
	// "imap.host", "imap.port", "imap.tls", "imap.login", "sent_folder", "ews.url",
	// "ews.login", "consent", "app", "binding", "ways"; empty if it is none of them.
	Field   string
	Message string // for a person: what is wrong and how to mend it
}

// VerificationState is how a verification, or one step of it, stands.
type VerificationState string

// The states.
const (
	VerificationWaiting   VerificationState = "waiting"
	VerificationRunning   VerificationState = "running"
	VerificationDone      VerificationState = "done"
	VerificationFailed    VerificationState = "failed"
	VerificationCancelled VerificationState = "cancelled"
	VerificationSkipped   VerificationState = "skipped" // a step that this account does not need, or cannot take
)

// VerificationStep is one line of progress.
type VerificationStep struct {
	Name   string // stable, such as "smtp.connect"
	Label  string // for a person, such as "Sign in to the outgoing server"
	State  VerificationState
	Detail string // what was found, such as the certificate's name or the folder
}
