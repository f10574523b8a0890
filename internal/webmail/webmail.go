package webmail

import (
	"context"
	"io"
	"time"

	"github.com/relayd/relayd/relay"
)

// Client speaks to one mailbox over one API. It is used by one goroutine at a time;
// only Close may be called at any moment. Every error is an [*Error]. After any of
// them the client can be used again: it connects and signs in anew where it must. Its
// credentials are those of Open; a refreshed token needs a new client.
type Client interface {
	// Check signs in and reads something harmless: it proves the credentials without
	// sending. An error that wraps ErrNotPermitted means that the sign-in is good but
	// may not read; About then tells what was learned all the same.
	Check(ctx context.Context) (About, error)
	// Send hands over one whole message; its recipients are those of its header
	// fields. The service files the Sent copy itself. An error of c.Reader's reader
	// breaks the request off before its end, so that nothing is sent; Error wraps it.
	Send(ctx context.Context, c Content) (Receipt, error)
	// Find gives the messages with that Message-ID in a folder, newest first, at most
	// MaxFound. The Message-ID is compared as a whole, with its angle brackets.
	Find(ctx context.Context, f Folder, headerID string) ([]Item, error)
	// FindSubject does the same by a text in the subject, for a probe whose Message-ID
	// the provider replaced.
	FindSubject(ctx context.Context, f Folder, text string) ([]Item, error)
	// Delete removes messages for good, those alone. One that is gone already is no
	// error.
	Delete(ctx context.Context, items ...Item) error
	// Close ends the connection, and a call that is under way with it.
	Close() error
}

// MaxFound is how many messages Find gives at most.
const MaxFound = 10

// Folder is a place to search in. In an Item it may also be the folder's own name, as
// the service tells it.
type Folder string

// The folders.
const (
	FolderSent     Folder = "sent"
	FolderInbox    Folder = "inbox"
	FolderJunk     Folder = "junk"
	FolderAnywhere Folder = "anywhere" // every folder for mail
)

// Item is a message that was found.
type Item struct {
	ID        string // the service's own
	ChangeKey string // EWS: the version of the item
	Folder    Folder // where it lies; with FolderAnywhere the name that the service tells, if it tells one
	HeaderID  string // Message-ID with its angle brackets
	From      string // the address of its From field; empty if the service does not tell
	Subject   string
	Arrived   time.Time // zero if the service does not tell
}

// About is what Check learned.
type About struct {
	Host        string
	Addr        string // IP address and port
	TLS         string // version and cipher suite; empty in clear
	Certificate string // the name on the server's certificate
	Address     string // the mailbox as the service names it; empty if it does not tell
	Version     string // EWS: the RequestServerVersion that works
}

// Content is one whole message: header, empty line, body, lines ended by CR LF. Its
// end is read before the last octets leave, so a reader that gives an error in place
// of EOF keeps the message from being sent. It is read from another goroutine; where
// an answer came before the message was complete, for a moment after Send as well.
type Content struct {
	Size   int64            // octets that Reader gives
	Reader func() io.Reader // reads from the first octet; may be called again
}

// Receipt is what the service said when it took a message.
type Receipt struct {
	ID       string // the service's own id of the message, where it tells one
	HeaderID string // the Message-ID that the service gave, where it tells one
	Reply    relay.Reply
}

// The largest messages that the ways take, in octets before they are encoded.
const (
	maxGraph = 3_000_000  // 4 MB a request, of which base64 leaves three quarters
	maxEWS   = 48 << 20   // 64 MiB a request by default
	maxGmail = 35_000_000 // of the upload address
)

// MaxSize gives the largest message that a way takes, in octets; 0 for a way that is
// no API. The account's own limit may be smaller.
func MaxSize(way relay.Way) int64 {
	switch way {
	case relay.WayGraph:
		return maxGraph
	case relay.WayEWS:
		return maxEWS
	case relay.WayGmailAPI:
		return maxGmail
	}
	return 0
}
