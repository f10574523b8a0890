package webmail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

// The errors that an *Error may wrap beside those of the network.
var (
	// ErrNotPermitted means that the sign-in is good, but that what was consented to
	// does not permit this call.
	ErrNotPermitted = errors.New("the sign-in does not permit this")
	// ErrTooLarge means that the way takes no message of this size. Nothing was sent.
	ErrTooLarge = errors.New("the message is larger than this way takes")
	// ErrRedirect means that the service wanted to send us elsewhere. Credentials go
	// nowhere but where they belong.
	ErrRedirect = errors.New("the service redirects, which is not followed")
	// ErrPlain means that http:// is not permitted towards this address.
	ErrPlain = errors.New("a connection without TLS is not permitted to this address")
	// ErrAnswer means that the service's answer was not understood.
	ErrAnswer = errors.New("the answer was not understood")
)

var (
	errOverdue = errors.New("the service took too long")
	errClosed  = errors.New("the client was closed")
)

// The kinds of failure without an answer, as relay.Local knows them.
const (
	kindDNS         = "dns"
	kindRefused     = "refused"
	kindTimeout     = "timeout"
	kindReset       = "reset"
	kindAddress     = "address refused"
	kindCertificate = "certificate"
	kindHandshake   = "handshake"
	kindNoMechanism = "no mechanism"
	kindLost        = "connection lost"
	kindProtocol    = "protocol"
)

// Error is what every failing call returns.
type Error struct {
	Way relay.Way

	// Where is AtConnect and AtTLS up to the connection, AtAuth for the sign-in and
	// every 401, AtData for a message that had not left as a whole, AtAfterDot for the
	// answer to a request. A failure without an answer of a call other than Send is
	// AtConnect, and so is an HTTP 5xx there that says nothing: the service is out of
	// reach, and nothing is unknown.
	Where relay.Where

	// Reply has the HTTP status as its code and, as the reply rules expect,
	// "ResponseCode: MessageText" (EWS) or "error code: message" as its text. Without
	// an answer it is what relay.Local makes.
	Reply relay.Reply

	// Unknown is set by Send alone: the whole message had left, and no answer, or none
	// that could be understood, tells what became of it. An HTTP 5xx counts as that
	// unless it comes from the service's own rate limiter.
	Unknown bool

	RetryAfter time.Duration // how long the service asks to wait; 0 if it does not
	Cause      error         // for logs
}

// Error is for logs.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s %s: %s", e.Way, e.Where, e.Reply)
	if e.Unknown {
		text += " (outcome unknown)"
	}
	if e.Cause != nil {
		text += ": " + relay.Printable(e.Cause.Error())
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Answer is the error as the reply rules read it.
func (e *Error) Answer() relay.Answer {
	return relay.Answer{Where: e.Where, Provider: string(e.Way), Reply: e.Reply}
}

// failure makes the Error for a failure before or beside any request.
func failure(way relay.Way, err error) *Error {
	return failureAs(way, relay.AtConnect, kindOf(err), err)
}

// failureAs makes the Error for a failure without an answer. The reply tells nothing
// about our own network: errors of dialling name addresses.
func failureAs(way relay.Way, where relay.Where, kind string, err error) *Error {
	detail := "at " + string(where)
	switch kind {
	case kindCertificate, kindHandshake, kindProtocol, kindNoMechanism:
		detail = err.Error()
	}
	return &Error{Way: way, Where: where, Reply: relay.Local(kind, detail), Cause: err}
}

// kindOf sorts what can go wrong with a connection into the kinds.
func kindOf(err error) string {
	var dns *net.DNSError
	var alert tls.AlertError
	var notTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &dns):
		return kindDNS
	case isCertificate(err):
		return kindCertificate
	case errors.As(err, &alert), errors.As(err, &notTLS):
		return kindHandshake
	case errors.Is(err, netguard.ErrRefused), errors.Is(err, ErrPlain):
		return kindAddress
	case isTimeout(err):
		return kindTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return kindRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return kindReset
	case isLost(err):
		return kindLost
	}
	return kindProtocol
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, errOverdue) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, os.ErrDeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout())
}

// isLost also knows the words of net/http for a connection that the server closed,
// which have no exported value.
func isLost(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.Canceled) || errors.Is(err, errClosed) ||
		strings.Contains(err.Error(), "server closed idle connection")
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &host) ||
		errors.As(err, &authority) || errors.As(err, &invalid)
}
