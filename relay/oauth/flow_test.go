package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func (w *world) begin(change func(*BeginRequest)) Start {
	w.t.Helper()
	q := BeginRequest{
		App: "app-1", Organisation: "acme", Account: "jane", Address: addressOf("jane@acme.example"),
		Login: testLogin, Return: "/settings?tab=accounts",
	}
	if change != nil {
		change(&q)
	}
	start, err := w.Begin(w.t.Context(), q)
	if err != nil {
		w.t.Fatal(err)
	}
	return start
}

func (w *world) comeBack(start Start, address string, change func(*FinishRequest)) (*relay.Grant, Result, error) {
	w.t.Helper()
	q := FinishRequest{State: start.State, Code: w.vendor.browse(start, address), Login: testLogin}
	if change != nil {
		change(&q)
	}
	return w.Finish(w.t.Context(), q)
}

// A consent from the button to the first token, at a vendor like Google.
func TestConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(nil)
	start := w.begin(nil)
	u, err := url.Parse(start.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{
		"client_id": "client-1", "redirect_uri": testRedirect, "access_type": "offline", "prompt": "consent",
		"login_hint": "jane@acme.example",
	} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, not %q", name, q.Get(name), want)
		}
	}
	if got, want := scopesOf(q), []string{"email", "https://mail.google.com/", "openid"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the scopes are %q", got)
	}
	if q.Get("nonce") == "" || len(q.Get("state")) < 40 || strings.Contains(start.URL, clientSecret) {
		t.Errorf("the address is %s", start.URL)
	}
	g, result, err := w.comeBack(start, "Jane@ACME.example", func(q *FinishRequest) { q.Issuer = vendorURL })
	if err != nil {
		t.Fatal(err)
	}
	want := Result{
		App: "app-1", Account: "jane", Address: addressOf("jane@acme.example"), Return: "/settings?tab=accounts",
		Confirmed: true, Claim: "email",
	}
	if result != want {
		t.Errorf("the result is %+v", result)
	}
	if g.ID != "jane" || g.App != "app-1" || g.Address != "jane@acme.example" || g.Refresh != nil || g.Obtained.IsZero() ||
		!reflect.DeepEqual(g.Scopes, []string{"https://mail.google.com/"}) {
		t.Errorf("the grant is %+v", g)
	}
	if form := w.vendor.requests("/token")[0].form; form.Get("client_secret") != clientSecret {
		t.Error("the code was exchanged without the client's secret")
	}
	if got := w.watcher.heard(&w.watcher.obtained); len(got) != 1 {
		t.Errorf("heard of %q", got)
	}
	// The access token that came along is used: no second request.
	w.mustToken(w.account("jane", "jane@acme.example", app))
	if n := len(w.vendor.requests("/token")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// At Microsoft the code flow asks for both resources, and makes a token of each.
func TestConsentForTwoResources(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app(microsoft)
	start := w.begin(func(q *BeginRequest) { q.Resources = []relay.Resource{relay.ResourceMail, relay.ResourceGraph} })
	u, _ := url.Parse(start.URL)
	want := []string{
		"email", "https://graph.microsoft.com/Mail.Send", "https://outlook.office.com/IMAP.AccessAsUser.All",
		"https://outlook.office.com/SMTP.Send", "offline_access", "openid", "profile",
	}
	if got := scopesOf(u.Query()); !reflect.DeepEqual(got, want) {
		t.Errorf("the scopes are %q", got)
	}
	g, _, err := w.comeBack(start, "jane@acme.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Scopes) != 3 {
		t.Errorf("the grant has %q", g.Scopes)
	}
	requests := w.vendor.requests("/token")
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	if got := requests[0].form.Get("scope"); strings.Contains(got, "graph") || !strings.Contains(got, "SMTP.Send") {
		t.Errorf("the code was exchanged for %q", got)
	}
	if got := requests[1].form.Get("scope"); got != "https://graph.microsoft.com/Mail.Send offline_access" {
		t.Errorf("the other resource was asked for with %q", got)
	}
}

// The state works once, for ten minutes, and for the login that began.
func TestState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(w *world, start Start, q *FinishRequest)
	}{
		{"unknown", func(_ *world, _ Start, q *FinishRequest) { q.State = "x" }},
		{"empty", func(_ *world, _ Start, q *FinishRequest) { q.State = "" }},
		{"another login", func(_ *world, _ Start, q *FinishRequest) { q.Login = "session-2" }},
		{"no login", func(_ *world, _ Start, q *FinishRequest) { q.Login = "" }},
		{"used", func(w *world, start Start, _ *FinishRequest) {
			if _, _, err := w.comeBack(start, "jane@acme.example", nil); err != nil {
				t.Error(err)
			}
		}},
		{"used up by another login", func(w *world, start Start, _ *FinishRequest) {
			_, _, err := w.comeBack(start, "jane@acme.example", func(q *FinishRequest) { q.Login = "session-2" })
			if !errors.Is(err, ErrState) {
				t.Error(err)
			}
		}},
		{"as an administrator's", func(w *world, start Start, q *FinishRequest) {
			admin, err := w.AdminConsentURL(t.Context(), "app-1", "acme", testLogin)
			if err != nil {
				t.Error(err)
			}
			q.State = admin.State
			_, err = w.FinishAdminConsent(t.Context(), AdminConsentRequest{State: start.State, Granted: true, Login: testLogin})
			if !errors.Is(err, ErrState) {
				t.Error(err)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.app(microsoft)
			start := w.begin(nil)
			_, result, err := w.comeBack(start, "jane@acme.example", func(q *FinishRequest) { test.change(w, start, q) })
			if !errors.Is(err, ErrState) || result != (Result{}) {
				t.Errorf("%v, %+v", err, result)
			}
		})
	}
}

func TestStateEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.app(nil)
		late, inTime := w.begin(nil), w.begin(nil)
		time.Sleep(FlowLifetime - time.Second)
		if _, _, err := w.comeBack(inTime, "jane@acme.example", nil); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, _, err := w.comeBack(late, "jane@acme.example", nil); !errors.Is(err, ErrState) {
			t.Error(err)
		}
		w.forgetOld(time.Now())
		if len(w.flows) != 0 {
			t.Errorf("%d are remembered", len(w.flows))
		}
	})
}

// Whoever presses the button again and again, or many of them, fill nothing.
func TestFlowsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app(nil)
	first := w.begin(nil)
	for range maxLoginFlows {
		w.begin(nil)
	}
	if n := len(w.flows); n != maxLoginFlows {
		t.Errorf("%d are remembered", n)
	}
	if _, _, err := w.comeBack(first, "jane@acme.example", nil); !errors.Is(err, ErrState) {
		t.Errorf("the oldest gives %v", err)
	}
	for i := range maxFlows - len(w.flows) {
		login := fmt.Sprint(i)
		w.flows[login] = &flow{BeginRequest: BeginRequest{Login: login}, expires: time.Now().Add(FlowLifetime)}
	}
	_, err := w.Begin(t.Context(), BeginRequest{
		App: "app-1", Organisation: "acme", Account: "jane", Address: addressOf("jane@acme.example"), Login: "late",
	})
	if !errors.Is(err, ErrBusy) || len(w.flows) != maxFlows {
		t.Errorf("%v, %d", err, len(w.flows))
	}
}

