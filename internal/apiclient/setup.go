package apiclient

import (
	"context"
	"net/http"

	"github.com/relayd/relayd/internal/api"
)

// Apps lists all OAuth applications that the filter leaves: organisation.
func (c *Client) Apps(ctx context.Context, f Filter) ([]api.App, error) {
	return all[api.App](ctx, c, "/apps", f)
}

// CreateApp makes an OAuth application known.
func (c *Client) CreateApp(ctx context.Context, in api.AppInput) (*api.App, error) {
	return record[api.App](ctx, c, http.MethodPost, "/apps", "", in)
}

// App gets an OAuth application by its id.
func (c *Client) App(ctx context.Context, id string) (*api.App, error) {
	return record[api.App](ctx, c, http.MethodGet, at("/apps", id), "", nil)
}

// UpdateApp changes the application if it still has the revision.
func (c *Client) UpdateApp(ctx context.Context, id string, revision uint64, in api.AppInput) (*api.App, error) {
	return record[api.App](ctx, c, http.MethodPut, at("/apps", id), tag(revision), in)
}

// DeleteApp deletes an OAuth application.
func (c *Client) DeleteApp(ctx context.Context, id string) error {
	return c.remove(ctx, at("/apps", id))
}

// AdminConsent is where the administrator of a tenant consents for everybody in it.
func (c *Client) AdminConsent(ctx context.Context, app string) (*api.AdminConsent, error) {
	return record[api.AdminConsent](ctx, c, http.MethodPost, at("/apps", app)+"/admin-consent", "", nil)
}

// Starters lists all starter configurations that the filter leaves: organisation.
func (c *Client) Starters(ctx context.Context, f Filter) ([]api.Starter, error) {
	return all[api.Starter](ctx, c, "/starters", f)
}

// CreateStarter prepares the provider of a domain.
func (c *Client) CreateStarter(ctx context.Context, in api.StarterInput) (*api.Starter, error) {
	return record[api.Starter](ctx, c, http.MethodPost, "/starters", "", in)
}

// Starter gets a starter configuration by its id.
func (c *Client) Starter(ctx context.Context, id string) (*api.Starter, error) {
	return record[api.Starter](ctx, c, http.MethodGet, at("/starters", id), "", nil)
}

// UpdateStarter changes the starter configuration if it still has the revision.
func (c *Client) UpdateStarter(ctx context.Context, id string, revision uint64, in api.StarterInput) (*api.Starter, error) {
	return record[api.Starter](ctx, c, http.MethodPut, at("/starters", id), tag(revision), in)
}

// DeleteStarter deletes a starter configuration.
func (c *Client) DeleteStarter(ctx context.Context, id string) error {
	return c.remove(ctx, at("/starters", id))
}

// DomainClaims lists all claims to domains that the filter leaves: organisation.
func (c *Client) DomainClaims(ctx context.Context, f Filter) ([]api.DomainClaim, error) {
	return all[api.DomainClaim](ctx, c, "/domain-claims", f)
}

// ClaimDomain claims a domain; the answer holds the record that proves it.
func (c *Client) ClaimDomain(ctx context.Context, in api.DomainClaimInput) (*api.DomainClaim, error) {
	return record[api.DomainClaim](ctx, c, http.MethodPost, "/domain-claims", "", in)
}

// DomainClaim gets a claim by its id.
func (c *Client) DomainClaim(ctx context.Context, id string) (*api.DomainClaim, error) {
	return record[api.DomainClaim](ctx, c, http.MethodGet, at("/domain-claims", id), "", nil)
}

// CheckDomainClaim looks for the record of a claim; that it is not there is an error.
func (c *Client) CheckDomainClaim(ctx context.Context, id string) (*api.DomainClaim, error) {
	return record[api.DomainClaim](ctx, c, http.MethodPost, at("/domain-claims", id)+"/check", "", nil)
}

// DeleteDomainClaim deletes a claim; a domain that it proved stays.
func (c *Client) DeleteDomainClaim(ctx context.Context, id string) error {
	return c.remove(ctx, at("/domain-claims", id))
}

// Webhooks lists all webhooks that the filter leaves: organisation.
func (c *Client) Webhooks(ctx context.Context, f Filter) ([]api.Webhook, error) {
	return all[api.Webhook](ctx, c, "/webhooks", f)
}

// CreateWebhook makes a webhook; the answer holds its secret.
func (c *Client) CreateWebhook(ctx context.Context, in api.WebhookInput) (*api.WebhookSecret, error) {
	return record[api.WebhookSecret](ctx, c, http.MethodPost, "/webhooks", "", in)
}

// Webhook gets a webhook by its id.
func (c *Client) Webhook(ctx context.Context, id string) (*api.Webhook, error) {
	return record[api.Webhook](ctx, c, http.MethodGet, at("/webhooks", id), "", nil)
}

// UpdateWebhook changes the webhook if it still has the revision.
func (c *Client) UpdateWebhook(ctx context.Context, id string, revision uint64, in api.WebhookInput) (*api.Webhook, error) {
	return record[api.Webhook](ctx, c, http.MethodPut, at("/webhooks", id), tag(revision), in)
}

// RotateWebhookSecret replaces the secret; the answer holds the new one.
func (c *Client) RotateWebhookSecret(ctx context.Context, id string) (*api.WebhookSecret, error) {
	return record[api.WebhookSecret](ctx, c, http.MethodPost, at("/webhooks", id)+"/secret", "", nil)
}

// TestWebhook sends a ping. That it was not taken is no error, but an answer.
func (c *Client) TestWebhook(ctx context.Context, id string) (*api.WebhookTrial, error) {
	return record[api.WebhookTrial](ctx, c, http.MethodPost, at("/webhooks", id)+"/test", "", nil)
}

// DeleteWebhook deletes a webhook.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.remove(ctx, at("/webhooks", id))
}
