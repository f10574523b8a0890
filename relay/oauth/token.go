package oauth

import (
	"context"
	"fmt"
	"strconv"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/relayd/relayd/relay"
)

// Token gives an access token for a resource of an account, by the account's own
// settings, and the application that it is of: without its secret, and with every
// address of the vendor filled in. An error is a *relay.TokenError.
//
// Accounts that sign in with the secret of an application get one only once their
// address is bound to its user (ErrNotBound).
func (s *Service) Token(ctx context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error) {
	return s.token(ctx, a, a.Settings, a.ID, r, "")
}

// Renew gives an access token after a server refused stale. If the one in memory is
// another by now, it is that; otherwise a new one is fetched, at most one in a minute.
func (s *Service) Renew(ctx context.Context, a *relay.Account, r relay.Resource, stale relay.Secret) (relay.Secret, *relay.App, error) {
	return s.token(ctx, a, a.Settings, a.ID, r, stale)
}

// CandidateToken is Token by the consent that is tried beside the one in force, and by
// the settings of the account's candidate; by its own if it has none.
func (s *Service) CandidateToken(ctx context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error) {
	return s.RenewCandidate(ctx, a, r, "")
}

// RenewCandidate is Renew for CandidateToken.
func (s *Service) RenewCandidate(ctx context.Context, a *relay.Account, r relay.Resource, stale relay.Secret) (relay.Secret, *relay.App, error) {
	settings := a.Settings
	if a.Candidate != nil {
		settings = a.Candidate.Settings
	}
	return s.token(ctx, a, settings, relay.CandidateGrant(a.ID), r, stale)
}

func (s *Service) token(ctx context.Context, a *relay.Account, settings relay.Settings, grant string, r relay.Resource, stale relay.Secret) (relay.Secret, *relay.App, error) {
	src, err := s.source(ctx, a, settings, grant)
	if err != nil {
		return "", nil, tokenError(settings.App, err)
	}
	token, err := s.obtain(ctx, src, r, stale)
	if err != nil {
		return "", nil, tokenError(settings.App, err)
	}
	return token, src.realm.public(), nil
}

// source finds out of what an account's tokens are made.
func (s *Service) source(ctx context.Context, a *relay.Account, settings relay.Settings, grant string) (*source, error) {
	app, err := s.app(ctx, settings.App, a.Organisation)
	if err != nil {
		return nil, err
	}
	m, err := s.realm(app)
	if err != nil {
		return nil, err
	}
	switch {
	case settings.SignIn == relay.SignInConsent && app.Kind == relay.AppConsent:
		return s.consentSource(ctx, m, a, grant)
	case settings.SignIn == relay.SignInApp && app.Kind != relay.AppConsent:
		if a.Binding.Kind == relay.BindingNone {
			return nil, fmt.Errorf("account %s: %w", a.ID, ErrNotBound)
		}
		return secretSource(m, a)
	}
	return nil, unusable("it is not of the kind that the account signs in with")
}

func (s *Service) consentSource(ctx context.Context, m *realm, a *relay.Account, grant string) (*source, error) {
	g, err := s.o.Grants.Get(ctx, grant)
	if isNotFound(err) {
		return nil, ErrNoConsent
	}
	if err != nil {
		return nil, fmt.Errorf("read the consent %s: %w", grant, err)
	}
	src := &source{
		key: g.ID, stamp: grantStamp(g), setting: setting(m.app), realm: m,
		grant: g.ID, account: a.ID, address: a.Address,
	}
	return src, usableGrant(g, m.app.ID)
}

// usableGrant refuses what has ended, in the vendor's own words, so that the reply
// rules read the same as when it ended.
func usableGrant(g *relay.Grant, app string) error {
	switch {
	case g.Ended != "":
		return &relay.TokenError{Reply: relay.Reply{Code: 400, Text: g.Ended}, App: app, Cause: ErrEnded}
	case g.App != app:
		return fmt.Errorf("%w: the consent is for another application", ErrNoConsent)
	}
	return nil
}

// grantStamp names one consent of a person, whatever its refresh token is now.
func grantStamp(g *relay.Grant) string {
	return g.App + " " + strconv.FormatInt(g.Obtained.UnixNano(), 36)
}

// setting names one state of an application.
func setting(app *relay.App) string { return app.ID + " " + strconv.FormatUint(app.Revision, 36) }

// secretSource is for applications whose secret opens every mailbox.
func secretSource(m *realm, a *relay.Account) (*source, error) {
	if len(m.app.Secret) == 0 {
		return nil, unusable("it has no secret")
	}
	src := &source{stamp: setting(m.app), setting: setting(m.app), realm: m, address: a.Address}
	if m.app.Kind == relay.AppOnly {
		if m.vendor.Tenant != "" && !m.oneTenant() {
			return nil, unusable("app-only access needs the id of the tenant")
		}
		src.key = "app " + m.app.ID // one token for all
		return src, nil
	}
	src.account = a.ID
	src.key = "mailbox " + m.app.ID + " " + a.Address.Key()
	return src, nil
}

// issue fetches a token by the secret of an application.
func (s *Service) issue(ctx context.Context, src *source, r relay.Resource) (*issued, error) {
	m := src.realm
	scopes, err := m.scopes(r)
	if err != nil {
		return nil, err
	}
	if m.app.Kind == relay.AppOnly {
		return s.ask(ctx, m, scopes, nil) // RFC 6749 §4.4
	}
	secret, err := s.secretOf(m.app)
	if err != nil {
		return nil, err
	}
	key, err := parseKeyFile([]byte(secret.Reveal()))
	if err != nil {
		return nil, err
	}
	// RFC 7523 §2.1; the token address of the key file is not used: whoever wrote the
	// file could name any.
	c := &jwt.Config{
		Email: key.Email, PrivateKey: []byte(key.PrivateKey), PrivateKeyID: key.PrivateKeyID,
		Subject: src.address.String(), Scopes: scopes, TokenURL: m.endpoints.Token,
		Audience: m.endpoints.Token, Expires: assertionLifetime,
	}
	return s.request(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return c.TokenSource(ctx).Token()
	})
}
