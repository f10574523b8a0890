package smtpwire

import (
	"errors"
	"strings"

	"github.com/relayd/relayd/internal/bearer"
	"github.com/relayd/relayd/relay"
)

// ClientMechanism is the client side of one SASL exchange. The clients of go-sasl fit.
type ClientMechanism interface {
	// Start gives the name of the mechanism and the initial response; nil means
	// that the server speaks first.
	Start() (name string, initial []byte, err error)
	// Next answers a challenge.
	Next(challenge []byte) (response []byte, err error)
}

var (
	errNul       = errors.New("the login or the password holds a NUL")
	errChallenge = errors.New("the server asks more than the mechanism has")
)

// MechanismsFor are the ways of signing in to the SMTP server of an account: by token
// where it has one, and never by password then.
func MechanismsFor(c *relay.Credentials) []ClientMechanism {
	if c.Bearer() {
		return BearerMechanisms(c.SMTPLogin(), c.Account.SMTP.Host, c.Account.SMTP.Port, c.Token)
	}
	return PasswordMechanisms(c.SMTPLogin(), c.Password)
}

// PasswordMechanisms are the ways of signing in with a password, the best one
// first. Under TLS both are equal in strength; PLAIN is the standard.
func PasswordMechanisms(login string, password relay.Secret) []ClientMechanism {
	return []ClientMechanism{&plainMechanism{login, password}, &loginMechanism{login: login, password: password}}
}

// BearerMechanisms are the ways of signing in with an access token, the best one
// first. host and port are those that the connection was made to.
func BearerMechanisms(login, host string, port int, token relay.Secret) []ClientMechanism {
	var all []ClientMechanism
	for _, m := range bearer.Mechanisms(login, host, port, token) {
		all = append(all, m)
	}
	return all
}

// plainMechanism is PLAIN (RFC 4616).
type plainMechanism struct {
	login    string
	password relay.Secret
}

func (p *plainMechanism) Start() (string, []byte, error) {
	// RFC 4616 §2: neither part may hold a NUL, which divides them.
	if strings.Contains(p.login, "\x00") || strings.Contains(p.password.Reveal(), "\x00") {
		return "", nil, errNul
	}
	return "PLAIN", []byte("\x00" + p.login + "\x00" + p.password.Reveal()), nil
}

func (p *plainMechanism) Next([]byte) ([]byte, error) { return nil, errChallenge }

// loginMechanism is LOGIN (draft-murchison-sasl-login), which is no standard but on some
// servers the only way. Their prompts differ in words and even in language, so
// the order counts and not the text: first the name, then the password.
type loginMechanism struct {
	login    string
	password relay.Secret
	asked    int
}

func (l *loginMechanism) Start() (string, []byte, error) {
	l.asked = 0
	return "LOGIN", nil, nil
}

func (l *loginMechanism) Next([]byte) ([]byte, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte(l.login), nil
	case 2:
		return []byte(l.password.Reveal()), nil
	}
	return nil, errChallenge
}
