package mailbox

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/bearer"
	"github.com/relayd/relayd/relay"
)

// signIn signs in by the token if there is one, else by the password. Nothing that
// was said before the sign-in counts after it (RFC 9051 §6.2.3).
func (m *Mailbox) signIn(ctx context.Context) error {
	signIn := m.byPassword
	if m.options.Token != "" {
		signIn = m.byToken
	}
	err := signIn(ctx)
	if err == nil {
		m.caps, err = m.capabilities(ctx)
	}
	return err
}

// byPassword prefers AUTHENTICATE PLAIN (RFC 4616): it carries any password, while a
// LOGIN with 8-bit characters is understood in more than one way.
func (m *Mailbox) byPassword(ctx context.Context) error {
	login, password := m.options.Login, m.options.Password.Reveal()
	if !sendable(login) || !sendable(password) {
		return failure(StepAuth, ErrBadValue)
	}
	before, err := m.capabilities(ctx)
	if err != nil {
		return err
	}
	switch {
	case before.Has(imap.AuthCap("PLAIN")):
		err = m.authenticate(ctx, sasl.NewPlainClient("", login, password))
	case before.Has(imap.CapLoginDisabled): // RFC 9051 §6.2.3: then LOGIN must not be sent
		e := failure(StepAuth, errors.New("the server takes neither LOGIN nor AUTHENTICATE PLAIN"))
		e.Kind = KindLoginDisabled
		return e
	default:
		err = m.do(ctx, operation{step: StepAuth}, func() error { return m.client.Login(login, password).Wait() })
	}
	return scrub(err, password)
}

// byToken takes the better one of the mechanisms that the server announces.
func (m *Mailbox) byToken(ctx context.Context) error {
	o := &m.options
	if !bearer.Sendable(o.Login, o.Token) {
		return failure(StepAuth, ErrBadValue)
	}
	before, err := m.capabilities(ctx)
	if err != nil {
		return err
	}
	for _, mechanism := range bearer.Mechanisms(o.Login, o.Server.Host, o.Server.Port, o.Token) {
		if before.Has(imap.AuthCap(mechanism.Name())) {
			_, message, _ := mechanism.Start() // it can be sent
			return scrub(m.authenticate(ctx, mechanism), o.Token.Reveal(), base64.StdEncoding.EncodeToString(message))
		}
	}
	e := failure(StepAuth, errors.New("the server takes no access token: it offers "+offered(before)))
	e.Kind = KindNoMechanism
	return e
}

// authenticate is one SASL exchange.
func (m *Mailbox) authenticate(ctx context.Context, mechanism sasl.Client) error {
	m.wire.signingIn.Store(true)
	defer m.wire.signingIn.Store(false)
	return m.do(ctx, operation{step: StepAuth}, func() error { return m.client.Authenticate(mechanism) })
}

// offered names the mechanisms of a server.
func offered(caps imap.CapSet) string {
	names := caps.AuthMechanisms()
	if len(names) == 0 {
		return "none"
	}
	slices.Sort(names)
	return relay.Printable(strings.Join(names, " "))
}

// scrub keeps a server that repeats a secret from having it written into logs and
// pages.
func scrub(err error, secrets ...string) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for _, secret := range secrets {
		if bearer.Repeats(e.Text, secret) || bearer.Repeats(e.detail(), secret) {
			e.Text = "(the server's words repeat what was sent, so they are not shown)"
			e.Err = errors.New(e.Text)
		}
	}
	return err
}
