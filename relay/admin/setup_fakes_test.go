package admin

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func (f *fakeAccounts) Delete(ctx context.Context, id string) error {
	f.Cancel(id)
	return f.dir.Accounts().Delete(ctx, id)
}

func (f *fakeAccounts) change(ctx context.Context, id string, do func(*relay.Account)) error {
	a, err := f.dir.Accounts().Get(ctx, id)
	if err != nil {
		return err
	}
	do(a)
	return f.dir.Accounts().Put(ctx, a)
}

func (f *fakeAccounts) AddAlias(ctx context.Context, id string, address relay.Address) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Aliases = append(a.Aliases, relay.Alias{Address: address}) })
}

func (f *fakeAccounts) RemoveAlias(ctx context.Context, id string, _ relay.Address) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Aliases = nil })
}

func (f *fakeAccounts) Bind(ctx context.Context, id string, b relay.Binding) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Binding = b })
}

func (f *fakeAccounts) VerifyAlias(ctx context.Context, id string, address relay.Address, by string) error {
	if !strings.HasPrefix(address.Local, "sales") {
		return &relay.FieldError{Field: "alias", Message: "It is no address of this account."}
	}
	return f.Verify(ctx, id, by)
}

// fakeSealer seals by writing something else.
type fakeSealer struct{}

func (fakeSealer) SealAppSecret(app *relay.App, secret relay.Secret) ([]byte, error) {
	if secret == "no key file" {
		return nil, &relay.FieldError{Field: "secret", Message: "It is no key file."}
	}
	return []byte("sealed app " + app.ID), nil
}

// fakeMender makes links that lead nowhere.
type fakeMender struct{ dir store.Directory }

func (fakeMender) Link(_ context.Context, a *relay.Account, purpose relay.LinkPurpose) (string, time.Time, error) {
	return "https://relay.example/link/" + string(purpose) + "-" + a.ID, time.Now().Add(time.Hour), nil
}

func (fakeMender) Invite(_ context.Context, a *relay.Account, _ string) (time.Time, error) {
	if a.User == "" {
		return time.Time{}, &Conflict{Message: "Too many of these mails were sent."}
	}
	return time.Now().Add(time.Hour), nil
}

func (fakeMender) SendCode(_ context.Context, a *relay.Account, by string) (string, time.Time, error) {
	return "https://relay.example/link/code-" + a.ID + by, time.Now().Add(time.Hour), nil
}

func (fakeMender) BeginDevice(_ context.Context, _ *relay.Account, _, _ string) (api.Device, error) {
	return api.Device{ID: "d1", UserCode: "ABCD", VerificationURL: "https://vendor.example/device", Expires: time.Now(), State: "waiting"}, nil
}

func (fakeMender) Device(_ context.Context, _ *relay.Account, id, _ string) (api.Device, error) {
	if id != "d1" {
		return api.Device{}, store.ErrNotFound
	}
	return api.Device{ID: id, UserCode: "ABCD", VerificationURL: "https://vendor.example/device", Expires: time.Now(), State: "done"}, nil
}

func (fakeMender) AdminConsent(_ context.Context, app *relay.App, _ string) (string, error) {
	return "https://vendor.example/adminconsent?client_id=" + app.ClientID, nil
}

// fakeScout knows one provider.
type fakeScout struct{}

func (fakeScout) Discover(_ context.Context, address relay.Address, organisation, _ string) (api.Discovery, error) {
	return api.Discovery{Address: address.String(), Trail: []api.DiscoveryStep{{Source: "preset", Asked: organisation, Found: true}}, Suggestions: []api.Suggestion{{
		Settings: api.Settings{Provider: "imap", SMTP: &api.Server{Host: "smtp.example.com", Port: 465, TLS: "implicit"}}, Source: "preset",
		RegisteredDomains: []string{"example.com"}, SignIns: []string{"password"}, Hints: []api.ProviderHint{{Text: "Switch IMAP on."}},
	}}}, nil
}

func (fakeScout) Usage(*relay.Account) api.AccountUsage {
	return api.AccountUsage{Known: true, Day: api.Window{Messages: api.Book{Used: 3, Limit: 10, Left: 7}}}
}

func (fakeScout) Calendar(_ context.Context, organisation string, from, _ time.Time) ([]api.CalendarEntry, error) {
	if organisation == "" {
		return nil, nil
	}
	return []api.CalendarEntry{{When: from.Add(time.Hour), Kind: "app_secret", What: "Mail", Actor: "administrator", Sentence: "It ends."}}, nil
}

func (fakeScout) NameWarning(name string, _ relay.Address) string {
	if strings.Contains(name, "Bank") {
		return "Receivers may think that it is forged."
	}
	return ""
}

// fakeWebhooks takes https, and its pings are taken.
type fakeWebhooks struct{}

func (fakeWebhooks) NewSecret(id string) (relay.Secret, []byte, error) {
	return "whsec_canary", []byte("sealed " + id), nil
}

func (fakeWebhooks) CheckURL(text string) error {
	if !strings.HasPrefix(text, "https://") {
		return &relay.FieldError{Field: "url", Message: "It must be https."}
	}
	return nil
}

func (fakeWebhooks) Test(context.Context, string) (api.WebhookTrial, error) {
	return api.WebhookTrial{Taken: true, Status: 200, Message: "It works."}, nil
}

func (fakeWebhooks) Events() []string { return []string{"account.parked", "account.restored"} }

// fakeOwnership proves every claim whose domain is not "taken.example".
type fakeOwnership struct{ dir store.Directory }

var claims atomic.Int64

func (f fakeOwnership) Claim(ctx context.Context, organisation, domain string) (*relay.DomainClaim, error) {
	if !strings.Contains(domain, ".") {
		return nil, &relay.FieldError{Field: "domain", Message: "It is not a domain."}
	}
	c := &relay.DomainClaim{ID: fmt.Sprintf("claim_%d", claims.Add(1)), Organisation: organisation, Domain: domain, Token: "abc", Created: time.Now()}
	return c, f.dir.DomainClaims().Put(ctx, c)
}

func (f fakeOwnership) Check(ctx context.Context, id string) (*relay.DomainClaim, error) {
	c, err := f.dir.DomainClaims().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Domain == "taken.example" {
		return c, &Conflict{Message: "The domain belongs to another organisation."}
	}
	c.Proved = time.Now()
	return c, f.dir.DomainClaims().Put(ctx, c)
}

func (fakeOwnership) Record(c *relay.DomainClaim) (name, value string) {
	return "_challenge." + c.Domain, "token=" + c.Token
}
