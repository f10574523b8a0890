package webmail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/relayd/relayd/relay"
)

// rest is what Graph and the Gmail API have in common: JSON, and an access token with
// every request.
type rest struct {
	link  *link
	token relay.Secret
}

func (o *Opener) openREST(c *relay.Credentials, way relay.Way, base string) (*rest, error) {
	switch {
	case !c.Bearer():
		return nil, fmt.Errorf("%w: it takes an access token, not a password", ErrSignIn)
	case c.Resource != "" && c.Resource != way.Resource():
		return nil, fmt.Errorf("%w: the access token is for %q", ErrSignIn, c.Resource)
	case !isToken(c.Token.Reveal()):
		return nil, fmt.Errorf("%w: the access token", ErrBadValue)
	case c.Account.Address.IsZero() || !sendable(c.Account.Address.String()):
		return nil, fmt.Errorf("%w: the account's address", ErrBadValue)
	}
	u, err := parseBase(base)
	if err != nil {
		return nil, err
	}
	return &rest{link: newLink(way, u, &o.options), token: c.Token}, nil
}

// Close ends the connection, and a call that is under way with it.
func (r *rest) Close() error {
	r.link.close()
	return nil
}

// url joins path elements, each escaped as one, to the base.
func (r *rest) url(query string, elements ...string) string {
	u := *r.link.base
	escaped := make([]string, len(elements))
	for i, e := range elements {
		escaped[i] = url.PathEscape(e)
	}
	address := strings.TrimSuffix(u.String(), "/") + "/" + strings.Join(escaped, "/")
	if query != "" {
		address += "?" + query
	}
	return address
}

// parameter writes one parameter of a query. A space is %20: not every parser behind
// these APIs takes a plus for one.
func parameter(name, value string) string {
	return name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

func (r *rest) request(method, address string) *request {
	return &request{method: method, url: address, header: http.Header{
		"Authorization": {"Bearer " + r.token.Reveal()},
		"Accept":        {"application/json"},
	}}
}

// call carries out a request whose success has the given status, and reads its JSON
// into out unless that is nil.
func (r *rest) call(ctx context.Context, q *request, success int, out any) error {
	a, err := r.link.do(ctx, q)
	switch {
	case err != nil:
		return err
	case a.status != success:
		return r.refused(q, a)
	case out == nil:
		return nil
	case a.err != nil:
		return r.link.unclear(q, a.err)
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return r.link.unclear(q, fmt.Errorf("%w: %w", ErrAnswer, err))
	}
	return nil
}

// get reads a JSON answer.
func (r *rest) get(ctx context.Context, address string, out any) error {
	q := r.request(http.MethodGet, address)
	q.limit = r.link.options.ListLimit
	return r.call(ctx, q, http.StatusOK, out)
}

// upload is the request that carries a message.
func (r *rest) upload(address, kind string, body io.Reader, size int64) *request {
	q := r.request(http.MethodPost, address)
	q.header.Set("Content-Type", kind)
	q.body, q.size, q.send = body, size, true
	return q
}

// refused makes the Error for an answer that is no success.
func (r *rest) refused(q *request, a *answer) *Error {
	w, scope := restWords(a)
	e := r.link.refusal(q, a, w)
	if scope {
		e.Cause = ErrNotPermitted
	}
	return scrub(e, r.token.Reveal())
}

// vendorError is the body of an error: Microsoft's names a code in words, Google's a
// number with the words beside it.
type vendorError struct {
	Error struct {
		Code    json.RawMessage `json:"code"`
		Message string          `json:"message"`
		Status  string          `json:"status"`
		Errors  []struct {
			Reason string `json:"reason"`
		} `json:"errors"`
		Details []struct {
			Reason string `json:"reason"`
		} `json:"details"`
	} `json:"error"`
}

// restWords reads an error. scope tells that the consent does not cover the call.
func restWords(a *answer) (w words, scope bool) {
	var v vendorError
	if json.Unmarshal(a.body, &v) != nil {
		if strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			w.message = string(a.body)
		}
		return w, false
	}
	e := &v.Error
	w.message = e.Message
	switch {
	case json.Unmarshal(e.Code, &w.code) == nil && w.code != "":
	case len(e.Errors) > 0 && e.Errors[0].Reason != "":
		w.code = e.Errors[0].Reason
	default:
		w.code = e.Status
	}
	if a.status != http.StatusForbidden {
		return w, false
	}
	switch w.code {
	case "ErrorAccessDenied", "AccessDenied", "Authorization_RequestDenied", "insufficientPermissions":
		scope = true
	}
	for _, d := range e.Details {
		scope = scope || d.Reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
	}
	return w, scope
}

// checkContent holds a message to what the way takes, before anything is sent. The
// reply has the status that services give to such a request, so that one rule knows
// both.
func checkContent(way relay.Way, c Content) error {
	limit := MaxSize(way)
	if c.Size > limit {
		return &Error{Way: way, Where: relay.AtAfterDot, Cause: ErrTooLarge, Reply: relay.Reply{
			Code: http.StatusRequestEntityTooLarge,
			Text: fmt.Sprintf("the message has %d octets, %s takes at most %d", c.Size, way, limit),
		}}
	}
	if c.Size <= 0 || c.Reader == nil {
		return failureAs(way, relay.AtData, kindLost, errShorter)
	}
	return nil
}

// scrub keeps a service that repeats a secret from having it written into logs and
// pages.
func scrub(e *Error, secrets ...string) *Error {
	for _, s := range secrets {
		if s != "" && (strings.Contains(e.Reply.Text, s) || e.Cause != nil && strings.Contains(e.Cause.Error(), s)) {
			e.Reply.Text = "(the service's words repeat what was sent, so they are not shown)"
			if !errors.Is(e.Cause, ErrNotPermitted) {
				e.Cause = nil
			}
		}
	}
	return e
}
