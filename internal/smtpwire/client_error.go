package smtpwire

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

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

// ClientError says where in a dialogue something went wrong, and how.
type ClientError struct {
	Where   relay.Where
	Reply   relay.Reply // what the peer answered, or relay.Local
	DotSent bool        // the end of the content may have left
	Err     error       // what happened, if no answer came
}

// Error is for logs: place, answer and cause.
func (e *ClientError) Error() string {
	text := "smtp " + string(e.Where) + ": " + e.Reply.String()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// Answer is the error for classification. provider is the id of the account's
// provider; empty on the direct path.
func (e *ClientError) Answer(provider string) relay.Answer {
	return relay.Answer{Where: e.Where, Provider: provider, Reply: e.Reply}
}

// DialError describes a connection that could not be made.
func DialError(err error) *ClientError { return failed(relay.AtConnect, err) }

// refused is a real answer that is not the one hoped for. An answer that is
// neither a success nor a refusal at this place breaks the protocol.
func refused(where relay.Where, r Reply) *ClientError {
	if r.Code < 400 {
		return protocol(where, "unexpected answer "+r.Public().String())
	}
	return &ClientError{Where: where, Reply: r.Public()}
}

func protocol(where relay.Where, detail string) *ClientError {
	return &ClientError{Where: where, Reply: relay.Local("protocol", detail)}
}

// failed is a failure without an answer.
func failed(where relay.Where, err error) *ClientError {
	if where == relay.AtAuth && errors.Is(err, ErrBadReply) {
		err = ErrBadReply // its words could repeat our secret
	}
	kind, detail := describe(where, err)
	return &ClientError{Where: where, Reply: relay.Local(kind, detail), Err: err}
}

// describe finds the kind of relay.Local for an error, and words that tell nothing
// about our own network.
func describe(where relay.Where, err error) (kind, detail string) {
	var dns *net.DNSError
	switch {
	case errors.Is(err, netguard.ErrRefused):
		return "address refused", ""
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "dns", "no such host"
		}
		return "dns", "no answer"
	case isSourceFault(err):
		return "connection lost", "because the content could not be read from the spool"
	case errors.Is(err, errNotRecorded):
		return "connection lost", errNotRecorded.Error()
	case isCertificate(err):
		return "certificate", certificateDetail(err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "timeout", atPlace(where)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused", ""
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset", atPlace(where)
	case errors.Is(err, ErrBadReply), errors.Is(err, ErrLineTooLong), errors.Is(err, ErrBareLineEnd):
		return "protocol", err.Error()
	case errors.Is(err, netguard.ErrBudget):
		return "protocol", "the answer does not end"
	case isHandshake(where, err):
		return "handshake", err.Error()
	}
	return "connection lost", atPlace(where)
}

func atPlace(where relay.Where) string {
	switch where {
	case relay.AtConnect:
		return "before the greeting was complete"
	case relay.AtTLS:
		return "while encryption was set up"
	case relay.AtAuth:
		return "while signing in"
	case relay.AtAfterDot:
		return "after the final dot"
	}
	return "before the final dot"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

// certificateDetail says in plain words what is wrong with a certificate.
func certificateDetail(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("name mismatch: it is for %s, not for %s", certificateNames(name.Certificate), name.Host)
	case errors.As(err, &authority):
		return "signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "expired or not yet valid"
	}
	return err.Error()
}

// shownNames is how many of a certificate's names a message lists.
const shownNames = 3

func certificateNames(c *x509.Certificate) string {
	if c == nil {
		return "no name"
	}
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no name"
	case len(names) > shownNames:
		return strings.Join(names[:shownNames], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// isHandshake tells a failed handshake from a connection that merely broke.
func isHandshake(where relay.Where, err error) bool {
	if where != relay.AtTLS || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return false
	}
	return !errors.Is(err, context.Canceled)
}
