package oauth

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/relayd/relayd/relay"
)

// answer is what came back from a vendor: all of it, or err.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	err     error
	secrets []string // that were sent: a vendor may repeat them
}

// recorder is the transport of one request. It reads the answer whole, so that what
// went wrong is known whatever the library above makes of it.
type recorder struct {
	ctx  context.Context // of the request: the library does not always set it
	base http.RoundTripper
	got  answer
}

// RoundTrip makes one request.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.got = answer{secrets: secretsIn(req)}
	resp, err := r.base.RoundTrip(req.WithContext(r.ctx))
	if err != nil {
		r.got.err = err
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err == nil && len(body) > MaxAnswer {
		err = errTooLarge
	}
	if err != nil {
		r.got.err = err
		return nil, err
	}
	r.got.status, r.got.header, r.got.body = resp.StatusCode, resp.Header, body
	// RFC 6749 §5.1: tokens come as JSON. The library would take other types for a form.
	resp.Header = resp.Header.Clone()
	resp.Header.Set("Content-Type", "application/json")
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// secretsIn gives what must not come back in an error, as it stands and as it was sent.
func secretsIn(req *http.Request) []string {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil
	}
	var secrets []string
	for _, name := range []string{"client_secret", "code", "code_verifier", "refresh_token", "device_code", "assertion", "token"} {
		for _, value := range form[name] {
			secrets = append(secrets, value, url.QueryEscape(value))
		}
	}
	return secrets
}

// client is the HTTP client of one request. It follows no redirection: behind one the
// secret would go to somebody else.
func (r *recorder) client() *http.Client {
	return &http.Client{
		Transport:     r,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call runs one request of the library, and gives what came back. Its own errors are
// dropped: they hold whole answers.
func (s *Service) call(ctx context.Context, do func(ctx context.Context) error) (*answer, bool) {
	ctx, cancel := context.WithTimeout(ctx, s.o.RequestTimeout)
	defer cancel()
	r := &recorder{ctx: ctx, base: s.web}
	err := do(context.WithValue(ctx, oauth2.HTTPClient, r.client()))
	if err == nil {
		return &r.got, true
	}
	if r.got.err == nil && r.got.status == 0 {
		r.got.err = errors.New("the request could not be made")
	}
	return &r.got, false
}

// issued is a token answer (RFC 6749 §5.1), checked.
type issued struct {
	access  relay.Secret
	refresh relay.Secret // that which holds from now on; empty if there is none
	idToken string
	scopes  []string // as told; nil if it was not: those that were asked for
	end     time.Time
}

// request makes one request to the token endpoint. The error is a *failure.
func (s *Service) request(ctx context.Context, do func(context.Context) (*oauth2.Token, error)) (*issued, error) {
	var t *oauth2.Token
	asked := time.Now()
	a, ok := s.call(ctx, func(ctx context.Context) (err error) {
		t, err = do(ctx)
		return err
	})
	if a.err != nil {
		return nil, broken(a.err)
	}
	if f := a.refusal(); f != nil {
		return nil, f
	}
	if !ok {
		return nil, local("protocol", errNoToken.Error(), nil)
	}
	return takeToken(t, asked)
}

// takeToken checks what the library read.
func takeToken(t *oauth2.Token, asked time.Time) (*issued, error) {
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") {
		return nil, local("protocol", "the token has the type "+relay.Printable(t.TokenType), nil)
	}
	if !isToken(t.AccessToken) || (t.RefreshToken != "" && !isToken(t.RefreshToken)) {
		return nil, local("protocol", "the token has characters that none may have, or too many", nil)
	}
	out := &issued{access: relay.Secret(t.AccessToken), refresh: relay.Secret(t.RefreshToken), end: t.Expiry}
	// The end is counted from the question, so that no answer's way makes it later.
	lifetime := unknownLifetime
	if !t.Expiry.IsZero() && t.Expiry.After(asked) {
		lifetime = min(time.Until(t.Expiry), maxLifetime)
	}
	out.end = asked.Add(lifetime)
	out.idToken, _ = t.Extra("id_token").(string)
	if scope, ok := t.Extra("scope").(string); ok && len(scope) <= maxCodeLength {
		out.scopes = strings.Fields(scope)
	}
	return out, nil
}

// isToken: VSCHAR (RFC 6749 appendix A.12). Anything else could end a line of a
// protocol that the token is put into.
func isToken(token string) bool {
	for i := 0; i < len(token); i++ {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != "" && len(token) <= maxTokenLength
}

// ask posts a form of one's own to the token endpoint: a refresh with scopes, a device
// code. The library can do so by the name of client credentials only.
func (s *Service) ask(ctx context.Context, m *realm, scopes []string, form url.Values) (*issued, error) {
	secret, err := s.secretOf(m.app)
	if err != nil {
		return nil, err
	}
	c := &clientcredentials.Config{
		ClientID: m.app.ClientID, ClientSecret: secret.Reveal(), TokenURL: m.endpoints.Token,
		Scopes: scopes, EndpointParams: form, AuthStyle: oauth2.AuthStyleInParams,
	}
	return s.request(ctx, c.Token)
}

// fetch makes a request that is no token request: a profile, a revocation. An error is a
// *failure.
func (s *Service) fetch(ctx context.Context, method, address string, header http.Header, body string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, local("protocol", "the request could not be made", nil)
	}
	req.Header = header
	r := &recorder{ctx: ctx, base: s.web}
	resp, err := r.client().Do(req)
	if err == nil {
		err = resp.Body.Close()
	}
	if r.got.err == nil && r.got.status == 0 {
		r.got.err = err
	}
	if r.got.err != nil {
		return nil, broken(r.got.err)
	}
	return &r.got, nil
}
