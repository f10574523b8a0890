package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// AdminConsentRequest is what the browser of a tenant's administrator brought back.
type AdminConsentRequest struct {
	State       string
	Tenant      string // id of the tenant
	Granted     bool   // the parameter admin_consent was "True"
	Error       string
	Description string
	Login       string
}

// AdminConsentURL is where the administrator of a tenant consents for everybody in it:
// app-only access, or what people may no longer consent to themselves. It returns ErrApp
// where the vendor has no such page.
func (s *Service) AdminConsentURL(ctx context.Context, appID, organisation, login string) (Start, error) {
	if login == "" {
		return Start{}, errors.New("an administrator's consent needs a login")
	}
	app, err := s.app(ctx, appID, organisation)
	if err != nil {
		return Start{}, err
	}
	m, err := s.realm(app)
	if err != nil {
		return Start{}, err
	}
	if m.endpoints.AdminConsent == "" || app.Kind == relay.AppServiceAccount {
		return Start{}, unusable("its provider has no page for an administrator's consent")
	}
	if !isSecureURL(s.o.AdminRedirectURL) {
		return Start{}, unusable("relayd has no https address to which the provider could send the browser back")
	}
	scopes, err := m.scopes(relay.ResourceMail)
	if err != nil {
		return Start{}, err
	}
	f := &flow{
		BeginRequest: BeginRequest{App: app.ID, Organisation: organisation, Login: login},
		admin:        true, expires: time.Now().Add(FlowLifetime),
	}
	state, err := s.remember(f)
	if err != nil {
		return Start{}, err
	}
	q := url.Values{
		"client_id": {app.ClientID}, "redirect_uri": {s.o.AdminRedirectURL}, "state": {state},
		"scope": {strings.Join(scopes, " ")},
	}
	join := "?"
	if strings.Contains(m.endpoints.AdminConsent, "?") {
		join = "&"
	}
	return Start{URL: m.endpoints.AdminConsent + join + q.Encode(), State: state}, nil
}

// FinishAdminConsent ends what AdminConsentURL began, and notes the consent with the
// application. One of an organisation alone that names no tenant yet learns its tenant.
// It returns ErrState, ErrDenied, and ErrApp if it was the administrator of another
// tenant. The application that it returns has no secret.
func (s *Service) FinishAdminConsent(ctx context.Context, q AdminConsentRequest) (*relay.App, error) {
	f, err := s.take(q.State, q.Login, true)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Error != "":
		return nil, denial(q.Error, q.Description)
	case !q.Granted:
		return nil, ErrDenied
	}
	for range maxRaces {
		var app *relay.App
		if app, err = s.app(ctx, f.App, f.Organisation); err != nil {
			return nil, err
		}
		if err = s.consented(app, q.Tenant); err != nil {
			return nil, err
		}
		if err = s.o.Apps.Put(ctx, app); err == nil {
			app.Secret = nil
			return app, nil
		}
		if !errors.Is(err, store.ErrStale) {
			break
		}
	}
	return nil, fmt.Errorf("note the consent for application %s: %w", f.App, err)
}

func (s *Service) consented(app *relay.App, tenant string) error {
	m, err := s.realm(app)
	if err != nil {
		return err
	}
	app.ConsentedAt = now()
	if m.oneTenant() {
		if tenant != "" && isTenantID(m.tenant) && !strings.EqualFold(tenant, m.tenant) {
			return unusable("the consent is of another tenant than its own")
		}
		return nil
	}
	if app.Organisation != "" && app.Kind == relay.AppOnly && isTenantID(tenant) {
		app.Tenant = strings.ToLower(tenant)
	}
	return nil
}
