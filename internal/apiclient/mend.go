package apiclient

import (
	"context"
	"net/http"

	"github.com/relayd/relayd/internal/api"
)

// AddAlias names another address of an account.
func (c *Client) AddAlias(ctx context.Context, account, address string) (*api.Account, error) {
	return record[api.Account](ctx, c, http.MethodPost, at("/accounts", account)+"/aliases", "", api.AliasInput{Address: address})
}

// RemoveAlias takes an address from an account.
func (c *Client) RemoveAlias(ctx context.Context, account, address string) error {
	return c.remove(ctx, alias(account, address))
}

// VerifyAlias starts to prove that an account may send as another address.
func (c *Client) VerifyAlias(ctx context.Context, account, address string) (*api.Verification, error) {
	return record[api.Verification](ctx, c, http.MethodPost, alias(account, address)+"/verification", "", nil)
}

func alias(account, address string) string {
	return at(at("/accounts", account)+"/aliases", address)
}

// Bind maps the mailbox to its user, on the caller's word.
func (c *Client) Bind(ctx context.Context, account string) (*api.Account, error) {
	return record[api.Account](ctx, c, http.MethodPost, at("/accounts", account)+"/binding", "", nil)
}

// SendCode mails a code to the account's address; the answer names the page on which
// it is typed.
func (c *Client) SendCode(ctx context.Context, account string) (*api.Link, error) {
	return record[api.Link](ctx, c, http.MethodPost, at("/accounts", account)+"/codes", "", nil)
}

// Link makes a one-time link, or mails it to the account's person.
func (c *Client) Link(ctx context.Context, account string, in api.LinkInput) (*api.Link, error) {
	return record[api.Link](ctx, c, http.MethodPost, at("/accounts", account)+"/links", "", in)
}

// BeginDevice starts a consent by a code that is typed at the provider.
func (c *Client) BeginDevice(ctx context.Context, account string, in api.DeviceInput) (*api.Device, error) {
	return record[api.Device](ctx, c, http.MethodPost, devices(account), "", in)
}

// Device tells how a consent by code stands.
func (c *Client) Device(ctx context.Context, account, id string) (*api.Device, error) {
	return record[api.Device](ctx, c, http.MethodGet, at(devices(account), id), "", nil)
}

func devices(account string) string { return at("/accounts", account) + "/device-consents" }

// AccountUsage is what an account sent lately, and may still send.
func (c *Client) AccountUsage(ctx context.Context, account string) (*api.AccountUsage, error) {
	return record[api.AccountUsage](ctx, c, http.MethodGet, at("/accounts", account)+"/usage", "", nil)
}

// Discover looks for the settings of an address. Nobody signs in anywhere.
func (c *Client) Discover(ctx context.Context, in api.DiscoverInput) (*api.Discovery, error) {
	return record[api.Discovery](ctx, c, http.MethodPost, "/discover", "", in)
}

// Calendar lists what ends, of what the filter leaves: organisation, days. It is one
// page.
func (c *Client) Calendar(ctx context.Context, f Filter) ([]api.CalendarEntry, error) {
	p, err := page[api.CalendarEntry](ctx, c, "/calendar", f)
	if err != nil {
		return nil, err
	}
	return p.Items, nil
}
