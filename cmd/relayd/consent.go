package main

import (
	"context"
	"errors"
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin/pages"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/relay/oauth"
	"github.com/relayd/relayd/store"
)

// buildPages makes what a person sees who followed a link.
func (p *program) buildPages(context.Context) (err error) {
	p.pages, err = pages.New(pages.Options{
		Links: links{p.notices.Links()}, Accounts: pageAccounts{p}, Consents: consents{p},
		Secure: p.cfg.Admin.PublicURL != "" || p.cfg.Admin.Certificate != "", Log: p.out,
	})
	return err
}

// links gives the pages the one-time links, with the words for strangers.
type links struct{ *notice.Links }

func (links) Public(err error) string { return notice.Public(err) }

// pageAccounts gives the pages the accounts.
type pageAccounts struct{ p *program }

func (a pageAccounts) Get(ctx context.Context, id string) (*relay.Account, error) {
	return a.p.directory.Accounts().Get(ctx, id)
}

// MayType: people choose their servers where no administrator has prepared them.
func (a pageAccounts) MayType(ctx context.Context, rec *relay.Account) (bool, error) {
	s, err := a.p.starter(ctx, rec.Organisation, rec.Address.Domain)
	return s == nil || s.OwnServers, err
}

func (a pageAccounts) Save(ctx context.Context, rec *relay.Account, password relay.Secret) error {
	return a.p.accounts.Save(ctx, rec, password)
}

func (a pageAccounts) Verify(ctx context.Context, id, by string) error {
	return a.p.accounts.Verify(ctx, id, by)
}

func (a pageAccounts) Progress(id string) (relay.Verification, bool) {
	return a.p.accounts.Progress(id)
}

func (a pageAccounts) Bind(ctx context.Context, id string, b relay.Binding) error {
	return a.p.accounts.Bind(ctx, id, b)
}

// consents leads people to providers and back.
type consents struct{ p *program }

// vendors are whose applications an account of a provider can use.
func vendors(provider string) string {
	switch provider {
	case relay.ProviderGmail:
		return "google"
	case relay.ProviderOffice365:
		return "microsoft"
	}
	return ""
}

// Offer is the account's own application, else that of the starter configuration, else
// one of the provider's vendor, the organisation's before the operator's.
func (c consents) Offer(ctx context.Context, a *relay.Account) (*relay.App, error) {
	id := a.App
	if id == "" {
		s, err := c.p.starter(ctx, a.Organisation, a.Address.Domain)
		if err != nil {
			return nil, err
		}
		if s != nil {
			id = s.App
		}
	}
	if id != "" {
		app, err := c.p.directory.Apps().Get(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && app.Kind != relay.AppConsent {
			return nil, nil
		}
		return app, err
	}
	return c.ofVendor(ctx, a)
}

func (c consents) ofVendor(ctx context.Context, a *relay.Account) (*relay.App, error) {
	vendor := vendors(a.Provider)
	if vendor == "" {
		return nil, nil
	}
	var operators *relay.App
	for after := ""; ; {
		page, err := c.p.directory.Apps().List(ctx, after, store.DefaultPage)
		if err != nil {
			return nil, err
		}
		for _, app := range page {
			after = app.ID
			switch {
			case app.Vendor != vendor || app.Kind != relay.AppConsent:
			case app.Organisation == a.Organisation:
				return app, nil
			case app.Organisation == "" && operators == nil:
				operators = app
			}
		}
		if len(page) < store.DefaultPage {
			return operators, nil
		}
	}
}

// Begin asks for what the account's ladder needs.
func (c consents) Begin(ctx context.Context, a *relay.Account, app *relay.App, login string) (string, error) {
	start, err := c.p.tokens.Begin(ctx, c.request(a, app, login))
	return start.URL, shownConsent(err)
}

// request is what an account asks consent for. Where it works by something else, the
// consent is tried beside that.
func (consents) request(a *relay.Account, app *relay.App, login string) oauth.BeginRequest {
	asked := a.Settings
	asked.SignIn, asked.App = relay.SignInConsent, app.ID
	var resources []relay.Resource
	for _, way := range asked.Ladder() {
		if r := way.Resource(); !slices.Contains(resources, r) {
			resources = append(resources, r)
		}
	}
	return oauth.BeginRequest{
		App: app.ID, Organisation: a.Organisation, Account: a.ID, Address: a.Address, Shared: a.User == "", Login: login, Resources: resources,
		Candidate: a.State.Usable() && (a.SignIn != relay.SignInConsent || a.App != app.ID), Return: "/",
	}
}

func (c consents) Finish(ctx context.Context, back pages.Back) (account, app string, candidate bool, err error) {
	_, result, err := c.p.tokens.Finish(ctx, oauth.FinishRequest{
		State: back.State, Code: back.Code, Issuer: back.Issuer, Error: back.Error, Description: back.Description, Login: back.Login,
	})
	return result.Account, result.App, result.Candidate, shownConsent(err)
}

// adminLogin ties an administrator's consent to what asked for it. Whoever comes back
// with its state did so through the same application; all that follows is a date.
const adminLogin = "administrator's consent"

func (c consents) FinishAdmin(ctx context.Context, back pages.Back) error {
	app, err := c.p.tokens.FinishAdminConsent(ctx, oauth.AdminConsentRequest{
		State: back.State, Tenant: back.Tenant, Granted: back.Admin == "True",
		Error: back.Error, Description: back.Description, Login: adminLogin,
	})
	if err == nil {
		err = c.p.accounts.Mended(ctx, app.ID)
	}
	return shownConsent(err)
}

// shownConsent makes the errors of a consent that are written for people ones that can
// be shown.
func shownConsent(err error) error {
	var address *oauth.AddressError
	var scope *oauth.ScopeError
	var token *relay.TokenError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &address):
		return &relay.FieldError{Field: "address", Message: sentence(address)}
	case errors.As(err, &scope):
		return &relay.FieldError{Field: "consent", Message: sentence(scope)}
	case errors.As(err, &token):
		return &relay.FieldError{Field: "consent", Message: "The provider's sign-in service gives no access (" + token.Reply.String() + "): try again later."}
	}
	for _, known := range []error{
		oauth.ErrState, oauth.ErrIssuer, oauth.ErrDenied, oauth.ErrIdentity, oauth.ErrNoRefresh, oauth.ErrBusy, oauth.ErrApp, oauth.ErrNoDevice,
	} {
		if errors.Is(err, known) {
			return &relay.FieldError{Field: "consent", Message: sentence(err)}
		}
	}
	return err
}

// sentence writes an error as one.
func sentence(err error) string {
	text := relay.Printable(err.Error())
	if text == "" {
		return text
	}
	return string(upper(rune(text[0]))) + text[1:] + "."
}

func upper(r rune) rune {
	if r >= 'a' && r <= 'z' {
		return r - 'a' + 'A'
	}
	return r
}