// Whatever is wrong with an answer stores nothing, and leaves what was there.
func TestRefusedConsent(t *testing.T) {
	t.Parallel()
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	says := func(words ...string) func(error) bool {
		return func(err error) bool {
			for _, word := range words {
				if err == nil || !strings.Contains(err.Error(), word) {
					return false
				}
			}
			return true
		}
	}
	claim := func(name string, value any) func(*vendorServer) {
		return func(v *vendorServer) { v.claims[name] = value }
	}
	for _, test := range []struct {
		name   string
		app    func(*relay.App)
		vendor func(*vendorServer)
		finish func(*FinishRequest)
		ask    func(*BeginRequest)
		wanted func(error) bool
	}{
		{"the person says no", nil, nil, func(q *FinishRequest) { q.Error, q.Code = "access_denied", "" }, nil, is(ErrDenied)},
		{"no code", nil, nil, func(q *FinishRequest) { q.Code = "" }, nil, is(ErrDenied)},
		{"a code without end", nil, nil, func(q *FinishRequest) { q.Code = relay.Secret(strings.Repeat("x", maxCodeLength+1)) }, nil, is(ErrDenied)},
		{"the code of an attacker", nil, nil, func(q *FinishRequest) { q.Code = "canary-code-0" }, nil, says("400", "invalid_grant")},
		{"another issuer in the browser", nil, nil, func(q *FinishRequest) { q.Issuer = "https://evil.example" }, nil, is(ErrIssuer)},
		{"another issuer in the token", nil, claim("iss", "https://evil.example"), nil, nil, is(ErrIssuer)},
		{
			"two issuers of the same vendor", nil, claim("iss", "https://accounts.google.com"),
			func(q *FinishRequest) { q.Issuer = vendorURL }, nil, is(ErrIssuer),
		},
		{"a token for another application", nil, claim("aud", "client-2"), nil, nil, is(ErrIdentity)},
		{"a token of another sign-in", nil, claim("nonce", "x"), nil, nil, is(ErrIdentity)},
		{"an old token", nil, claim("exp", 1000), nil, nil, is(ErrIdentity)},
		{"no id token", nil, func(v *vendorServer) { v.noID = true }, nil, nil, is(ErrIdentity)},
		{"no address", nil, claim("email", nil), nil, nil, is(ErrIdentity)},
		{"an address that nobody checked", nil, claim("email_verified", false), nil, nil, is(ErrIdentity)},
		{
			"another address", nil, claim("email", "bob@acme.example"), nil, nil,
			says("bob@acme.example", "jane@acme.example is being connected"),
		},
		{
			"a forged address", microsoft, func(v *vendorServer) {
				v.claims["preferred_username"], v.claims["email"] = "bob@acme.example\x1b[31m", nil
			}, nil, nil, says("bob@acme.example [31m"),
		},
		{
			"a box that was unticked", nil, func(v *vendorServer) { v.scope = "openid email" }, nil, nil,
			says("read, compose and send mail", "choose again"),
		},
		{
			"one of two permissions", microsoft, func(v *vendorServer) { v.scope = "smtp.send openid" }, nil, nil,
			says("read and file mail (IMAP)"),
		},
		{
			"no Graph", microsoft, func(v *vendorServer) {
				v.scope = "https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All"
			}, nil, func(q *BeginRequest) { q.Resources = []relay.Resource{relay.ResourceMail, relay.ResourceGraph} },
			says("send mail (Graph)"),
		},
		{"an application that is gone", nil, func(v *vendorServer) {}, func(q *FinishRequest) { q.Login = "gone" }, func(q *BeginRequest) { q.Login = "gone" }, is(ErrApp)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			app := w.app(test.app)
			a := w.account("jane", "jane@acme.example", app)
			w.consent(a)
			before := w.stored("jane")
			if test.vendor != nil {
				w.vendor.set(test.vendor)
			}
			start := w.begin(test.ask)
			if test.name == "an application that is gone" {
				if err := w.apps.Delete(t.Context(), app.ID); err != nil {
					t.Fatal(err)
				}
			}
			g, result, err := w.comeBack(start, "jane@acme.example", test.finish)
			if !test.wanted(err) || g != nil {
				t.Errorf("%v, %v", err, g)
			}
			if result.Account != "jane" || result.Confirmed {
				t.Errorf("the result is %+v", result)
			}
			if w.stored("jane") != before || len(w.watcher.heard(&w.watcher.obtained)) != 0 {
				t.Error("the consent that was there is gone")
			}
		})
	}
}

// An application that is Microsoft's may name the address in any of three claims.
func TestMicrosoftClaims(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, claim string }{
		{"preferred_username", "preferred_username"}, {"upn", "upn"}, {"email", "email"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.app(microsoft)
			w.vendor.set(func(v *vendorServer) {
				v.claims["email"], v.claims["preferred_username"] = nil, "jane.doe@acme.onmicrosoft.example"
				v.claims[test.claim] = "JANE@Acme.Example"
			})
			_, result, err := w.comeBack(w.begin(nil), "", nil)
			if err != nil || !result.Confirmed || result.Claim != test.claim {
				t.Errorf("%v, %+v", err, result)
			}
		})
	}
}

// To a shared mailbox somebody else consents; whether he may use it his sign-in shows.
func TestConsentForASharedMailbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app(nil)
	shared := func(q *BeginRequest) { q.Account, q.Address, q.Shared = "info", addressOf("info@acme.example"), true }
	g, result, err := w.comeBack(w.begin(shared), "jane@acme.example", nil)
	if err != nil || result.Confirmed || g.ID != "info" || g.Address != "" {
		t.Errorf("%v, %+v, %+v", err, result, g)
	}
	w.vendor.set(func(v *vendorServer) { v.claims["email"] = nil })
	if _, _, err := w.comeBack(w.begin(shared), "", nil); !errors.Is(err, ErrIdentity) {
		t.Errorf("an answer that names nobody: %v", err)
	}
}

func TestConsentWithoutRefreshToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.app(nil)
	w.vendor.say(200, `{"access_token":"a","token_type":"bearer","expires_in":60}`)
	if _, _, err := w.comeBack(w.begin(nil), "jane@acme.example", nil); !errors.Is(err, ErrNoRefresh) {
		t.Error(err)
	}
}

// When the record cannot be written there is no consent, and no token.
func TestConsentThatCannotBeStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(nil)
	w.grants.onPut(func(*relay.Grant) error { return store.ErrFull })
	g, _, err := w.comeBack(w.begin(nil), "jane@acme.example", nil)
	if !errors.Is(err, store.ErrFull) || g != nil {
		t.Error(err)
	}
	w.grants.onPut(nil)
	if err := w.failedToken(w.account("jane", "jane@acme.example", app)); !errors.Is(err, ErrNoConsent) {
		t.Error(err)
	}
}

// A new consent takes the place of one that has ended, and works at once.
func TestConsentAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(nil)
	a := w.account("jane", "jane@acme.example", app)
	w.consent(a)
	w.vendor.say(400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`)
	w.failedToken(a)
	w.vendor.run(nil)
	w.failedToken(a)
	if _, _, err := w.comeBack(w.begin(nil), "jane@acme.example", nil); err != nil {
		t.Fatal(err)
	}
	w.mustToken(a)
}

// What Begin refuses.
func TestBegin(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		app    func(*relay.App)
		change func(*BeginRequest)
		wanted string
	}{
		{"no account", nil, func(q *BeginRequest) { q.Account = "" }, "needs an account"},
		{"no login", nil, func(q *BeginRequest) { q.Login = "" }, "needs an account"},
		{"no address", nil, func(q *BeginRequest) { q.Address = relay.Address{} }, "needs an account"},
		{"another host", nil, func(q *BeginRequest) { q.Return = "//evil.example/" }, "not a path"},
		{"another host for browsers", nil, func(q *BeginRequest) { q.Return = `/\evil.example/` }, "not a path"},
		{"an address", nil, func(q *BeginRequest) { q.Return = "https://evil.example/" }, "not a path"},
		{"no application", nil, func(q *BeginRequest) { q.App = "" }, "none is chosen"},
		{"one that is gone", nil, func(q *BeginRequest) { q.App = "x" }, "removed"},
		{"one of others", func(a *relay.App) { a.Organisation = "other" }, nil, "another organisation"},
		{"app-only", func(a *relay.App) { a.Kind = relay.AppOnly }, nil, "not one that people consent to"},
		{"no Gmail at Microsoft", microsoft, func(q *BeginRequest) { q.Resources = []relay.Resource{relay.ResourceGmail} }, "gmail is not offered"},
		{"an unknown cloud", func(a *relay.App) { a.Vendor, a.Cloud = "microsoft", "moon" }, nil, "cloud"},
		{"a cloud without mail", func(a *relay.App) { a.Vendor, a.Cloud = "microsoft", "dod" }, nil, "not offered in this cloud"},
		{"a tenant that is a path", func(a *relay.App) { a.Vendor, a.Tenant = "microsoft", "../evil" }, nil, "tenant"},
		{"an address in clear", func(a *relay.App) { a.Endpoints.Token = "http://vendor.example/token" }, nil, "not https"},
		{"an unknown vendor", func(a *relay.App) { a.Vendor, a.Endpoints = "own", relay.Endpoints{} }, nil, "missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.app(test.app)
			q := BeginRequest{App: "app-1", Organisation: "acme", Account: "jane", Address: addressOf("jane@acme.example"), Login: testLogin}
			if test.change != nil {
				test.change(&q)
			}
			if _, err := w.Begin(t.Context(), q); err == nil || !strings.Contains(err.Error(), test.wanted) {
				t.Error(err)
			}
		})
	}
	w := newWorldAt(t, newVendorServer(t), func(o *Options) { o.RedirectURL = "" })
	w.app(nil)
	_, err := w.Begin(t.Context(), BeginRequest{App: "app-1", Account: "jane", Address: addressOf("jane@acme.example"), Login: testLogin})
	if !errors.Is(err, ErrApp) {
		t.Error(err)
	}
}

// A vendor that is not known works with addresses of the application's own.
func TestUnknownVendor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(func(a *relay.App) { a.Vendor = "own" })
	g, result, err := w.comeBack(w.begin(nil), "whoever", nil)
	if err != nil || result.Confirmed || g.Address != "" {
		t.Fatalf("%v, %+v", err, result)
	}
	w.mustToken(w.account("jane", "jane@acme.example", app))
}
