package relay

import "time"

// EventKind names what happened to a message.
type EventKind string

// The events of a message's life, in their usual order.
const (
	EventAccepted  EventKind = "accepted"
	EventDotSent   EventKind = "dot sent" // recorded before the final dot leaves
	EventAttempt   EventKind = "attempt"  // one attempt ended, with every recipient's outcome
	EventHeld      EventKind = "held"
	EventReleased  EventKind = "released"
	EventRetry     EventKind = "retry now"
	EventCancelled EventKind = "cancelled"
	EventCopy      EventKind = "sent copy"
	EventCopyKept  EventKind = "sent copy kept" // a look at a filed copy changed nothing: not shown to people
	EventReport    EventKind = "report"         // a DSN or notice was made
)

// Event is one line of a message's timeline. It is kept after the message is gone.
type Event struct {
	At      time.Time
	Kind    EventKind
	By      string   // the person or token that asked for it; empty for relayd itself
	Route   Route    // for attempts
	Peer    Peer     // for attempts
	Results []Result // for attempts and reports: the recipients concerned
	Detail  string   // plain words: the reason of a hold, the folder of a copy, the id of a report
}

// Peer is the server at the other end of an attempt.
type Peer struct {
	Host string // the name that was dialled
	Addr string // the address that answered, with its port
	TLS  string // version and cipher suite; empty in clear
}

// String is the peer in one line.
func (p Peer) String() string {
	switch {
	case p.Host == "":
		return p.Addr
	case p.Addr == "":
		return p.Host
	}
	return p.Host + " [" + p.Addr + "]"
}

// Result is what an attempt meant for one recipient.
type Result struct {
	Recipient int // index in Envelope.Recipients
	Outcome   Outcome
	Reply     Reply
	Rule      string        // the reply rule that decided
	Hint      string        // one sentence for the person concerned
	Pause     time.Duration // not before this long; 0 means the ordinary schedule

	// PeerReports is set for a delivery to a peer with DSN: it was given NOTIFY and
	// reports success itself, so that none is due from us (RFC 3461 §5.2.2).
	PeerReports bool
}
