package api

import "time"

// Message is how one message stands.
type Message struct {
	ID           string      `json:"id"`
	Kind         string      `json:"kind" enum:"submission,report"`
	Status       string      `json:"status" enum:"waiting,held,done" doc:"held: waits for a person, an account or a policy; done: nothing is left to do"`
	Accepted     time.Time   `json:"accepted"`
	Retired      *time.Time  `json:"retired,omitempty" doc:"When nothing was left to do"`
	Submitter    string      `json:"submitter,omitempty" doc:"The id of the submitter; absent if relayd itself made the message"`
	Organisation string      `json:"organisation,omitempty"`
	Protocol     string      `json:"protocol,omitempty" doc:"How it came, in the words of RFC 3848"`
	ReturnPath   string      `json:"return_path" doc:"The submitted MAIL FROM; empty is the null reverse-path"`
	From         string      `json:"from" doc:"The mailbox of the From field"`
	MessageID    string      `json:"message_id,omitempty" doc:"The Message-ID field with its angle brackets"`
	Size         int64       `json:"size" doc:"Octets"`
	Recipients   []Recipient `json:"recipients" nullable:"false"`
	Route        Route       `json:"route"`
	Hold         *Hold       `json:"hold,omitempty"`
	Copy         Copy        `json:"copy"`
	Waits        []Wait      `json:"waits,omitempty" doc:"What stands in the way of a waiting message at this moment, where its recipients do not say it: for each lane in which it waits"`
}

// Wait is what a message waits for in one lane: with others of its account or its
// destination.
type Wait struct {
	Lane   string     `json:"lane" doc:"Such as account:ID or domain:NAME"`
	Reason string     `json:"reason"`
	Until  *time.Time `json:"until,omitempty" doc:"Absent if nobody knows"`
}

// MessageDetail is a message with everything that happened to it.
type MessageDetail struct {
	Message
	Timeline []Event `json:"timeline" nullable:"false" doc:"Oldest first"`
}

// Recipient is how things stand for one recipient.
type Recipient struct {
	Address  string     `json:"address"`
	Outcome  string     `json:"outcome" enum:"pending,deferred,unknown,held,delivered,failed,cancelled"`
	Attempts int        `json:"attempts" doc:"Attempts that put the recipient off; trouble of an account or a destination does not count"`
	Next     *time.Time `json:"next,omitempty" doc:"Not before"`
	Rule     string     `json:"rule,omitempty" doc:"The reply rule of the last answer"`
	Reply    string     `json:"reply,omitempty" doc:"The peer's last words"`
	Peer     string     `json:"peer,omitempty" doc:"Who said them"`
	At       *time.Time `json:"at,omitempty" doc:"When"`
}

// Route is the way of a message, with the reason.
type Route struct {
	Kind    string `json:"kind" enum:"none,account,direct,hold,inbox"`
	Account string `json:"account,omitempty" doc:"The id of the account"`
	Rule    string `json:"rule,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Hold says why a message waits as a whole.
type Hold struct {
	Reason  string    `json:"reason"`
	Rule    string    `json:"rule,omitempty"`
	Account string    `json:"account,omitempty" doc:"The id of the account whose return releases it"`
	By      string    `json:"by,omitempty" doc:"Who held it; absent for relayd itself"`
	Since   time.Time `json:"since"`
}

// Copy is the Sent copy of a message.
type Copy struct {
	Status   string     `json:"status" enum:"none,pending,filed,filed by provider,impossible"`
	Account  string     `json:"account,omitempty"`
	Folder   string     `json:"folder,omitempty"`
	UID      uint32     `json:"uid,omitempty"`
	Attempts int        `json:"attempts,omitempty"`
	Next     *time.Time `json:"next,omitempty"`
	Reason   string     `json:"reason,omitempty"`
}

// Event is one line of a message's timeline.
type Event struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind" doc:"What happened, such as accepted, attempt, held or sent copy"`
	By      string    `json:"by,omitempty" doc:"Who asked for it; absent for relayd itself"`
	Route   *Route    `json:"route,omitempty"`
	Peer    *Peer     `json:"peer,omitempty"`
	Results []Result  `json:"results,omitempty" nullable:"false"`
	Detail  string    `json:"detail,omitempty"`
}

// Peer is the server at the other end of an attempt.
type Peer struct {
	Host string `json:"host,omitempty"`
	Addr string `json:"addr,omitempty"`
	TLS  string `json:"tls,omitempty" doc:"Version and cipher suite; absent in clear"`
}

// Result is what an attempt meant for one recipient.
type Result struct {
	Recipient string `json:"recipient"`
	Outcome   string `json:"outcome" enum:"pending,deferred,unknown,held,delivered,failed,cancelled"`
	Reply     string `json:"reply,omitempty"`
	Rule      string `json:"rule,omitempty"`
	Hint      string `json:"hint,omitempty" doc:"What the person concerned can do"`
}

// HoldInput holds a message.
type HoldInput struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Stands in the timeline"`
}

// ExplainInput asks what would happen to a message.
type ExplainInput struct {
	Submitter  string   `json:"submitter" minLength:"1" maxLength:"128" doc:"The login of the submitter"`
	From       string   `json:"from" minLength:"3" maxLength:"320" doc:"The mailbox of the From field"`
	Recipients []string `json:"recipients,omitempty" nullable:"false" maxItems:"100"`
}

// Explanation tells what would happen, and why.
type Explanation struct {
	Allowed bool     `json:"allowed" doc:"The submitter may send as this address"`
	Refusal string   `json:"refusal,omitempty" doc:"If not: what the client would be told"`
	User    string   `json:"user,omitempty" doc:"The id of the user of From"`
	Account string   `json:"account,omitempty" doc:"The id of the account of From"`
	Route   Route    `json:"route"`
	Lanes   []string `json:"lanes" nullable:"false" doc:"Where the message would wait, by recipient"`
	Steps   []string `json:"steps" nullable:"false" doc:"Each rule that was looked at, in order"`
}

// Usage is how much waits in the queue.
type Usage struct {
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"`
}

// Readiness is the answer of /readyz.
type Readiness struct {
	Ready  bool             `json:"ready"`
	Checks []ReadinessCheck `json:"checks" nullable:"false"`
}

// ReadinessCheck is one thing that must work.
type ReadinessCheck struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
}
