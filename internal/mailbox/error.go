package mailbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/emersion/go-imap/v2"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

// Step is the place in a session at which something failed.
type Step string

// The steps.
const (
	StepConnect Step = "connect" // dialling and the greeting
	StepTLS     Step = "tls"     // STARTTLS and the handshake
	StepAuth    Step = "auth"    // the sign-in
	StepList    Step = "list"    // the list of folders
	StepCreate  Step = "create"  // making the Sent folder
	StepSelect  Step = "select"  // opening a folder
	StepSearch  Step = "search"  // searching, and reading header fields
	StepAppend  Step = "append"  // putting a message in
	StepDelete  Step = "delete"  // taking messages out
)

// The kinds of failure without an answer, as relay.Local knows them.
const (
	KindDNS           = "dns"
	KindRefused       = "refused"
	KindTimeout       = "timeout"
	KindReset         = "reset"
	KindAddress       = "address refused"
	KindCertificate   = "certificate"
	KindHandshake     = "handshake"
	KindNoSTARTTLS    = "starttls missing"
	KindNoMechanism   = "no mechanism"
	KindLoginDisabled = "login disabled"
	KindLost          = "connection lost"
	KindProtocol      = "protocol"
)

// The errors that an *Error may wrap beside those of the network.
var (
	// ErrNoSent means that the mailbox has no folder for sent mail.
	ErrNoSent = errors.New("there is no folder for sent mail")
	// ErrNoFolder means that the folder that the user chose is not there.
	ErrNoFolder = errors.New("the chosen folder does not exist")
	// ErrBadContent means that a message holds a bare CR, a bare LF or a NUL.
	ErrBadContent = errors.New("the message has a bare CR, LF or NUL")
	// ErrTooBig means that the server announces a smaller limit (RFC 7889).
	ErrTooBig = errors.New("the message is larger than the server takes")
	// ErrPlain means that TLS mode "none" is not permitted towards this address.
	ErrPlain = errors.New("a connection without TLS is not permitted to this address")
	// ErrBadValue means that a folder, a login or a search has characters that
	// cannot be sent.
	ErrBadValue = errors.New("a value has control characters or is empty")
)

// Error says at which step of a session something failed, and how.
type Error struct {
	Step   Step
	Kind   string // one of the kinds; empty if the server answered
	Status string // NO, BAD or BYE, if the server answered
	Code   string // its response code, such as "OVERQUOTA"
	Text   string // its words, bounded and printable
	Plain  bool   // the port spoke without TLS where TLS was expected
	Dialed bool   // at StepConnect and StepTLS: the connection itself was made
	Err    error
}

// Error is for logs.
func (e *Error) Error() string {
	if e.Status == "" {
		return fmt.Sprintf("imap %s: %s: %v", e.Step, e.Kind, e.Err)
	}
	if e.Code == "" {
		return fmt.Sprintf("imap %s: %s %s", e.Step, e.Status, e.Text)
	}
	return fmt.Sprintf("imap %s: %s [%s] %s", e.Step, e.Status, e.Code, e.Text)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Answer is the error as the reply rules read it.
func (e *Error) Answer(provider string) relay.Answer {
	a := relay.Answer{Where: relay.AtIMAP, Provider: provider, IMAP: e.Status, IMAPCode: e.Code}
	if e.Status == "" {
		a.Reply = relay.Local(e.Kind, e.detail())
	} else {
		a.Reply = relay.Reply{Text: e.Text}
	}
	return a
}

// Reply is what was said, in one line, for a person: the status and code stand in
// front of the server's words.
func (e *Error) Reply() relay.Reply {
	if e.Status == "" {
		return relay.Local(e.Kind, e.detail())
	}
	text := e.Status
	if e.Code != "" {
		text += " [" + e.Code + "]"
	}
	return relay.Reply{Text: relay.Printable(text + " " + e.Text)}
}

// detail is what happened, in words that tell nothing about our own network: an
// error of dialling names addresses.
func (e *Error) detail() string {
	switch e.Kind {
	case KindDNS, KindRefused, KindReset, KindLost, KindTimeout, KindAddress:
		return "at " + string(e.Step)
	}
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

// refusal makes the Error for an answer of the server.
func refusal(step Step, answer *imap.Error) *Error {
	return &Error{
		Step:   step,
		Status: string(answer.Type),
		Code:   relay.Printable(string(answer.Code)),
		Text:   relay.Printable(answer.Text),
		Err:    answer,
	}
}

// failure makes the Error for a failure without an answer.
func failure(step Step, err error) *Error {
	e := &Error{Step: step, Kind: kindOf(err), Err: err}
	var notTLS tls.RecordHeaderError
	e.Plain = errors.As(err, &notTLS)
	return e
}

// kindOf sorts what can go wrong with a connection into the kinds.
func kindOf(err error) string {
	var dns *net.DNSError
	var alert tls.AlertError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return KindDNS
	case isCertificate(err):
		return KindCertificate
	case errors.As(err, &alert), errors.As(err, &notTLS):
		return KindHandshake
	case errors.Is(err, netguard.ErrRefused):
		return KindAddress
	case isTimeout(err):
		return KindTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return KindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return KindReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled):
		return KindLost
	}
	return KindProtocol
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, errOverdue) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout())
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &host) ||
		errors.As(err, &authority) || errors.As(err, &invalid)
}
