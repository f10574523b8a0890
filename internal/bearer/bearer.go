// Package bearer signs in with an access token (RFC 6750) where a protocol speaks
// SASL: SMTP and IMAP.
//
// One sign-in:
//  1. the caller takes the first of Mechanisms that the server announces;
//  2. Start gives its one message, with the user and the token;
//  3. a server that refuses says why in a challenge, and waits: Next answers it with
//     what the mechanism has for that, and only then the refusal itself comes.
//
// A token is as good as a password. Repeats tells whether a server's words hold one,
// so that they are not shown.
package bearer

import (
	"errors"
	"strconv"
	"strings"

	"github.com/relayd/relayd/relay"
)

// The names of the mechanisms.
const (
	OAuthBearer = "OAUTHBEARER" // RFC 7628
	XOAuth2     = "XOAUTH2"     // Google's, which Microsoft speaks as well; older and no standard
)

// Errors of a mechanism.
var (
	// ErrControl means that the user name or the token cannot be sent: \x01 ends the
	// fields of the message, and CR LF the line.
	ErrControl = errors.New("the user name or the token is empty or holds a control character")
	// ErrChallenge means that the server goes on after its refusal was answered.
	ErrChallenge = errors.New("the server asks more than the mechanism has")
)

// Mechanism is the client side of one exchange; those of go-sasl have the same form.
type Mechanism struct {
	name    string
	message string // what Start gives; empty if it cannot be sent
	goodbye string // what answers a refusal
	refused bool
}

// Mechanisms are the ways of signing in with a token, the better one first. host and
// port are those that the connection was made to: a server that compares them refuses
// any other, and no new token would change that.
func Mechanisms(login, host string, port int, token relay.Secret) []*Mechanism {
	standard := &Mechanism{name: OAuthBearer, goodbye: "\x01"} // RFC 7628 §3.2.3
	older := &Mechanism{name: XOAuth2}                         // an empty line
	if Sendable(login, token) {
		auth := "auth=Bearer " + token.Reveal() + "\x01\x01"
		standard.message = "n,a=" + escape(login) + ",\x01host=" + host + "\x01port=" + strconv.Itoa(port) + "\x01" + auth
		older.message = "user=" + login + "\x01" + auth
	}
	return []*Mechanism{standard, older}
}

// Sendable reports whether a mechanism can carry both.
func Sendable(login string, token relay.Secret) bool {
	// RFC 6749 appendix A.12: a token is printable ASCII.
	foreign := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	return login != "" && !strings.ContainsFunc(login, control) &&
		token != "" && !strings.ContainsFunc(token.Reveal(), foreign)
}

// escape writes a user name as RFC 5801 §4 wants it in front of the message.
func escape(login string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(login)
}

// Name is the name that a server announces.
func (m *Mechanism) Name() string { return m.name }

// Start gives the name and the one message. The error is ErrControl.
func (m *Mechanism) Start() (name string, initial []byte, err error) {
	m.refused = false
	if m.message == "" {
		return "", nil, ErrControl
	}
	return m.name, []byte(m.message), nil
}

// Next answers the challenge that tells of a refusal. Its JSON holds nothing that the
// refusal behind it does not say, so it is not read. The error is ErrChallenge.
func (m *Mechanism) Next([]byte) ([]byte, error) {
	if m.refused {
		return nil, ErrChallenge
	}
	m.refused = true
	return []byte(m.goodbye), nil
}
