package oauth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

// failure is a request to a vendor that gave no token.
type failure struct {
	reply relay.Reply
	code  string        // the "error" of RFC 6749 §5.2; empty if there was none
	pause time.Duration // that the vendor asked for; 0 if it did not
	cause error         // holds no secret; may be nil
}

func (f *failure) Error() string { return f.reply.String() }
func (f *failure) Unwrap() error { return f.cause }

// verdict is what a failure means for those who ask next.
type verdict uint8

const (
	temporary      verdict = iota + 1 // may work in a minute
	ended                             // this consent works no more
	missing                           // this consent works, but not for this resource
	appRefused                        // no account of the application gets a token
	domainRefused                     // none in this domain
	mailboxRefused                    // the application works, but not for this mailbox
)

// judge is pure.
func (m *realm) judge(f *failure) verdict {
	if f.reply.Code >= 500 || f.reply.Code == http.StatusTooManyRequests || f.code == "" {
		return temporary // RFC 9110 §15.6: says nothing about the request, whatever stands in it
	}
	switch f.code {
	case "invalid_client":
		return appRefused
	case "unauthorized_client":
		// A tenant that does not know the application, or gave it no delegation, says
		// nothing about the others.
		return domainRefused
	case "invalid_grant", "interaction_required", "login_required", "consent_required":
		switch {
		case m.app.Kind != relay.AppConsent:
			return mailboxRefused
		case m.vendor.consentMissing != nil && m.vendor.consentMissing.MatchString(f.reply.Text):
			return missing
		}
		return ended
	case "invalid_request", "invalid_scope":
		if m.app.Kind != relay.AppConsent {
			return mailboxRefused
		}
	}
	return temporary
}

// local is a failure without an answer.
func local(kind, detail string, cause error) *failure {
	return &failure{reply: relay.Local(kind, detail), cause: cause}
}

// unreached reports whether the endpoint gave no answer at all: others need not try it
// in the next seconds.
func (f *failure) unreached() bool {
	return f.reply.Code == 0 && strings.HasPrefix(f.reply.Text, "local: ") && !strings.HasPrefix(f.reply.Text, "local: protocol")
}

var (
	errTooLarge = errors.New("the answer is larger than 64 KiB")
	errNoToken  = errors.New("the answer is no token")
)

// broken sorts what can go wrong with a connection. Its words tell nothing about our
// own network.
func broken(err error) *failure {
	var dns *net.DNSError
	var alert tls.AlertError
	var notTLS tls.RecordHeaderError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errTooLarge):
		return local("protocol", errTooLarge.Error(), err)
	case errors.Is(err, netguard.ErrRefused):
		return local("address refused", "", err)
	case errors.As(err, &dns):
		return local("dns", "no answer for the name", err)
	case isCertificate(err):
		return local("certificate", "of the sign-in service is not valid", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return local("timeout", "at the sign-in service", err)
	case errors.As(err, &alert), errors.As(err, &notTLS):
		return local("handshake", "with the sign-in service", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return local("refused", "", err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return local("reset", "by the sign-in service", err)
	}
	return local("connection lost", "to the sign-in service", err)
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

// refusal is what an answer with an error says, or nil if it says none.
func (a *answer) refusal() *failure {
	code, description := a.words()
	if a.status >= 200 && a.status < 300 && code == "" {
		return nil
	}
	f := &failure{code: code, pause: a.retryAfter(time.Now())}
	f.reply.Code = a.status
	switch {
	case code == "":
		// A page of a proxy, or a redirection. What it says is not shown and not
		// matched: it could hold any word.
		f.reply.Text = http.StatusText(a.status)
	case description == "":
		f.reply.Text = code
	default:
		f.reply.Text = code + ": " + description
	}
	f.reply.Text = relay.Printable(hide(f.reply.Text, a.secrets))
	return f
}

// words reads error and error_description (RFC 6749 §5.2).
func (a *answer) words() (code, description string) {
	var body map[string]json.RawMessage
	if json.Unmarshal(a.body, &body) != nil {
		return "", ""
	}
	if json.Unmarshal(body["error"], &code) != nil || !isErrorCode(code) {
		return "", ""
	}
	if json.Unmarshal(body["error_description"], &description) != nil {
		return code, ""
	}
	return code, description
}

// isErrorCode: the words that RFC 6749 and its extensions define look like this.
func isErrorCode(code string) bool {
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return code != "" && len(code) <= 64
}

// hide takes secrets out of a text. Those of a few characters would tear words apart
// and are no secrets.
func hide(text string, secrets []string) string {
	for _, s := range secrets {
		if len(s) >= 6 {
			text = strings.ReplaceAll(text, s, relay.Secret(s).String())
		}
	}
	return text
}

// retryAfter reads RFC 9110 §10.2.3: seconds, or a date.
func (a *answer) retryAfter(now time.Time) time.Duration {
	value := a.header.Get("Retry-After")
	var pause time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		pause = time.Duration(min(seconds, int(maxAskedPause/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		pause = at.Sub(now)
	}
	return max(0, min(pause, maxAskedPause))
}

// tokenError is a failure for those who asked for a token.
func tokenError(app string, err error) *relay.TokenError {
	var already *relay.TokenError
	var f *failure
	switch {
	case errors.As(err, &already):
		return already
	case errors.As(err, &f):
		return &relay.TokenError{Reply: f.reply, App: app, Cause: f.cause}
	case errors.Is(err, ErrNotBound):
		return &relay.TokenError{Reply: relay.Local("not bound", ErrNotBound.Error()), App: app, Cause: err}
	case errors.Is(err, ErrNoConsent):
		return &relay.TokenError{Reply: relay.Local("no consent", ErrNoConsent.Error()), App: app, Cause: err}
	case errors.Is(err, ErrApp):
		// As the vendor would have refused it: every account of the application waits
		// for its operator.
		return &relay.TokenError{Reply: relay.Reply{Text: relay.Printable("invalid_client: " + err.Error())}, App: app, Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &relay.TokenError{Reply: relay.Local("timeout", "while waiting for an access token"), App: app, Cause: err}
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled):
		return &relay.TokenError{Reply: relay.Local("connection lost", "because the attempt was broken off"), App: app, Cause: err}
	}
	return &relay.TokenError{Reply: relay.Local("protocol", "a fault in relayd"), App: app, Cause: err}
}
