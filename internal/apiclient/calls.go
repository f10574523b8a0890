package apiclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/relayd/relayd/internal/api"
)

// listPage is how many records one call asks for when all are wanted.
const listPage = 500

// Filter narrows a list: the names are the query parameters of the API.
type Filter map[string]string

func (f Filter) query() url.Values {
	q := url.Values{}
	for name, value := range f {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// page gets one page of a list.
func page[T any](ctx context.Context, c *Client, path string, f Filter) (api.List[T], error) {
	var out api.List[T]
	err := c.call(ctx, http.MethodGet, api.Prefix+path, f.query(), "", nil, &out)
	return out, err
}

// all gets every page of a list.
func all[T any](ctx context.Context, c *Client, path string, f Filter) ([]T, error) {
	f = f.with("limit", strconv.Itoa(listPage))
	out := []T{}
	for {
		p, err := page[T](ctx, c, path, f)
		if err != nil {
			return nil, err
		}
		out = append(out, p.Items...)
		if p.Next == "" {
			return out, nil
		}
		f = f.with("cursor", p.Next)
	}
}

func (f Filter) with(name, value string) Filter {
	out := Filter{name: value}
	for k, v := range f {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// record calls an operation on one thing and reads the answer into a T.
func record[T any](ctx context.Context, c *Client, method, path, revision string, in any) (*T, error) {
	out := new(T)
	if err := c.call(ctx, method, api.Prefix+path, nil, revision, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

// tag is the revision as If-Match wants it.
func tag(revision uint64) string { return `"` + strconv.FormatUint(revision, 10) + `"` }

func at(path, id string) string { return path + "/" + url.PathEscape(id) }

// Organisations lists all organisations that the filter leaves: domain.
func (c *Client) Organisations(ctx context.Context, f Filter) ([]api.Organisation, error) {
	return all[api.Organisation](ctx, c, "/organisations", f)
}

// CreateOrganisation makes an organisation.
func (c *Client) CreateOrganisation(ctx context.Context, in api.OrganisationInput) (*api.Organisation, error) {
	return record[api.Organisation](ctx, c, http.MethodPost, "/organisations", "", in)
}

// Organisation gets an organisation by its id.
func (c *Client) Organisation(ctx context.Context, id string) (*api.Organisation, error) {
	return record[api.Organisation](ctx, c, http.MethodGet, at("/organisations", id), "", nil)
}

// UpdateOrganisation changes the organisation if it still has the revision.
func (c *Client) UpdateOrganisation(ctx context.Context, id string, revision uint64, in api.OrganisationInput) (*api.Organisation, error) {
	return record[api.Organisation](ctx, c, http.MethodPut, at("/organisations", id), tag(revision), in)
}

// DeleteOrganisation deletes an organisation.
func (c *Client) DeleteOrganisation(ctx context.Context, id string) error {
	return c.remove(ctx, at("/organisations", id))
}

func (c *Client) remove(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodDelete, api.Prefix+path, nil, "", nil, nil)
}

// Users lists all users that the filter leaves: organisation, address.
func (c *Client) Users(ctx context.Context, f Filter) ([]api.User, error) {
	return all[api.User](ctx, c, "/users", f)
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, in api.UserInput) (*api.User, error) {
	return record[api.User](ctx, c, http.MethodPost, "/users", "", in)
}

// User gets a user by the id.
func (c *Client) User(ctx context.Context, id string) (*api.User, error) {
	return record[api.User](ctx, c, http.MethodGet, at("/users", id), "", nil)
}

// UpdateUser changes the user if it still has the revision.
func (c *Client) UpdateUser(ctx context.Context, id string, revision uint64, in api.UserInput) (*api.User, error) {
	return record[api.User](ctx, c, http.MethodPut, at("/users", id), tag(revision), in)
}

// DeleteUser deletes a user.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	return c.remove(ctx, at("/users", id))
}

// Submitters lists all submitters that the filter leaves: organisation, login.
func (c *Client) Submitters(ctx context.Context, f Filter) ([]api.Submitter, error) {
	return all[api.Submitter](ctx, c, "/submitters", f)
}

// CreateSubmitter makes a submitter; the answer holds its password.
func (c *Client) CreateSubmitter(ctx context.Context, in api.SubmitterInput) (*api.SubmitterSecret, error) {
	return record[api.SubmitterSecret](ctx, c, http.MethodPost, "/submitters", "", in)
}

// Submitter gets a submitter by its id.
func (c *Client) Submitter(ctx context.Context, id string) (*api.Submitter, error) {
	return record[api.Submitter](ctx, c, http.MethodGet, at("/submitters", id), "", nil)
}

// UpdateSubmitter changes the submitter if it still has the revision.
func (c *Client) UpdateSubmitter(ctx context.Context, id string, revision uint64, in api.SubmitterInput) (*api.Submitter, error) {
	return record[api.Submitter](ctx, c, http.MethodPut, at("/submitters", id), tag(revision), in)
}

// RotateSubmitterPassword replaces the password; the answer holds the new one.
func (c *Client) RotateSubmitterPassword(ctx context.Context, id string) (*api.SubmitterSecret, error) {
	return record[api.SubmitterSecret](ctx, c, http.MethodPost, at("/submitters", id)+"/password", "", nil)
}

// DeleteSubmitter deletes a submitter.
func (c *Client) DeleteSubmitter(ctx context.Context, id string) error {
	return c.remove(ctx, at("/submitters", id))
}

// Keys lists all DKIM keys that the filter leaves: domain.
func (c *Client) Keys(ctx context.Context, f Filter) ([]api.Key, error) {
	return all[api.Key](ctx, c, "/dkim-keys", f)
}

// CreateKey generates a DKIM key.
func (c *Client) CreateKey(ctx context.Context, in api.KeyInput) (*api.Key, error) {
	return record[api.Key](ctx, c, http.MethodPost, "/dkim-keys", "", in)
}

// DeleteKey deletes a DKIM key.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.remove(ctx, at("/dkim-keys", id))
}

// Tokens lists all tokens.
func (c *Client) Tokens(ctx context.Context) ([]api.Token, error) {
	return all[api.Token](ctx, c, "/tokens", nil)
}

// CreateToken makes a token; the answer holds its secret.
func (c *Client) CreateToken(ctx context.Context, in api.TokenInput) (*api.TokenSecret, error) {
	return record[api.TokenSecret](ctx, c, http.MethodPost, "/tokens", "", in)
}

// RevokeToken ends a token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.remove(ctx, at("/tokens", id))
}
