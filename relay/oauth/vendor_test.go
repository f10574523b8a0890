package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
)

// Every vendor, in every cloud, gives addresses that can be used and scopes without a
// gap.
func TestVendors(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Dialer: refusingDialer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range s.Vendors() {
		clouds := []string{""}
		for cloud := range s.vendors[name].Clouds {
			clouds = append(clouds, cloud)
		}
		for _, cloud := range clouds {
			for _, kind := range []relay.AppKind{relay.AppConsent, relay.AppOnly, relay.AppServiceAccount} {
				m, err := s.realm(&relay.App{Vendor: name, Cloud: cloud, Kind: kind})
				if err != nil {
					t.Errorf("%s in cloud %q: %v", name, cloud, err)
					continue
				}
				for _, r := range []relay.Resource{relay.ResourceMail, relay.ResourceGraph, relay.ResourceGmail} {
					scopes, err := m.scopes(r)
					if err != nil && !errors.Is(err, ErrApp) {
						t.Error(err)
					}
					for _, scope := range scopes {
						if strings.ContainsAny(scope, "{} ") {
							t.Errorf("%s in cloud %q: the scope %q", name, cloud, scope)
						}
						if kind == relay.AppConsent && m.vendor.word(scope) == scope {
							t.Errorf("%s: no words for %q", name, scope)
						}
					}
				}
			}
		}
	}
}

// The addresses, as the facts give them.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Dialer: refusingDialer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	login := func(host, tenant, graph string) relay.Endpoints {
		base := "https://" + host + "/" + tenant
		return relay.Endpoints{
			Auth: base + "/oauth2/v2.0/authorize", Token: base + "/oauth2/v2.0/token", Device: base + "/oauth2/v2.0/devicecode",
			AdminConsent: base + "/v2.0/adminconsent", Graph: "https://" + graph + "/v1.0",
		}
	}
	for _, test := range []struct {
		app    relay.App
		wanted relay.Endpoints
	}{
		{relay.App{Vendor: "google"}, relay.Endpoints{
			Auth: "https://accounts.google.com/o/oauth2/v2/auth", Token: "https://oauth2.googleapis.com/token",
			Revoke: "https://oauth2.googleapis.com/revoke", Gmail: "https://gmail.googleapis.com",
		}},
		{relay.App{Vendor: "microsoft"}, login("login.microsoftonline.com", "common", "graph.microsoft.com")},
		{relay.App{Vendor: "microsoft365", Tenant: testTenant}, login("login.microsoftonline.com", testTenant, "graph.microsoft.com")},
		{relay.App{Vendor: "microsoft", Cloud: "gcc-high", Tenant: "organizations"}, login("login.microsoftonline.us", "organizations", "graph.microsoft.us")},
		{relay.App{Vendor: "microsoft", Cloud: "dod"}, login("login.microsoftonline.us", "common", "dod-graph.microsoft.us")},
		{relay.App{Vendor: "microsoft", Cloud: "china"}, login("login.chinacloudapi.cn", "common", "microsoftgraph.chinacloudapi.cn")},
		{relay.App{Vendor: "fastmail"}, relay.Endpoints{Auth: "https://api.fastmail.com/oauth/authorize", Token: "https://api.fastmail.com/oauth/refresh"}},
		{relay.App{Vendor: "yandex"}, relay.Endpoints{Auth: "https://oauth.yandex.com/authorize", Token: "https://oauth.yandex.com/token"}},
		{relay.App{Vendor: "mailru"}, relay.Endpoints{Auth: "https://oauth.mail.ru/login", Token: "https://oauth.mail.ru/token"}},
		{
			relay.App{Vendor: "fastmail", Endpoints: relay.Endpoints{Token: "https://own.example/token"}},
			relay.Endpoints{Auth: "https://api.fastmail.com/oauth/authorize", Token: "https://own.example/token"},
		},
	} {
		got, err := s.Endpoints(&test.app)
		if err != nil || got != test.wanted {
			t.Errorf("%s %s: %v\n%+v, not\n%+v", test.app.Vendor, test.app.Cloud, err, got, test.wanted)
		}
	}
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Dialer: refusingDialer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	own := relay.Endpoints{Auth: "https://auth.own.example/a", Token: "https://token.own.example/t"}
	for _, test := range []struct {
		app    relay.App
		issuer string
		wanted bool
	}{
		{relay.App{Vendor: "google"}, "https://accounts.google.com", true},
		{relay.App{Vendor: "google"}, "accounts.google.com", true},
		{relay.App{Vendor: "google"}, "https://accounts.google.com.evil.example", false},
		{relay.App{Vendor: "google"}, "https://oauth2.googleapis.com", false},
		{relay.App{Vendor: "google"}, "", false},
		{relay.App{Vendor: "microsoft"}, "https://login.microsoftonline.com/" + testTenant + "/v2.0", true},
		{relay.App{Vendor: "microsoft"}, "https://login.microsoftonline.com/a/b/v2.0", false},
		{relay.App{Vendor: "microsoft"}, "https://login.microsoftonline.com//v2.0", false},
		{relay.App{Vendor: "microsoft", Tenant: testTenant}, "https://login.microsoftonline.com/" + testTenant + "/v2.0", true},
		{relay.App{Vendor: "microsoft", Tenant: testTenant}, "https://login.microsoftonline.com/99999999-2222-3333-4444-555555555555/v2.0", false},
		{relay.App{Vendor: "microsoft", Tenant: "acme.example"}, "https://login.microsoftonline.com/" + testTenant + "/v2.0", true},
		{relay.App{Vendor: "microsoft", Cloud: "china"}, "https://login.partner.microsoftonline.cn/" + testTenant + "/v2.0", true},
		{relay.App{Vendor: "microsoft", Cloud: "china"}, "https://login.microsoftonline.com/" + testTenant + "/v2.0", false},
		{relay.App{Vendor: "own", Endpoints: own}, "https://auth.own.example/x", true},
		{relay.App{Vendor: "own", Endpoints: own}, "https://TOKEN.own.example", true},
		{relay.App{Vendor: "own", Endpoints: own}, "http://auth.own.example/x", false},
		{relay.App{Vendor: "own", Endpoints: own}, "https://own.example", false},
	} {
		m, err := s.realm(&test.app)
		if err != nil {
			t.Fatal(err)
		}
		if m.issuedBy(test.issuer) != test.wanted {
			t.Errorf("%+v: %q is not %t", test.app, test.issuer, test.wanted)
		}
	}
}

