package simulator

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// submission is one connection of a mail program.
type submission struct {
	provider *Simulator
	conn     *smtp.Conn
	user     *user // who signed in
	slot     bool  // one of the account's connections that may submit
	from     string
	to       []string
}

var _ smtp.AuthSession = (*submission)(nil)

// newSubmission starts the session of a connection.
func (s *Simulator) newSubmission(c *smtp.Conn) (smtp.Session, error) {
	if fault, hit := s.Strike(s.life, AtSMTPDial); hit {
		return nil, hangup(c, fault)
	}
	return &submission{provider: s, conn: c}, nil
}

// AuthMechanisms are those of the provider.
func (s *submission) AuthMechanisms() []string { return s.provider.options.Personality.Mechanisms }

// Auth starts a sign-in.
func (s *submission) Auth(mechanism string) (sasl.Server, error) {
	p := s.provider.options.Personality
	if !slices.Contains(p.Mechanisms, mechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	server, err := saslServer(mechanism, p.BearerChallenge,
		func(login, password string) error {
			return s.signIn(login, func() (*user, error) { return s.provider.byPassword(login, password) })
		},
		func(name, token string) error {
			return s.signIn(name, func() (*user, error) { return s.provider.byToken(name, token, oauthsim.UseSMTP) })
		})
	if errors.Is(err, errMechanism) {
		return nil, smtp.ErrAuthUnknownMechanism
	}
	return server, err
}

// signIn opens an account, unless a fault is due or the tenant has switched it off.
func (s *submission) signIn(login string, open func() (*user, error)) error {
	if fault, hit := s.provider.Strike(s.provider.life, AtAuth, login); hit {
		return hangup(s.conn, fault)
	}
	if s.provider.smtpAuthOff.Load() {
		return smtpReply("535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. " +
			"Visit https://aka.ms/smtp_auth_disabled for more information.")
	}
	u, err := open()
	switch {
	case errors.Is(err, errNeedsAppPassword):
		return smtpReply("534 5.7.9 Application-specific password required. For more information, go to https://support.google.com/mail/?p=InvalidSecondFactor")
	case err != nil:
		return smtpReply(s.provider.options.Personality.AuthRefusal)
	}
	s.user = u
	s.takeSlot()
	return nil
}

// Mail takes the envelope sender, which must be the account's own.
func (s *submission) Mail(from string, _ *smtp.MailOptions) error {
	if s.user == nil {
		return smtpReply("530 5.7.0 Authentication required")
	}
	if fault, hit := s.provider.Strike(s.provider.life, AtMail, from, s.user.account.Login); hit {
		return hangup(s.conn, fault)
	}
	if p := s.provider.options.Personality; !p.AnySender && !s.provider.maySendAs(s.user, from) {
		return s.refusal(p.SenderRefusal, from)
	}
	s.from = from
	return nil
}

// Rcpt takes a recipient: unknown ones of the provider's own domains are refused.
func (s *submission) Rcpt(to string, _ *smtp.RcptOptions) error {
	if fault, hit := s.provider.Strike(s.provider.life, AtRcpt, to); hit {
		return hangup(s.conn, fault)
	}
	if s.provider.owns(to) && s.provider.byAddress(to) == nil {
		return smtpReply("550 5.1.1 No such user here")
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
	if fault, hit := s.provider.Strike(s.provider.life, AtData, names...); hit {
		return hangup(s.conn, fault)
	}
	if refused := s.refuses(content); refused != nil {
		return refused
	}
	_, secured := s.conn.TLSConnectionState()
	m := Mail{At: time.Now(), Via: "smtp", User: s.user.account.Login, From: s.from, To: s.to, Content: content, TLS: secured}
	p := &s.provider.options.Personality
	if p.ForeignFrom == RewriteFrom {
		m.From = s.user.account.Address // as in the header, so in the envelope
	}
	id, err := s.provider.post(s.provider.life, s.user, posting{mail: m, file: p.FilesSent, delay: p.SentDelay, twice: p.FilesTwice})
	if err != nil {
		return smtpReply("451 4.3.0 Cannot deliver now")
	}
	if fault, hit := s.provider.Strike(s.provider.life, AfterData, names...); hit {
		return hangup(s.conn, fault)
	}
	if p.NewIDs != "" {
		return smtpReply("250 2.0.0 OK " + id + " [Hostname=SIMULATOR.prod.outlook.com]")
	}
	return smtpReply("250 2.0.0 OK, posted")
}

// refuses gives the reply to a complete message that the provider does not send.
func (s *submission) refuses(content []byte) error {
	p := &s.provider.options.Personality
	if !s.takeSlot() {
		return smtpReply("432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname=SIMULATOR.prod.outlook.com]")
	}
	if p.ForeignFrom == RefuseFrom {
		for _, from := range []string{s.from, fromAddress(content)} {
			if from != "" && !s.provider.maySendAs(s.user, from) {
				return s.refusal(p.FromRefusal, from)
			}
		}
	}
	if !s.user.takeMessage() {
		return smtpReply(p.LimitRefusal)
	}
	return nil
}

// takeSlot makes this one of the account's connections that may submit.
func (s *submission) takeSlot() bool {
	if !s.slot {
		s.slot = s.user.takeSlot(s.provider.options.Personality.Connections)
	}
	return s.slot
}

// refusal fills in a reply of the personality.
func (s *submission) refusal(reply, from string) error {
	return smtpReply(strings.NewReplacer("{user}", s.user.account.Login, "{from}", from).Replace(reply))
}

// Reset forgets the transaction.
func (s *submission) Reset() { s.from, s.to = "", nil }

// Logout ends the session.
func (s *submission) Logout() error {
	if s.slot {
		s.user.giveSlot()
		s.slot = false
	}
	return nil
}

// hangup answers with a fault, or closes the connection.
func hangup(c *smtp.Conn, fault Fault) error {
	if fault.Hangup {
		c.Conn().Close() //nolint:errcheck // that is the fault
	}
	return smtpReply(fault.Reply)
}
