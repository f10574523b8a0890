// Package web holds what the simulator's web services have in common: bearer
// tokens, JSON, message identifiers, and what they ask of the provider.
//
// One request to a service such as graphsim or gmailsim:
//  1. [Bearer] takes the token from the header;
//  2. the service asks the [Provider] whose it is and what it allows;
//  3. package fault answers, if a fault is due;
//  4. the service does its work with the Provider and answers with [JSON].
package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// Provider is the mail provider behind a web service.
type Provider interface {
	// Token tells what an access token allows; ok is false if it is unknown,
	// expired or withdrawn.
	Token(token string) (t oauthsim.Token, ok bool)
	// Mailbox gives the address of the mailbox with this name, if the token may
	// open it. "me" is the token's own.
	Mailbox(t oauthsim.Token, name string) (address string, ok bool)
	// Submit sends a message to the recipients of its header and files a copy.
	// ErrLimit and ErrNoRecipients mean that nothing was sent.
	Submit(ctx context.Context, s Submission) (Message, error)
	// Folder gives the name of the folder for a use.
	Folder(address string, use Use) (name string, ok bool)
	// Read gives what lies in a folder, oldest first.
	Read(ctx context.Context, address, folder string) ([]Message, error)
	// Remove takes a message out of a folder for good.
	Remove(address, folder string, uid uint32) error
	// Move takes a message to another folder.
	Move(ctx context.Context, address, folder string, uid uint32, to string) error
	// Strike gives the fault that is due.
	Strike(ctx context.Context, at fault.Place, who ...string) (fault.Fault, bool)
}

// The reasons why Submit sends nothing.
var (
	ErrLimit        = errors.New("the account has reached its sending limit")
	ErrNoRecipients = errors.New("the message names no recipient")
)

// Submission is a message that a web service sends.
type Submission struct {
	Address string // the mailbox that sends
	Content []byte // recipients are those of To, Cc and Bcc
	Via     string // the service, for the outbox
	OwnFrom bool   // From becomes the mailbox's own address, whatever it was
	NoCopy  bool   // files nothing in Sent
	Folder  string // files there instead of in Sent
}

// Use is what a folder is for.
type Use string

// The uses that the services know.
const (
	Inbox  Use = "inbox"
	Sent   Use = "sent"
	Drafts Use = "drafts"
	Junk   Use = "junk"
	Trash  Use = "trash"
)

// Uses are all of them.
func Uses() []Use { return []Use{Inbox, Sent, Drafts, Junk, Trash} }

// Message is one message in a folder.
type Message struct {
	Folder  string
	UID     uint32
	Seen    bool
	Date    time.Time
	Content []byte
}

// ID is the message's name in a web service.
func (m Message) ID() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatUint(uint64(m.UID), 10) + " " + m.Folder))
}

// ParseID reads what ID made.
func ParseID(id string) (folder string, uid uint32, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return "", 0, false
	}
	number, folder, found := strings.Cut(string(raw), " ")
	n, err := strconv.ParseUint(number, 10, 32)
	return folder, uint32(n), found && err == nil && folder != ""
}

// Bearer gives the token of a request; it is empty if there is none.
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// JSON answers with a value.
func JSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who does not read the answer has left
}