// A mistake in the data ends the start, and not the first sign-in of somebody.
func TestParseVendors(t *testing.T) {
	t.Parallel()
	const good = "{id: a, auth: x, token: y, scopes: {mail: [z]}}"
	for text, wanted := range map[string]string{
		"version: 1\nvendors: [" + good + "]": "",
		"":                                    "read the vendors",
		"version: 2\nvendors: [" + good + "]": "version 2",
		"version: 1\nvendors: [{id: a}]":      "are needed",
		"version: 1\nvendors: [" + good + ", " + good + "]":                                            "taken",
		"version: 1\nvendors: [{id: a, colour: red}]":                                                  "colour",
		"version: 1\nvendors: [{id: a, auth: x, token: y, scopes: {mail: [z], moon: [z]}}]":            "no resource",
		"version: 1\nvendors: [{id: a, auth: x, token: y, scopes: {mail: [z]}, profile: {url: u}}]":    "profile",
		"version: 1\nvendors: [{id: a, auth: x, token: y, scopes: {mail: [z]}, consent_missing: '('}]": "missing closing",
	} {
		_, err := parseVendors([]byte(text))
		if (err == nil) != (wanted == "") || (err != nil && !strings.Contains(err.Error(), wanted)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Vendors without id tokens are asked for their profile.
func TestProfile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		vendor string
		answer *said
		wanted string // error; empty: none
	}{
		{"yandex", object(200, map[string]any{"default_email": "Jane@acme.example"}), ""},
		{"mailru", object(200, map[string]any{"email": "jane@acme.example"}), ""},
		{"yandex", object(200, map[string]any{"default_email": "bob@acme.example"}), "bob@acme.example"},
		{"yandex", object(200, map[string]any{"default_email": ""}), "there is no address"},
		{"yandex", object(200, map[string]any{"default_email": 5}), "no address"},
		{"yandex", object(401, map[string]any{"default_email": "jane@acme.example"}), "answers 401"},
		{"mailru", &said{status: 200, body: "<html>"}, "no address"},
		{"mailru", &said{status: 200, body: strings.Repeat("x", MaxAnswer+1)}, "larger than 64 KiB"},
	} {
		w := newWorld(t)
		w.app(func(app *relay.App) { app.Vendor = test.vendor })
		w.vendor.run(func(r *http.Request, _ url.Values) *said {
			if r.Method != http.MethodGet {
				return nil
			}
			return test.answer
		})
		g, result, err := w.comeBack(w.begin(nil), "whoever", nil)
		if test.wanted != "" {
			if err == nil || !strings.Contains(err.Error(), test.wanted) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", test.vendor, err)
			}
			continue
		}
		if err != nil || !result.Confirmed || g.Address != "jane@acme.example" {
			t.Errorf("%s: %v, %+v", test.vendor, err, result)
		}
		asked := append(w.vendor.requests("/info"), w.vendor.requests("/userinfo")...)
		if len(asked) != 1 {
			t.Fatalf("%s: asked %d times", test.vendor, len(asked))
		}
		token := asked[0].form.Get("access_token")
		if test.vendor == "yandex" {
			token = strings.TrimPrefix(asked[0].header.Get("Authorization"), "OAuth ")
		}
		if !strings.HasPrefix(token, "canary-access-") {
			t.Errorf("%s: asked with %q", test.vendor, token)
		}
	}
}

// A profile that cannot be reached is a failure of the vendor, not of the person.
func TestProfileIsDown(t *testing.T) {
	t.Parallel()
	v := newVendorServer(t)
	inner := v.dialer
	v.dialer = byHost(func(ctx context.Context, host string) Dialer {
		if strings.HasPrefix(host, vendorHost) {
			return inner
		}
		return refusingDialer{}
	})
	w := newWorldAt(t, v, nil)
	w.app(func(app *relay.App) { app.Vendor = "yandex" })
	var told *relay.TokenError
	if _, _, err := w.comeBack(w.begin(nil), "whoever", nil); !errors.As(err, &told) || told.Reply.Text != "local: refused" {
		t.Error(err)
	}
}
