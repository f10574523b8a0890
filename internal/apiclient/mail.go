package apiclient

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/relayd/relayd/internal/api"
)

// Accounts lists all accounts that the filter leaves: organisation, user, address,
// state.
func (c *Client) Accounts(ctx context.Context, f Filter) ([]api.Account, error) {
	return all[api.Account](ctx, c, "/accounts", f)
}

// CreateAccount makes an account.
func (c *Client) CreateAccount(ctx context.Context, in api.AccountInput) (*api.Account, error) {
	return record[api.Account](ctx, c, http.MethodPost, "/accounts", "", in)
}

// Account gets an account by its id.
func (c *Client) Account(ctx context.Context, id string) (*api.Account, error) {
	return record[api.Account](ctx, c, http.MethodGet, at("/accounts", id), "", nil)
}

// UpdateAccount changes the account if it still has the revision.
func (c *Client) UpdateAccount(ctx context.Context, id string, revision uint64, in api.AccountInput) (*api.Account, error) {
	return record[api.Account](ctx, c, http.MethodPut, at("/accounts", id), tag(revision), in)
}

// DeleteAccount deletes an account.
func (c *Client) DeleteAccount(ctx context.Context, id string) error {
	return c.remove(ctx, at("/accounts", id))
}

// Verify starts to prove an account.
func (c *Client) Verify(ctx context.Context, id string) (*api.Verification, error) {
	return record[api.Verification](ctx, c, http.MethodPost, at("/accounts", id)+"/verification", "", nil)
}

// Verification is the running or the last verification of an account.
func (c *Client) Verification(ctx context.Context, id string) (*api.Verification, error) {
	return record[api.Verification](ctx, c, http.MethodGet, at("/accounts", id)+"/verification", "", nil)
}

// CancelVerification ends a running verification.
func (c *Client) CancelVerification(ctx context.Context, id string) error {
	return c.remove(ctx, at("/accounts", id)+"/verification")
}

// Messages gives one page of messages that the filter leaves, the newest first.
func (c *Client) Messages(ctx context.Context, f Filter) (api.List[api.Message], error) {
	return page[api.Message](ctx, c, "/messages", f)
}

// Message gets a message with its timeline.
func (c *Client) Message(ctx context.Context, id string) (*api.MessageDetail, error) {
	return record[api.MessageDetail](ctx, c, http.MethodGet, at("/messages", id), "", nil)
}

// Hold keeps a message back until it is released.
func (c *Client) Hold(ctx context.Context, id, reason string) (*api.MessageDetail, error) {
	return record[api.MessageDetail](ctx, c, http.MethodPost, at("/messages", id)+"/hold", "", api.HoldInput{Reason: reason})
}

// Release lets a held message go on.
func (c *Client) Release(ctx context.Context, id string) (*api.MessageDetail, error) {
	return c.steer(ctx, id, "release")
}

// Retry tries a message again now.
func (c *Client) Retry(ctx context.Context, id string) (*api.MessageDetail, error) {
	return c.steer(ctx, id, "retry")
}

// Cancel ends a message for everybody who still waits.
func (c *Client) Cancel(ctx context.Context, id string) (*api.MessageDetail, error) {
	return c.steer(ctx, id, "cancel")
}

func (c *Client) steer(ctx context.Context, id, verb string) (*api.MessageDetail, error) {
	return record[api.MessageDetail](ctx, c, http.MethodPost, at("/messages", id)+"/"+verb, "", nil)
}

// Usage is how much waits in the queue.
func (c *Client) Usage(ctx context.Context) (*api.Usage, error) {
	return record[api.Usage](ctx, c, http.MethodGet, "/queue", "", nil)
}

// Explain tells what would happen to a message.
func (c *Client) Explain(ctx context.Context, in api.ExplainInput) (*api.Explanation, error) {
	return record[api.Explanation](ctx, c, http.MethodPost, "/explain", "", in)
}

// Ready asks whether everything works that relayd needs.
func (c *Client) Ready(ctx context.Context) (*api.Readiness, error) {
	req, err := c.request(ctx, http.MethodGet, "/readyz", nil, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }() // everything needed was read
	out := new(api.Readiness)
	return out, decode(resp, out, http.StatusServiceUnavailable) // "not ready" is an answer as well
}

// Answers reports whether somebody answers on a Unix socket.
func Answers(ctx context.Context, socket string, within time.Duration) bool {
	c, err := overSocket(Options{Socket: socket, Timeout: within})
	if err != nil {
		return false
	}
	defer c.Close()
	return c.call(ctx, http.MethodGet, "/healthz", nil, "", nil, nil) == nil
}
