package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// Backend serves the sessions of a listener through go-smtp's own seam. ctx ends
// what its sessions do.
//
// relayd's own listeners do not use that library's server (design decision 1). What
// such a server lets through is checked here once more: addresses, line ends,
// errors of reading.
func (s *Server) Backend(ctx context.Context, listener string) (smtp.Backend, error) {
	for _, p := range s.ports {
		if p.Name == listener {
			return &backend{server: s, listener: &p.Listener, ctx: ctx}, nil
		}
	}
	return nil, fmt.Errorf("there is no listener %q", listener)
}

// backend makes one session for each connection of go-smtp's server.
type backend struct {
	server   *Server
	listener *Listener
	ctx      context.Context // go-smtp passes none
}

// NewSession is smtp.Backend.
func (b *backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	client := relay.Client{Addr: addrOf(c.Conn()), Hello: c.Hostname(), Listener: b.listener.Name}
	if state, secured := c.TLSConnectionState(); secured {
		client.TLS = tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	s := &seam{session: b.server.newSession(b.listener, client), conn: c, ctx: ctx, cancel: cancel}
	s.session.Hello(client, true)
	return s, nil
}

// seam is a session as go-smtp sees it: smtp.Session and smtp.AuthSession.
type seam struct {
	session *session
	conn    *smtp.Conn
	ctx     context.Context // of the connection
	cancel  context.CancelFunc
}

// AuthMechanisms is smtp.AuthSession.
func (s *seam) AuthMechanisms() []string { return mechanisms() }

// Auth is smtp.AuthSession.
func (s *seam) Auth(name string) (sasl.Server, error) {
	m, err := s.session.mechanism(s.ctx, name)
	if err != nil {
		return nil, toSMTP(err)
	}
	return seamMechanism{m}, nil
}

// seamMechanism answers a malformed response as such: go-smtp would say 454, and
// the client would come again.
type seamMechanism struct{ sasl.Server }

func (m seamMechanism) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := m.Server.Next(response)
	var public *relay.Error
	if err != nil && !errors.As(err, &public) {
		err = relay.Refuse(501, relay.Enhanced{5, 5, 2}, "Malformed authentication response")
	}
	return challenge, done, toSMTP(err)
}

// Mail is smtp.Session.
func (s *seam) Mail(from string, opts *smtp.MailOptions) error {
	if s.session.submitter == nil && s.session.listener.Mode != smtpwire.ModePlain {
		return toSMTP(relay.Refuse(530, relay.Enhanced{5, 7, 0}, "Authentication required"))
	}
	sender := smtpwire.Sender{
		Size: opts.Size, EightBit: opts.Body == smtp.Body8BitMIME, SMTPUTF8: opts.UTF8,
		EnvID: opts.EnvelopeID, Ret: retOf(opts.Return),
	}
	if from != "" {
		var err error
		if sender.Address, err = addressOf(from); err != nil {
			return toSMTP(err)
		}
	}
	return toSMTP(s.session.Mail(s.ctx, sender))
}

func retOf(r smtp.DSNReturn) relay.Ret {
	switch r {
	case smtp.DSNReturnFull:
		return relay.RetFull
	case smtp.DSNReturnHeaders:
		return relay.RetHeaders
	}
	return relay.RetUnset
}

// addressOf reads an address that go-smtp took the quotes off: it is quoted again,
// and then read strictly.
func addressOf(unquoted string) (relay.Address, error) {
	at := strings.LastIndexByte(unquoted, '@')
	if at < 0 {
		return relay.Address{}, relay.Refuse(553, relay.Enhanced{5, 1, 3}, "The address has no domain")
	}
	a, err := mailaddr.Parse(relay.Address{Local: unquoted[:at], Domain: unquoted[at+1:]}.String())
	if err != nil {
		return relay.Address{}, &relay.Error{Code: 553, Enhanced: relay.Enhanced{5, 1, 3}, Public: "The address is " + err.Error(), Cause: err}
	}
	return a, nil
}

// Rcpt is smtp.Session.
func (s *seam) Rcpt(to string, opts *smtp.RcptOptions) error {
	address, err := addressOf(to)
	if err != nil {
		return toSMTP(err)
	}
	r := relay.Recipient{Address: address}
	for _, n := range opts.Notify {
		r.Notify |= notifyOf(n)
	}
	if opts.OriginalRecipient != "" {
		r.ORcpt = string(opts.OriginalRecipientType) + ";" + opts.OriginalRecipient
	}
	return toSMTP(s.session.Rcpt(s.ctx, r))
}

func notifyOf(n smtp.DSNNotify) relay.Notify {
	switch n {
	case smtp.DSNNotifySuccess:
		return relay.NotifySuccess
	case smtp.DSNNotifyFailure:
		return relay.NotifyFailure
	case smtp.DSNNotifyDelayed:
		return relay.NotifyDelay
	}
	return relay.NotifyNever
}

// Data is smtp.Session. After an error of reading go-smtp would run the rest of
// the body as commands, so the connection is closed first.
func (s *seam) Data(r io.Reader) error {
	limit := s.session.server.opts.Wire.MaxSize
	if limit == 0 {
		limit = smtpwire.DefaultMaxSize
	}
	body := &measured{r: smtpwire.CheckContent(r, limit)}
	id, err := s.session.Data(s.ctx, body)
	switch {
	case errors.Is(err, smtpwire.ErrHangUp), body.failed != nil && !isVerdict(body.failed):
		return errors.Join(err, s.conn.Conn().Close())
	case err != nil:
		return toSMTP(err)
	}
	// go-smtp has no other way to give the text of a success.
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "queued as " + id.String()}
}

// Reset is smtp.Session.
func (s *seam) Reset() { s.session.Reset() }

// Logout is smtp.Session.
func (s *seam) Logout() error {
	s.cancel()
	s.session.Close()
	return nil
}

// toSMTP makes the error type that go-smtp asserts by type. Every error goes
// through here: any other would become a permanent 554 with its own text.
func toSMTP(err error) error {
	if err == nil {
		return nil
	}
	var e *relay.Error
	if !errors.As(err, &e) {
		e = relay.Fault(err)
	}
	return &smtp.SMTPError{Code: e.Code, EnhancedCode: smtp.EnhancedCode(e.Enhanced), Message: e.Public}
}
