package account

import (
	"crypto/tls"
	"errors"
	"strings"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// side is one of the two servers of an account, in the words of
// Verification.Field.
type side string

const (
	sending side = "smtp"
	reading side = "imap"
)

// trouble is what went wrong at a server, as far as its explanation needs it.
type trouble struct {
	side   side
	server relay.Server
	login  string
	where  relay.Where
	reply  relay.Reply
	web    relay.Way // the API, if it is none of the two servers
	bearer bool      // the sign-in was by access token
	dialed bool      // the connection itself was made
	plain  bool      // the port spoke without TLS where TLS was expected
	class  relay.Class

	unknown   bool // a mail may have been taken all the same
	forbidden bool // the sign-in is good, but does not permit this
}

// kinds are those of relay.Local; "certificate" and so on stand in front of its
// detail.
func kinds() []string {
	return []string{"dns", "refused", "timeout", "reset", "address refused", "certificate", "handshake",
		"starttls missing", "no mechanism", "login disabled", "connection lost", "protocol"}
}

// local gives the kind of a failure without an answer, and its detail; both are
// empty if the server answered.
func (t *trouble) local() (kind, detail string) {
	text, isLocal := strings.CutPrefix(t.reply.Text, "local: ")
	if !isLocal || t.reply.Code != 0 {
		return "", ""
	}
	for _, kind := range kinds() {
		if detail, found := strings.CutPrefix(text, kind); found {
			return kind, strings.TrimSpace(detail)
		}
	}
	return "protocol", text
}

// troubleOfSMTP reads an error of the client for sending.
func (s *Service) troubleOfSMTP(c *relay.Credentials, err error, dialed bool) *trouble {
	t := &trouble{side: sending, server: c.Account.SMTP, login: c.SMTPLogin(), where: relay.AtConnect, dialed: dialed}
	var e *smtpwire.ClientError
	if !errors.As(err, &e) {
		e = smtpwire.DialError(err)
	}
	var notTLS tls.RecordHeaderError
	t.where, t.reply, t.plain = e.Where, e.Reply, errors.As(err, &notTLS)
	t.bearer, t.class = c.Bearer(), s.o.Classifier.Classify(e.Answer(c.Account.Rules()))
	return t
}

// troubleOfIMAP reads an error of the client for reading.
func (s *Service) troubleOfIMAP(c *relay.Credentials, err error) *trouble {
	t := &trouble{side: reading, server: c.Account.IMAP, login: c.IMAPLogin(), where: relay.AtIMAP}
	var e *mailbox.Error
	if !errors.As(err, &e) {
		t.reply = relay.Local("protocol", err.Error())
		return t
	}
	switch e.Step {
	case mailbox.StepConnect:
		t.where = relay.AtConnect
	case mailbox.StepTLS:
		t.where = relay.AtTLS
	case mailbox.StepAuth:
		t.where = relay.AtAuth
	}
	t.reply, t.plain, t.dialed = e.Reply(), e.Plain, e.Dialed
	t.bearer, t.class = c.Bearer(), s.o.Classifier.Classify(e.Answer(c.Account.Rules()))
	return t
}

// troubleOfWeb reads an error of an API.
func (s *Service) troubleOfWeb(c *relay.Credentials, way relay.Way, err error) *trouble {
	t := &trouble{web: way, server: relay.Server{Host: webHost(c, way), Port: httpsPort}, login: c.EWSLogin(), where: relay.AtConnect, bearer: c.Bearer()}
	var e *webmail.Error
	if !errors.As(err, &e) {
		t.where, t.reply = relay.AtAfterDot, relay.Local("protocol", err.Error())
		return t
	}
	t.where, t.reply, t.unknown, t.forbidden = e.Where, e.Reply, e.Unknown, errors.Is(err, webmail.ErrNotPermitted)
	t.class = s.o.Classifier.Classify(e.Answer())
	t.class.Pause = max(t.class.Pause, e.RetryAfter)
	return t
}

const httpsPort = 443

// webHost is the server of an API, for people.
func webHost(c *relay.Credentials, way relay.Way) string {
	if way == relay.WayEWS {
		return hostOf(c.Account.EWS)
	}
	return nameOf(way)
}

// problemOfCredentials says why an account cannot be signed in to at all.
func (s *Service) problemOfCredentials(a *relay.Account, err error) *problem {
	var e *relay.TokenError
	var field *relay.FieldError
	switch {
	case errors.As(err, &field):
		return &problem{field: field.Field, message: field.Message}
	case errors.As(err, &e):
		t := &trouble{where: relay.AtToken, reply: e.Reply, bearer: true,
			class: s.o.Classifier.Classify(relay.Answer{Where: relay.AtToken, Provider: a.Rules(), Reply: e.Reply})}
		return t.explain()
	case a.SignIn == relay.SignInPassword:
		return &problem{field: "password", message: "The password that relayd keeps cannot be read: type it again."}
	}
	return &problem{field: "consent", message: "There is no consent for this account: connect it."}
}
