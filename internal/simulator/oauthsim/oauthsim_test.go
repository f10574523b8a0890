package oauthsim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

const (
	jane     = "jane@acme.example"
	john     = "john@acme.example"
	redirect = "https://relayd.example/oauth/callback"

	googleMail = "https://mail.google.com/"
	smtpSend   = "https://outlook.office.com/SMTP.Send"
	imapAccess = "https://outlook.office.com/IMAP.AccessAsUser.All"
	graphSend  = "https://graph.microsoft.com/Mail.Send"
)

// world is a server with one registered application, and a clock.
type world struct {
	*oauthsim.Server
	http   *httptest.Server
	faults fault.List

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T, b oauthsim.Behaviour) *world {
	t.Helper()
	w := &world{now: time.Now()}
	w.Server = oauthsim.New(oauthsim.Options{
		Accounts: func() []string { return []string{john, jane} }, Behaviour: b, Strike: w.faults.Strike,
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
	})
	mux := http.NewServeMux()
	w.Register(mux)
	w.http = httptest.NewTLSServer(mux)
	t.Cleanup(w.http.Close)
	w.http.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	w.register(t, oauthsim.Client{ID: "relayd", Secret: "s:cret %", RedirectURIs: []string{redirect}, AppOnly: true})
	return w
}

func (w *world) register(t *testing.T, c oauthsim.Client) {
	t.Helper()
	if err := w.AddClient(c); err != nil {
		t.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) ctx(t *testing.T) context.Context {
	t.Helper()
	return context.WithValue(t.Context(), oauth2.HTTPClient, w.http.Client())
}

// config is the application, by a foreign library.
func (w *world) config(scopes ...string) *oauth2.Config {
	e := w.EndpointsAt(w.http.URL)
	return &oauth2.Config{ClientID: "relayd", ClientSecret: "s:cret %", RedirectURL: redirect, Scopes: scopes,
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorize, TokenURL: e.Token, DeviceAuthURL: e.Device}}
}

// offline asks for a refresh token from everybody.
func offline(verifier string) []oauth2.AuthCodeOption {
	return []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(verifier), oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("prompt", "consent")}
}

// connect is the whole code flow for Jane, without a browser.
func (w *world) connect(t *testing.T, c *oauth2.Config) *oauth2.Token {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back, err := w.Approve(c.AuthCodeURL("state", offline(verifier)...), jane)
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.Exchange(w.ctx(t), answerOf(t, back).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func answerOf(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(address, redirect) {
		t.Fatalf("returned to %q (%v)", address, err)
	}
	return u.Query()
}

func (w *world) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.do(t, req)
}

func (w *world) post(t *testing.T, address string, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(t, req)
}

func (w *world) do(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := w.http.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// refusal checks that a token request failed with this error and text.
func refusal(t *testing.T, err error, status int, code, text string) {
	t.Helper()
	var e *oauth2.RetrieveError
	if !errors.As(err, &e) {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	if e.Response.StatusCode != status || e.ErrorCode != code || !strings.Contains(e.ErrorDescription, text) {
		t.Errorf("error %d %s: %s, want %d %s: %s", e.Response.StatusCode, e.ErrorCode, e.ErrorDescription, status, code, text)
	}
}
