package relay

import "time"

// Where is the place in a dialogue at which an answer came. The rules of
// relay/provider are keyed by it.
type Where string

// The places.
const (
	AtConnect  Where = "connect"   // dialling, and the greeting
	AtTLS      Where = "tls"       // STARTTLS and the handshake
	AtAuth     Where = "auth"      // AUTH
	AtMail     Where = "mail"      // MAIL FROM
	AtRcpt     Where = "rcpt"      // RCPT TO
	AtData     Where = "data"      // up to the last octet before the final dot
	AtAfterDot Where = "after_dot" // the answer to the final dot
	AtIMAP     Where = "imap"      // everything of the Sent copy
	AtToken    Where = "token"     // the OAuth token endpoint
)

// Answer is what a peer said, or how it failed to, for classification.
type Answer struct {
	Where    Where
	Provider string // id of a provider preset; empty on the direct path
	Reply    Reply  // without a code: the text of Local
	IMAP     string // NO, BAD or BYE, for AtIMAP
	IMAPCode string // the response code in brackets, such as "OVERQUOTA"
}

// Action is what relayd does about an answer.
type Action string

// The actions. Only ActionFailRecipient and ActionFailMessage end anything.
const (
	ActionRetry         Action = "retry"           // this message or recipient again, by the ordinary schedule
	ActionSlow          Action = "slow"            // the whole lane rests
	ActionHoldAccount   Action = "hold_account"    // the account needs a person
	ActionHoldApp       Action = "hold_app"        // the same for every account of an OAuth application
	ActionHoldSender    Action = "hold_sender"     // mail with this From waits for a person
	ActionSplit         Action = "split"           // the same message again with fewer recipients at one time
	ActionFailRecipient Action = "fail_recipient"  // final for this recipient
	ActionFailMessage   Action = "fail_message"    // final for the message
	ActionUnknown       Action = "unknown_outcome" // it may have been accepted: look before it is sent again
)

// Class is what an answer means.
type Class struct {
	Rule           string // stable name, such as "auth.password_wrong"
	Action         Action
	Pause          time.Duration // 0 means the ordinary schedule
	Told           []string      // "owner", "operator", "submitter"
	Hint           string        // one sentence for that person
	OtherTransport bool          // another proved transport of the account may be used meanwhile
}
