package relay

import (
	"io"
	"time"
)

// Message is everything about a message that never changes once it is accepted.
// Its content lies in the spool; what happens to it is its State.
type Message struct {
	ID           ID
	Kind         Kind
	Accepted     time.Time
	Submitter    string   // id of the submitter; empty if relayd itself made the message
	Organisation string   // id of the organisation of the submitter; empty if there is none
	Protocol     string   // "ESMTPSA" and so on (RFC 3848), for the Received field and the timeline
	Envelope     Envelope //
	From         Address  // the one mailbox of the header's From field
	HeaderID     string   // the value of the Message-ID field, with its angle brackets
	Bcc          []string // values of the Bcc fields that were taken out of the header, for the Sent copy
	Size         int64    // octets of the content as it is spooled
	BodyHash     [32]byte // SHA-256 of the content as the client sent it, for the submission key
}

// Kind says why a message exists.
type Kind uint8

// The kinds of message.
const (
	KindSubmission Kind = iota // an application submitted it
	KindReport                 // a DSN or delay notice that relayd made (RFC 3464)
	KindNotice                 // a mail of relayd's own to a person: an account needs attention, a code
)

// String is the kind as it stands in the API.
func (k Kind) String() string {
	switch k {
	case KindReport:
		return "report"
	case KindNotice:
		return "notice"
	}
	return "submission"
}

// Body is the content of a spooled message: header, empty line, body, with every
// line ended by CR LF and without dot-stuffing.
type Body interface {
	// Size is the length in octets.
	Size() int64
	// Reader reads from the first octet. It may be called again and concurrently;
	// each reader is independent and needs no Close.
	Reader() io.Reader
}

// SubmissionKey is what makes a repeated submission recognisable (promise G4):
// the same submitter, Message-ID, recipients and content.
type SubmissionKey [32]byte
