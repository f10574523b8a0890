package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// submission is one connection of a mail program.
type submission struct {
	provider *Simulator
	conn     *smtp.Conn
	user     *user // who signed in
	from     string
	to       []string
}

var _ smtp.AuthSession = (*submission)(nil)

// newSubmission starts the session of a connection.
func (s *Simulator) newSubmission(c *smtp.Conn) (smtp.Session, error) {
	if fault, hit := s.faults.strike(AtSMTPDial); hit {
		return nil, hangup(c, fault)
	}
	return &submission{provider: s, conn: c}, nil
}

// AuthMechanisms are those that mail programs use with a password.
func (s *submission) AuthMechanisms() []string { return []string{sasl.Plain, sasl.Login} }

// Auth starts a sign-in.
func (s *submission) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(identity, login, password string) error {
			if identity != "" && identity != login {
				return smtp.ErrAuthFailed
			}
			return s.signIn(login, password)
		}), nil
	case sasl.Login:
		return &loginServer{signIn: s.signIn}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (s *submission) signIn(login, password string) error {
	if fault, hit := s.provider.faults.strike(AtAuth, login); hit {
		return hangup(s.conn, fault)
	}
	u := s.provider.byLogin(login)
	if u == nil || !u.passwordIs(password) {
		return smtp.ErrAuthFailed
	}
	s.user = u
	return nil
}

// Mail takes the envelope sender, which must be the account's own.
func (s *submission) Mail(from string, _ *smtp.MailOptions) error {
	if s.user == nil {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	if fault, hit := s.provider.faults.strike(AtMail, from, s.user.account.Login); hit {
		return hangup(s.conn, fault)
	}
	if !s.provider.options.Personality.AnySender && !sameAddress(from, s.user.account.Address) {
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 7, 1},
			Message: fmt.Sprintf("Sender address rejected: not owned by user %s", s.user.account.Login)}
	}
	s.from = from
	return nil
}

// Rcpt takes a recipient: unknown ones of the provider's own domains are refused.
func (s *submission) Rcpt(to string, _ *smtp.RcptOptions) error {
	if fault, hit := s.provider.faults.strike(AtRcpt, to); hit {
		return hangup(s.conn, fault)
	}
	if s.provider.owns(to) && s.provider.byAddress(to) == nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data takes the content and delivers it.
func (s *submission) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		s.conn.Conn().Close() //nolint:errcheck // what follows a broken message must not be read as commands
		return err
	}
	names := append([]string{s.from, s.user.account.Login}, s.to...)
	if fault, hit := s.provider.faults.strike(AtData, names...); hit {
		return hangup(s.conn, fault)
	}
	_, secured := s.conn.TLSConnectionState()
	m := Mail{At: time.Now(), User: s.user.account.Login, From: s.from, To: s.to, Content: content, TLS: secured}
	if err := s.provider.post(context.Background(), s.user, m); err != nil {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Cannot deliver now"}
	}
	if fault, hit := s.provider.faults.strike(AfterData, names...); hit {
		return hangup(s.conn, fault)
	}
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "OK, posted"}
}

// Reset forgets the transaction.
func (s *submission) Reset() { s.from, s.to = "", nil }

// Logout ends the session.
func (s *submission) Logout() error { return nil }

// hangup answers with a fault, or closes the connection.
func hangup(c *smtp.Conn, fault Fault) error {
	if fault.Hangup {
		c.Conn().Close() //nolint:errcheck // that is the fault
	}
	return fault.smtpError()
}

// errLogin is what a malformed LOGIN exchange gets.
var errLogin = errors.New("malformed LOGIN exchange")

// loginServer is AUTH LOGIN, which go-sasl offers to clients only.
type loginServer struct {
	signIn func(login, password string) error
	login  *string
	asked  bool
}

// Next takes the user name and then the password.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case l.login == nil && response == nil && !l.asked:
		l.asked = true
		return []byte("Username:"), false, nil
	case l.login == nil && response != nil:
		login := string(response)
		l.login = &login
		return []byte("Password:"), false, nil
	case l.login != nil:
		return nil, true, l.signIn(*l.login, string(response))
	}
	return nil, false, errLogin
}
