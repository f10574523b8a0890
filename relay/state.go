package relay

import "time"

// State is how a message stands. The conductor is the only writer; the store
// keeps the newest revision.
type State struct {
	Revision   uint64           // counts the recorded changes; the store refuses any but the next one
	Recipients []RecipientState // parallel to Envelope.Recipients
	Route      Route            // fixed from the first dot on; before that the last decision
	RouteFixed bool             // a final dot was sent: the others of the message keep the route
	Hold       *Hold            // set while the message is held as a whole
	HeldFor    time.Duration    // how long earlier holds lasted; not part of the message's age
	Copy       Copy             // the Sent copy
	DelayTold  bool             // the delay notice was made
}

// RecipientState is how things stand for one recipient.
type RecipientState struct {
	Outcome  Outcome
	DotSent  bool      // a final dot left for it and no result is recorded: Unknown after a crash
	Reported bool      // the DSN for its final outcome is made, or none is due
	Attempts int       // attempts that count: trouble of the message, not of an account
	LookUps  int       // how often the mailbox could not be searched for it, while Unknown
	Next     time.Time // not before; zero means at once
	Rule     string    // the reply rule of the last answer, such as "rcpt.no_such_user"
	Reply    Reply     // the peer's last words
	Peer     string    // who said them: host name and address
	At       time.Time // when
}

// Hold says why a message waits as a whole.
type Hold struct {
	Reason  string    // plain words
	Rule    string    // stable name: "account.parked", "operator", "policy.fall_back" …
	Account string    // id of the account whose return releases it; empty if only a person does
	By      string    // who held it: a token's name, or empty for relayd itself
	Since   time.Time //
}

// CopyStatus is the state of the Sent copy.
type CopyStatus uint8

// The states of the Sent copy.
const (
	CopyNone       CopyStatus = iota // not wanted: nobody accepted the message yet, it did not go through an account, or copies are switched off
	CopyPending                      // due, or being retried
	CopyFiled                        // relayd filed it
	CopyByProvider                   // the provider filed it itself
	CopyImpossible                   // given up, with the reason
)

var copyNames = [...]string{"none", "pending", "filed", "filed by provider", "impossible"}

// String is the status as it stands in logs, the API and pages.
func (c CopyStatus) String() string {
	if int(c) < len(copyNames) {
		return copyNames[c]
	}
	return "unknown"
}

// MarshalText writes the status as String does.
func (c CopyStatus) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Copy is the Sent copy of a message: a job of its own (promise G5).
type Copy struct {
	Status   CopyStatus
	Account  string // in whose mailbox
	Way      Way    // the way by which the message was sent; APIs file the copy themselves
	Folder   string // where it lies, once filed
	UID      uint32 // its UID there; 0 if the server does not tell
	Validity uint32 // UIDVALIDITY of the folder, without which the UID means nothing
	Attempts int
	Since    time.Time // when it became due
	Next     time.Time // not before; of a filed copy: when it is looked whether the provider filed one as well
	Reason   string    // why it is pending, impossible or switched off, or who filed it
}

// Settled reports whether nothing is left to do about the copy.
func (c *Copy) Settled() bool {
	return c.Status != CopyPending && (c.Status != CopyFiled || c.Next.IsZero())
}

// NewState is the state of a message that was just accepted.
func NewState(m *Message) *State {
	return &State{Recipients: make([]RecipientState, len(m.Envelope.Recipients))}
}

// Done reports whether nothing is left to do: every recipient has a final,
// reported outcome and the Sent copy is settled.
func (s *State) Done() bool {
	for i := range s.Recipients {
		if r := &s.Recipients[i]; !r.Outcome.Final() || !r.Reported {
			return false
		}
	}
	return s.Copy.Settled()
}

// Clone copies the state, so that it can be changed and recorded before the old
// one is given up.
func (s *State) Clone() *State {
	c := *s
	c.Recipients = append([]RecipientState(nil), s.Recipients...)
	if s.Hold != nil {
		h := *s.Hold
		c.Hold = &h
	}
	return &c
}
