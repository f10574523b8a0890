package main

import (
	"context"
	"errors"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/relay/oauth"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store"
)

// mender gives the API what leads people to their accounts.
type mender struct{ p *program }

// errNoPages refuses what needs a page that people can reach.
func errNoPages() error {
	return &admin.Conflict{Message: "relayd does not know where people reach its pages: set admin.public_url."}
}

func (m mender) Link(ctx context.Context, a *relay.Account, purpose relay.LinkPurpose) (string, time.Time, error) {
	if m.p.publicURL("") == "" {
		return "", time.Time{}, errNoPages()
	}
	token, link, err := m.p.notices.Links().Make(ctx, purpose, a.ID, a.Organisation, m.p.cfg.Notices.LinkLifetime)
	if err != nil {
		return "", time.Time{}, err
	}
	return m.p.publicURL(notice.LinkPath + token), link.Expires, nil
}

func (m mender) Invite(ctx context.Context, a *relay.Account, by string) (time.Time, error) {
	to, err := m.person(ctx, a)
	if err != nil {
		return time.Time{}, err
	}
	link, err := m.p.notices.Invite(ctx, notice.Request{Account: a.ID, Organisation: a.Organisation, To: to, By: by})
	if err != nil {
		return time.Time{}, refusedMail(err)
	}
	return link.Expires, nil
}

// person is to whom mail about an account goes: its user, or the mailbox itself.
func (m mender) person(ctx context.Context, a *relay.Account) (relay.Address, error) {
	if a.User == "" {
		return a.Address, nil
	}
	u, err := m.p.directory.Users().Get(ctx, a.User)
	if err != nil {
		return relay.Address{}, err
	}
	return u.Address, nil
}

func (m mender) SendCode(ctx context.Context, a *relay.Account, by string) (string, time.Time, error) {
	if m.p.publicURL("") == "" {
		return "", time.Time{}, errNoPages()
	}
	token, link, err := m.p.notices.SendCode(ctx, notice.Request{Account: a.ID, Organisation: a.Organisation, To: a.Address, By: by})
	if err != nil {
		return "", time.Time{}, refusedMail(err)
	}
	return m.p.publicURL(notice.LinkPath + token), link.Expires, nil
}

func refusedMail(err error) error {
	switch {
	case errors.Is(err, notice.ErrTooMany):
		return &admin.Conflict{Message: "Too many of these mails were sent about this account. Try again later.", Cause: err}
	case errors.Is(err, notice.ErrNoPages):
		return errNoPages()
	}
	return err
}

func (m mender) BeginDevice(ctx context.Context, a *relay.Account, app, by string) (api.Device, error) {
	chosen := *a
	if app != "" {
		chosen.App = app
	}
	offered, err := consents(m).Offer(ctx, &chosen)
	if err != nil {
		return api.Device{}, err
	}
	if offered == nil {
		return api.Device{}, &relay.FieldError{Field: "app", Message: "There is no OAuth application by which this person could consent."}
	}
	request := consents{}.request(a, offered, by)
	request.Done = m.consented
	d, err := m.p.tokens.BeginDevice(ctx, request)
	return viewDevice(d), shownConsent(err)
}

// Device tells how a consent by code stands.
func (m mender) Device(_ context.Context, a *relay.Account, id, by string) (api.Device, error) {
	d, err := m.p.tokens.DeviceProgress(id, by)
	if errors.Is(err, oauth.ErrState) || err == nil && d.Result.Account != a.ID {
		return api.Device{}, store.ErrNotFound
	}
	return viewDevice(d), err
}

// consented makes an account sign in by a consent that was just given by code, and
// proves it. An account that works by the same application goes on with the new consent.
func (m mender) consented(d oauth.Device) {
	ctx := context.Background()
	a, err := m.p.directory.Accounts().Get(ctx, d.Result.Account)
	if err == nil && !(a.State.Usable() && a.SignIn == relay.SignInConsent && a.App == d.Result.App) {
		a.SignIn, a.App = relay.SignInConsent, d.Result.App
		if err = m.p.accounts.Save(ctx, a, ""); err == nil {
			err = m.p.accounts.Verify(ctx, a.ID, "consent by code")
		}
	}
	if err != nil && !errors.Is(err, store.ErrInUse) && !errors.Is(err, store.ErrNotFound) {
		m.p.mail.Fault("use a consent by code", relay.ID{}, err)
	}
}

func viewDevice(d oauth.Device) api.Device {
	out := api.Device{ID: d.ID, UserCode: d.UserCode, VerificationURL: d.VerificationURL, Expires: d.Expires.UTC(), State: string(d.State)}
	if err := shownConsent(d.Err); err != nil {
		var shown *relay.FieldError
		out.Message = "It failed because of a fault of relayd's own. Its log has the cause."
		if errors.As(err, &shown) {
			out.Message = shown.Message
		}
	}
	return out
}

func (m mender) AdminConsent(ctx context.Context, app *relay.App, organisation string) (string, error) {
	start, err := m.p.tokens.AdminConsentURL(ctx, app.ID, organisation, adminLogin)
	if err != nil {
		return "", shownConsent(err)
	}
	return start.URL, nil
}

// hooks makes and tries webhooks for the API.
type hooks struct{ p *program }

func (h hooks) Events() []string {
	return []string{
		string(relay.AccountEventVerified), string(relay.AccountEventNotVerified), string(relay.AccountEventParked),
		string(relay.AccountEventDegraded), string(relay.AccountEventRestored), string(relay.AccountEventStepDown),
		string(relay.AccountEventQuota), string(relay.AccountEventExpiring),
	}
}

func (h hooks) NewSecret(id string) (relay.Secret, []byte, error) {
	secret := webhook.NewSecret()
	sealed, err := webhook.Seal(h.p.box, id, secret)
	return secret, sealed, err
}

func (h hooks) CheckURL(text string) error { return webhook.CheckURL(text) }

func (h hooks) Test(ctx context.Context, id string) (api.WebhookTrial, error) {
	tried, err := h.p.webhooks.Test(ctx, id)
	if errors.Is(err, webhook.ErrBusy) {
		return api.WebhookTrial{}, &admin.Conflict{Message: sentence(webhook.ErrBusy), Cause: err}
	}
	if err != nil {
		return api.WebhookTrial{}, err
	}
	return api.WebhookTrial{Taken: tried.Taken, Status: tried.Status, Message: tried.Message}, nil
}
