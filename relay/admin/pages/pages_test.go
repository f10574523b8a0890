package pages_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin/pages"
	"github.com/relayd/relayd/store"
)

// world is the pages over a little of everything, and a browser without scripts.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	links   map[string]*relay.Link
	used    []string
	account relay.Account
	saved   relay.Secret
	refusal error
	proof   *relay.Verification
	bound   relay.Binding
	mayType bool
	app     *relay.App
	back    pages.Back
	admin   error
	server  *httptest.Server
	browser *http.Client
}

var errLink = errors.New("internal words about a link")

func newWorld(t *testing.T, purpose relay.LinkPurpose) *world {
	t.Helper()
	w := &world{t: t, links: map[string]*relay.Link{"tok": {ID: "link1", Purpose: purpose, Account: "a1"}}}
	w.account = relay.Account{ID: "a1", Address: relay.Address{Local: "jane", Domain: "acme.example"}, State: relay.AccountParked,
		StateReason: `The password is wrong (535 <script>alert("x")</script>).`, Settings: relay.Settings{Provider: relay.ProviderIMAP}}
	p, err := pages.New(pages.Options{Links: w, Accounts: accounts{w}, Consents: consents{w}})
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(p)
	t.Cleanup(w.server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.browser = &http.Client{Jar: jar}
	return w
}

func (w *world) Open(_ context.Context, token string) (*relay.Link, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l := w.links[token]; l != nil {
		return l, nil
	}
	return nil, errLink
}

func (w *world) Use(_ context.Context, token string) (*relay.Link, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.used = append(w.used, token)
	delete(w.links, token)
	return nil, nil
}

func (w *world) UseCode(_ context.Context, token, typed string) (*relay.Link, error) {
	if typed != "ABCD-EFGH" {
		return nil, errLink
	}
	return w.Use(nil, token) //nolint:staticcheck // a fake needs no context
}

func (*world) Public(error) string { return "It does not work." }

type accounts struct{ *world }

func (a accounts) Get(_ context.Context, id string) (*relay.Account, error) {
	if id != a.account.ID {
		return nil, store.ErrNotFound
	}
	return a.account.Clone(), nil
}

func (a accounts) MayType(context.Context, *relay.Account) (bool, error) { return a.mayType, nil }

func (a accounts) Save(_ context.Context, rec *relay.Account, password relay.Secret) error {
	if a.refusal != nil {
		return a.refusal
	}
	a.world.account, a.world.saved = *rec, password
	return nil
}

func (a accounts) Verify(_ context.Context, _, _ string) error {
	a.world.proof = &relay.Verification{State: relay.VerificationRunning, Steps: []relay.VerificationStep{
		{Name: "smtp.connect", Label: "Connect to the outgoing server", State: relay.VerificationDone, Detail: "mail.example, TLS 1.3"},
		{Name: "smtp.auth", Label: "Sign in to the outgoing server", State: relay.VerificationRunning},
	}}
	return nil
}

func (a accounts) Progress(string) (relay.Verification, bool) {
	if a.proof == nil {
		return relay.Verification{}, false
	}
	return *a.proof, true
}

func (a accounts) Bind(_ context.Context, _ string, b relay.Binding) error {
	a.world.bound = b
	return nil
}

type consents struct{ *world }

func (c consents) Offer(context.Context, *relay.Account) (*relay.App, error) { return c.app, nil }

func (c consents) Begin(_ context.Context, _ *relay.Account, _ *relay.App, login string) (string, error) {
	return "https://login.example/authorize?a=1&state=s&login=" + login, c.refusal
}

func (c consents) Finish(_ context.Context, back pages.Back) (account, app string, candidate bool, err error) {
	c.world.back = back
	if back.State != "s" || back.Login != "link1" {
		return "", "", false, errLink
	}
	return "a1", c.app.ID, false, c.refusal
}

func (c consents) FinishAdmin(_ context.Context, back pages.Back) error {
	c.world.back = back
	return c.admin
}

// answer is what the browser shows.
type answer struct {
	t      *testing.T
	status int
	path   string
	header http.Header
	text   string
}

func (w *world) get(path string) answer {
	w.t.Helper()
	resp, err := w.browser.Get(w.server.URL + path)
	return w.read(resp, err)
}

func (w *world) post(path string, form url.Values) answer {
	w.t.Helper()
	resp, err := w.browser.PostForm(w.server.URL+path, form)
	return w.read(resp, err)
}

func (w *world) read(resp *http.Response, err error) answer {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{w.t, resp.StatusCode, resp.Request.URL.Path, resp.Header, string(text)}
}

func (a answer) is(status int, says ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: status %d, want %d:\n%s", a.path, a.status, status, a.text)
	}
	for _, s := range says {
		if !strings.Contains(a.text, s) {
			a.t.Errorf("%s does not say %q:\n%s", a.path, s, a.text)
		}
	}
	for _, s := range []string{"internal words", "<script", "secret", "template:"} {
		if strings.Contains(a.text, s) {
			a.t.Errorf("%s shows %q:\n%s", a.path, s, a.text)
		}
	}
	if a.header.Get("Content-Security-Policy") == "" || a.header.Get("Referrer-Policy") != "same-origin" || a.header.Get("Cache-Control") != "no-store" {
		a.t.Errorf("%s: headers %v", a.path, a.header)
	}
	return a
}

func TestMendByPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.get("/link/tok").is(200, "Your mailbox needs attention", "jane@acme.example", "The password is wrong", "&lt;script&gt;", `type="password"`)
	w.post("/link/tok", url.Values{"password": {""}}).is(422, "Type the password")
	w.refusal = &relay.FieldError{Field: "password", Message: "The password has control characters."}
	w.post("/link/tok", url.Values{"password": {"secret"}}).is(422, "control characters", `aria-invalid="true"`)
	w.refusal = errors.New("internal words")
	w.post("/link/tok", url.Values{"password": {"secret"}}).is(422, "Something went wrong on our side")
	w.refusal = nil
	running := w.post("/link/tok", url.Values{"password": {"secret"}}).is(200, "Checking your mailbox", `http-equiv="refresh"`, "mail.example, TLS 1.3", `class="running"`)
	if running.path != "/link/tok/progress" || w.saved != "secret" {
		t.Errorf("at %s; saved %q", running.path, w.saved.Reveal())
	}
	w.proof.State, w.proof.Field, w.proof.Message = relay.VerificationFailed, "password", "It is still wrong."
	if failed := w.get("/link/tok/progress").is(200, "It does not work yet", "It is still wrong.", "Try again"); strings.Contains(failed.text, "refresh") || len(w.used) != 0 {
		t.Errorf("after a failure the page goes on, or the link is used up: %v", w.used)
	}
	w.proof.State = relay.VerificationDone
	w.get("/link/tok/progress").is(200, "Your mailbox works")
	if len(w.used) != 1 {
		t.Errorf("the link was used %d times", len(w.used))
	}
	w.get("/link/tok").is(404, "This link does not work")
}

func TestGETChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.app = &relay.App{ID: "app1", Vendor: "google"}
	w.get("/link/tok?password=secret").is(200)
	w.get("/link/tok/progress").is(200, "needs attention")
	w.read(w.browser.Get(w.server.URL + "/link/tok/consent")).is(405)
	if w.saved != "" || w.proof != nil || len(w.used) != 0 {
		t.Errorf("something changed: %+v", w)
	}
	w.get("/link/other").is(404, "It does not work.")
	w.account.ID = "a2"
	w.get("/link/tok").is(404, "not here any more")
}

func TestMendByConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.app = &relay.App{ID: "app1", Vendor: "microsoft"}
	w.account.SignIn, w.account.App = relay.SignInConsent, "app1"
	if page := w.get("/link/tok").is(200, "Connect with Microsoft"); strings.Contains(page.text, "password\"") {
		t.Error("the page asks for a password")
	}
	w.get("/oauth/callback?state=s&code=c").is(400, "not begun here")
	w.refusal = &relay.FieldError{Message: "The application cannot be used."}
	w.post("/link/tok/consent", nil).is(422, "cannot be used")
	w.refusal = nil
	w.post("/link/tok/consent", nil).is(200, "https://login.example/authorize?a=1&amp;state=s&amp;login=link1")
	w.get("/oauth/callback?state=s&code=canary&iss=https%3A%2F%2Flogin.example").is(200, "Checking your mailbox")
	if w.back.Code != "canary" || w.back.Issuer != "https://login.example" || w.back.Login != "link1" {
		t.Errorf("it brought back %+v", w.back)
	}
	w.get("/oauth/callback?state=s&code=c").is(400, "not begun here") // the cookie is gone
	w.post("/link/tok/consent", nil)
	w.get("/oauth/callback?state=other&code=c").is(422, "Something went wrong")
}

// An account with a password that its owner connects by consent.
func TestConsentInThePlaceOfAPassword(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.app = &relay.App{ID: "app1", Vendor: "fastmail"}
	w.get("/link/tok").is(200, "Connect with Fastmail", "Password of the mailbox")
	w.post("/link/tok/consent", nil)
	w.get("/oauth/callback?state=s&code=c").is(200)
	if w.account.SignIn != relay.SignInConsent || w.account.App != "app1" {
		t.Errorf("account %+v", w.account)
	}
}

func TestNobodyCanConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.account.SignIn = relay.SignInApp
	w.get("/link/tok").is(200, "ask your administrator")
	w.post("/link/tok/consent", nil).is(422, "ask your administrator")
	w.post("/link/tok", url.Values{"password": {"secret"}}).is(422)
	if w.saved != "" {
		t.Error("a password was saved")
	}
}

func TestCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkCode)
	w.get("/link/tok").is(200, "one-time-code")
	w.post("/link/tok", url.Values{"code": {"WRONG"}}).is(422, "It does not work.", `aria-invalid="true"`)
	w.post("/link/tok", url.Values{"code": {"ABCD-EFGH"}}).is(200, "Thank you")
	if w.bound.Kind != relay.BindingCode || w.proof == nil {
		t.Errorf("bound %+v", w.bound)
	}
}

func TestServersOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkConnect)
	w.account.State = relay.AccountUnverified
	if strings.Contains(w.get("/link/tok").is(200, "Connect your mailbox").text, "smtp_host") {
		t.Error("the page asks for servers that the person may not choose")
	}
	form := url.Values{"password": {"secret"}, "smtp_host": {" smtp.example "}, "smtp_port": {"465"}, "smtp_tls": {"implicit"},
		"imap_host": {"imap.example"}, "imap_port": {"993"}, "imap_tls": {"implicit"}}
	w.post("/link/tok", form)
	if w.account.SMTP.Host != "" {
		t.Error("servers were taken from somebody who may not choose them")
	}
	w.mayType = true
	w.get("/link/tok").is(200, "Outgoing server", "Incoming server")
	for field, value := range map[string]string{"smtp_host": "", "imap_port": "many", "smtp_tls": "none"} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set(field, value)
		w.post("/link/tok", bad).is(422, "<details open", `aria-invalid="true"`)
	}
	w.post("/link/tok", form).is(200)
	if w.account.SMTP != (relay.Server{Host: "smtp.example", Port: 465, TLS: relay.TLSImplicit}) || w.account.IMAP.Port != 993 {
		t.Errorf("account %+v", w.account.Settings)
	}
}

// A link in an old mail leads the mailbox nowhere else, and not twice.
func TestOldLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	made := time.Now()
	w.links["tok"].Created, w.mayType = made, true
	w.account.SMTP.Host = "mail.example"
	w.post("/link/tok", url.Values{"password": {"secret"}, "smtp_host": {"evil.example"}, "smtp_port": {"465"}, "smtp_tls": {"implicit"},
		"imap_host": {"evil.example"}, "imap_port": {"993"}, "imap_tls": {"implicit"}})
	if w.saved != "secret" || w.account.SMTP.Host != "mail.example" {
		t.Errorf("an account that worked once was led to %s", w.account.SMTP.Host)
	}
	for name, change := range map[string]func(*relay.Account){
		"proved since":          func(a *relay.Account) { a.Card.VerifiedAt = made.Add(time.Second) },
		"came back by itself":   func(a *relay.Account) { a.State, a.StateSince = relay.AccountVerified, made.Add(time.Second) },
		"another address since": func(a *relay.Account) { a.State, a.StateSince = relay.AccountUnverified, made.Add(time.Second) },
	} {
		w := newWorld(t, relay.LinkMend)
		w.links["tok"].Created = made
		change(&w.account)
		w.get("/link/tok").is(404, "has done its work")
		w.post("/link/tok", url.Values{"password": {"secret"}}).is(404, "has done its work")
		if w.saved != "" {
			t.Errorf("%s: a password was taken", name)
		}
	}
}

func TestAdministratorsConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.get("/oauth/admin?admin_consent=True&tenant=t1&state=s").is(200, "Thank you")
	if w.back.Tenant != "t1" || w.back.Admin != "True" || w.back.State != "s" {
		t.Errorf("it brought back %+v", w.back)
	}
	w.admin = &relay.FieldError{Message: "It was begun too long ago."}
	w.get("/oauth/admin?state=s").is(400, "too long ago")
	w.admin = errors.New("internal words")
	w.get("/oauth/admin?state=s").is(400, "could not be noted")
}

func TestLargeFormAndStaticFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, relay.LinkMend)
	w.post("/link/tok", url.Values{"password": {strings.Repeat("x", 100_000)}}).is(422, "too large")
	if css := w.get("/static/page.css"); css.status != 200 || !strings.Contains(css.header.Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d %v", css.status, css.header)
	}
	for _, path := range []string{"/static/../pages.go", "/static/%2e%2e/pages.go", "/link/", "/oauth/", "/nothing"} {
		if page := w.get(path); page.status != 404 && page.status != 403 {
			t.Errorf("%s: %d", path, page.status)
		}
	}
	if _, err := pages.New(pages.Options{}); err == nil {
		t.Error("pages without their parts were made")
	}
}
