package smtpd

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// mechanisms are those that clients with a password use. Nothing that would need
// a password in clear on our side (CRAM-MD5) or a token service (XOAUTH2,
// OAUTHBEARER) is offered (attack row B4).
func mechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth begins an exchange.
func (s *session) Auth(ctx context.Context, mechanism string) (smtpwire.ServerMechanism, error) {
	return s.mechanism(ctx, mechanism)
}

func (s *session) mechanism(ctx context.Context, name string) (sasl.Server, error) {
	switch name {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, login, password string) error {
			return s.signIn(ctx, identity, login, relay.Secret(password))
		}), nil
	case sasl.Login:
		return &loginServer{check: func(login string, password relay.Secret) error {
			return s.signIn(ctx, "", login, password)
		}}, nil
	}
	return nil, relay.Refuse(504, relay.Enhanced{5, 5, 4}, "The mechanism is not supported")
}

// The longest login and password, in octets: more than relayd ever gives out.
const (
	maxLogin    = 255
	maxPassword = 1024
)

// signIn asks which submitter this is. The authorisation identity must be empty or
// the login: nobody may act for somebody else (attack row B5).
func (s *session) signIn(ctx context.Context, identity, login string, password relay.Secret) error {
	if len(login) > maxLogin || len(password) > maxPassword || !utf8.ValidString(login) {
		return s.signInFailed("", errOversized)
	}
	if identity != "" && identity != login {
		return s.signInFailed(login, errIdentity)
	}
	submitter, err := s.server.opts.Authenticator.Password(ctx, s.client, login, password)
	if err != nil {
		return s.signInFailed(login, err)
	}
	if err := s.become(submitter); err != nil {
		return s.answer(err)
	}
	s.server.opts.Observer.SignedIn(s.client, submitter.ID, login)
	return nil
}

// The reasons that this step itself refuses a sign-in for; they are for logs.
var (
	errOversized = invalidCredentials("the login or the password is too long or not UTF-8")
	errIdentity  = invalidCredentials("the authorisation identity is not the login")
)

// invalidCredentials is the one answer to a failed sign-in, in the words of step 2.
func invalidCredentials(reason string) *relay.Error {
	err := relay.Refuse(535, relay.Enhanced{5, 7, 8}, "Authentication credentials invalid")
	err.Cause = errors.New(reason)
	return err
}

func (s *session) signInFailed(login string, err error) error {
	s.server.opts.Observer.SignInFailed(s.client, login, err)
	return public(err)
}

// become counts the connection for the submitter that it is.
func (s *session) become(submitter *relay.Submitter) error {
	if !s.countFor(submitter.ID) {
		s.server.opts.Observer.ConnectionRefused(s.listener.Name, s.client.Addr, RefusedPerSubmitter)
		return &relay.Error{Code: 421, Enhanced: relay.Enhanced{4, 7, 0}, Public: "Too many connections of this submitter", Close: true}
	}
	s.submitter = submitter
	return nil
}

// countFor counts the connection for a submitter, and no longer for the one before;
// an empty id is nobody. False means that the submitter has enough connections.
func (s *session) countFor(id string) bool {
	if id == s.counted {
		return true
	}
	if id != "" && !s.server.limits.enterSubmitter(id) {
		return false
	}
	if s.counted != "" {
		s.server.limits.leaveSubmitter(s.counted)
	}
	s.counted = id
	return true
}

// checkSubmitter makes sure, before a transaction, that the client is still who it
// was: a connection may outlive a password, a permission and a submitter.
func (s *session) checkSubmitter(ctx context.Context) error {
	if s.listener.Mode != smtpwire.ModePlain {
		return s.server.opts.Authenticator.Current(ctx, s.submitter)
	}
	submitter, err := s.server.opts.Authenticator.BySubmitterID(ctx, s.client, s.listener.Submitter)
	if err != nil {
		return notSubmitter(err)
	}
	return s.become(submitter)
}

// notSubmitter answers MAIL on a plaintext listener whose submitter may not submit:
// what belongs to AUTH is no answer to MAIL.
func notSubmitter(err error) error {
	var e *relay.Error
	if !errors.As(err, &e) || e.Code != 535 {
		return err
	}
	refusal := relay.Refuse(550, relay.Enhanced{5, 7, 1}, "This client may not submit mail")
	refusal.Cause = err
	return refusal
}

// loginServer is the server's half of LOGIN (draft-murchison-sasl-login-00), which
// old clients know instead of PLAIN.
type loginServer struct {
	check func(login string, password relay.Secret) error
	login string
	step  int
}

// The challenges that every client expects, though the draft leaves them open.
const (
	askLogin    = "Username:"
	askPassword = "Password:"
)

// Next takes the login, which some clients send with AUTH, and then the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch {
	case response == nil && l.step == 1:
		l.step = 0
		return []byte(askLogin), false, nil
	case l.step == 1:
		l.login = string(response)
		return []byte(askPassword), false, nil
	case l.step == 2:
		return nil, true, l.check(l.login, relay.Secret(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}
