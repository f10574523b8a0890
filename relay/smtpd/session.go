package smtpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// session is what stands behind one connection: who it is and what it wants to
// send. It is a smtpwire.Session.
type session struct {
	server    *Server
	listener  *Listener
	client    relay.Client
	extended  bool             // EHLO, not HELO
	submitter *relay.Submitter // nil before the sign-in
	counted   string           // id of the submitter whose connections include this one
	envelope  relay.Envelope
}

func (s *Server) newSession(l *Listener, client relay.Client) *session {
	return &session{server: s, listener: l, client: client}
}

// Hello notes who the client says it is.
func (s *session) Hello(client relay.Client, extended bool) {
	s.client, s.extended = client, extended
}

// Mail begins a transaction.
func (s *session) Mail(ctx context.Context, from smtpwire.Sender) error {
	s.envelope = relay.Envelope{ReturnPath: from.Address}
	if err := s.checkMail(ctx, from); err != nil {
		return s.answer(err)
	}
	s.envelope = relay.Envelope{
		ReturnPath: from.Address,
		Ret:        from.Ret,
		EnvID:      from.EnvID,
		SMTPUTF8:   from.SMTPUTF8,
		EightBit:   from.EightBit,
	}
	return nil
}

func (s *session) checkMail(ctx context.Context, from smtpwire.Sender) error {
	if err := s.checkLiteral(from.Address); err != nil {
		return err
	}
	if err := s.checkSubmitter(ctx); err != nil {
		return err
	}
	if err := s.server.opts.Acceptor.Sender(ctx, s.submitter, from.Address); err != nil {
		return err
	}
	return s.server.opts.Acceptor.Room(ctx, from.Size)
}

// checkLiteral refuses addresses like user@[192.0.2.1] unless they are wanted: they
// name hosts inside just as well as outside (attack row A7).
func (s *session) checkLiteral(a relay.Address) error {
	if strings.HasPrefix(a.Domain, "[") && !s.server.opts.AddressLiterals {
		return relay.Refuse(553, relay.Enhanced{5, 1, 3}, "Address literals are not taken")
	}
	return nil
}

// Rcpt adds a recipient.
func (s *session) Rcpt(_ context.Context, r relay.Recipient) error {
	if err := s.checkLiteral(r.Address); err != nil {
		return s.answer(err)
	}
	s.envelope.Recipients = append(s.envelope.Recipients, r)
	return nil
}

// Data hands the message over.
func (s *session) Data(ctx context.Context, content io.Reader) (relay.ID, error) {
	sub := &relay.Submission{Client: s.client, Submitter: s.submitter, Protocol: s.protocol(), Envelope: s.envelope}
	m := &measured{r: content}
	id, err := s.server.opts.Acceptor.Accept(ctx, sub, m)
	switch {
	case m.failed != nil && !isVerdict(m.failed):
		return id, m.failed // the connection broke: there is nobody to answer
	case m.failed != nil:
		return id, s.answer(contentError(m.failed))
	case err != nil:
		return id, s.answer(err)
	case m.ended.IsZero():
		return id, s.answer(errors.New("the acceptor took a message without reading it to its end"))
	}
	s.server.opts.Observer.Accepted(sub, id, m.size, time.Since(m.ended))
	return id, nil
}

// contentError is the answer to content that cannot be a message.
func contentError(err error) *relay.Error {
	e := relay.Refuse(552, relay.Enhanced{5, 3, 4}, "The message is larger than allowed")
	if errors.Is(err, smtpwire.ErrBadContent) {
		e = relay.Refuse(554, relay.Enhanced{5, 6, 0}, "The message holds a bare CR, a bare LF or a NUL")
	}
	e.Cause = err
	return e
}

// isVerdict reports whether an error of reading is about what the content is.
func isVerdict(err error) bool {
	return errors.Is(err, smtpwire.ErrBadContent) || errors.Is(err, smtpwire.ErrTooLarge)
}

// measured notes the size of the content, when it was there and why it was not,
// whatever the Acceptor makes of that.
type measured struct {
	r      io.Reader
	size   int64
	ended  time.Time
	failed error
}

func (m *measured) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.size += int64(n)
	switch {
	case err == io.EOF && m.ended.IsZero():
		m.ended = time.Now()
	case err != nil && err != io.EOF:
		m.failed = err
	}
	return n, err
}

// protocol is the "with" keyword of RFC 3848 and RFC 6531 §4.3.
func (s *session) protocol() string {
	if !s.extended {
		return "SMTP"
	}
	name := "ESMTP"
	if s.envelope.SMTPUTF8 {
		name = "UTF8SMTP"
	}
	if s.client.TLS != "" {
		name += "S"
	}
	if s.listener.Mode != smtpwire.ModePlain {
		name += "A"
	}
	return name
}

// Acknowledged passes on that the client saw the answer.
func (s *session) Acknowledged(id relay.ID) { s.server.opts.Acceptor.Acknowledged(id) }

// Reset ends a transaction.
func (s *session) Reset() { s.envelope = relay.Envelope{} }

// Close ends the session.
func (s *session) Close() {
	s.Reset()
	s.countFor("")
}

// public makes of an error what the client may be told. All errors of the steps
// behind this one come through here.
func public(err error) error {
	if errors.Is(err, store.ErrUnknown) {
		// Promise G2: whether the message was kept is unknown, so nobody may say so.
		return fmt.Errorf("%w: %w", smtpwire.ErrHangUp, err)
	}
	var e *relay.Error
	if !errors.As(err, &e) {
		e = relay.Fault(err)
	}
	return e
}

// answer is public, and lets the Observer hear of it.
func (s *session) answer(err error) error {
	err = public(err)
	var e *relay.Error
	if !errors.As(err, &e) || errors.Is(err, smtpwire.ErrHangUp) {
		return err
	}
	s.Refused(e)
	return e
}

// Refused lets the Observer hear of a refusal, whoever gave it.
func (s *session) Refused(err *relay.Error) {
	submitter := ""
	if s.submitter != nil {
		submitter = s.submitter.ID
	}
	s.server.opts.Observer.Refused(s.client, submitter, s.envelope.ReturnPath, err)
}
