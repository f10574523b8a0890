package oauthsim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

func TestRefresh(t *testing.T) {
	t.Parallel()
	refresh := func(t *testing.T, w *world, token string, scopes ...string) (*oauth2.Token, error) {
		t.Helper()
		resp, body := w.post(t, w.EndpointsAt(w.http.URL).Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token},
			"client_id": {"relayd"}, "client_secret": {"s:cret %"}, "scope": {strings.Join(scopes, " ")}})
		var answer struct {
			oauth2.Token
			Scope       string
			Code        string `json:"error"`
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if answer.Code != "" {
			return nil, &oauth2.RetrieveError{Response: resp, ErrorCode: answer.Code, ErrorDescription: answer.Description}
		}
		return answer.Token.WithExtra(map[string]any{"scope": answer.Scope}), nil
	}
	t.Run("Google keeps the token", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google, Lifetime: time.Second})
		first := w.connect(t, w.config(googleMail))
		w.pass(2 * time.Second)
		if _, ok := w.Token(first.AccessToken); ok {
			t.Error("the token outlived its second")
		}
		next, err := refresh(t, w, first.RefreshToken)
		if err != nil || next.RefreshToken != "" {
			t.Fatalf("refreshed: %+v, %v", next, err)
		}
		if _, ok := w.Token(next.AccessToken); !ok {
			t.Error("the new token does not open")
		}
		w.RevokeConsent(jane)
		_, err = refresh(t, w, first.RefreshToken)
		refusal(t, err, 400, "invalid_grant", "expired or revoked")
		if _, ok := w.Token(next.AccessToken); ok {
			t.Error("the token outlived the consent")
		}
	})
	t.Run("Microsoft replaces it", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft, Rotate: true})
		first := w.connect(t, w.config(smtpSend, graphSend, "offline_access"))
		if known, _ := w.Token(first.AccessToken); !known.Allows(oauthsim.UseSMTP) || known.Allows(oauthsim.UseGraphSend) {
			t.Errorf("a token of more than one resource: %v", known.Scopes)
		}
		next, err := refresh(t, w, first.RefreshToken, graphSend)
		if err != nil || next.RefreshToken == "" || next.RefreshToken == first.RefreshToken {
			t.Fatalf("refreshed: %+v, %v", next, err)
		}
		if known, _ := w.Token(next.AccessToken); known.Allows(oauthsim.UseSMTP) || !known.Allows(oauthsim.UseGraphSend) {
			t.Errorf("the token for Graph allows %v", known.Scopes)
		}
		if _, err := refresh(t, w, first.RefreshToken); err != nil {
			t.Errorf("the old token is still good at Microsoft: %v", err)
		}
		_, err = refresh(t, w, next.RefreshToken, smtpSend, graphSend)
		refusal(t, err, 400, "invalid_scope", "AADSTS28000")
		_, err = refresh(t, w, next.RefreshToken, imapAccess)
		refusal(t, err, 400, "invalid_grant", "AADSTS65001")
		w.Configure(func(b *oauthsim.Behaviour) { b.RefuseOld = true })
		_, err = refresh(t, w, first.RefreshToken)
		refusal(t, err, 400, "invalid_grant", "AADSTS")
		w.RevokeSessions(jane)
		_, err = refresh(t, w, next.RefreshToken)
		refusal(t, err, 400, "invalid_grant", "AADSTS50173")
		if err := w.ExpireSecret("relayd"); err != nil {
			t.Fatal(err)
		}
		_, err = refresh(t, w, next.RefreshToken)
		refusal(t, err, 401, "invalid_client", "AADSTS7000222")
		if w.TokenRequests() != 8 {
			t.Errorf("%d requests to the token endpoint, want 8", w.TokenRequests())
		}
	})
	t.Run("a token that nobody gave", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, oauthsim.Behaviour{})
		_, err := refresh(t, w, "made-up")
		refusal(t, err, 400, "invalid_grant", "")
	})
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	token := w.connect(t, w.config(googleMail))
	for _, want := range []int{200, 400} {
		if resp, _ := w.post(t, w.EndpointsAt(w.http.URL).Revoke, url.Values{"token": {token.RefreshToken}}); resp.StatusCode != want {
			t.Errorf("revoke: %d, want %d", resp.StatusCode, want)
		}
	}
	if _, ok := w.Token(token.AccessToken); ok {
		t.Error("the access token outlived the grant")
	}
	again := w.connect(t, w.config(googleMail))
	w.ExpireTokens(jane)
	if _, ok := w.Token(again.AccessToken); ok {
		t.Error("the token did not expire")
	}
	w.Configure(func(b *oauthsim.Behaviour) { b.Dialect = oauthsim.Microsoft })
	if resp, _ := w.post(t, w.http.URL+"/revoke", url.Values{"token": {"made-up"}}); resp.StatusCode != http.StatusOK {
		t.Errorf("an unknown token: %d", resp.StatusCode)
	}
}

func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{})
	_, refresh := w.IssueGrant("relayd", jane, googleMail)
	ask := func() (*http.Response, string, error) {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"relayd"}, "client_secret": {"s:cret %"}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.http.URL+"/token", strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := w.http.Client().Do(req)
		if err != nil {
			return nil, "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp, string(body), err
	}
	for _, test := range []struct {
		name   string
		fault  fault.Fault
		status int
		check  func(resp *http.Response, body string) bool
	}{
		{"revoked", fault.Fault{Reply: "400 invalid_grant: Token has been expired or revoked.", Who: jane}, 400,
			func(_ *http.Response, body string) bool { return strings.Contains(body, `"error":"invalid_grant"`) }},
		{"secret expired", fault.Fault{Reply: "401 invalid_client: AADSTS7000222: The provided client secret keys are expired.", Who: "relayd"}, 401,
			func(_ *http.Response, body string) bool {
				return strings.Contains(body, `"error_description":"AADSTS7000222: The provided`)
			}},
		{"too often", fault.Fault{Reply: "429 slow_down: later", RetryAfter: 90 * time.Second}, 429,
			func(resp *http.Response, _ string) bool { return resp.Header.Get("Retry-After") == "90" }},
		{"a page", fault.Fault{Reply: "502 x", Body: "<html><body>Bad Gateway</body></html>"}, 502,
			func(resp *http.Response, _ string) bool {
				return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
			}},
		{"a flood", fault.Fault{BodySize: 1 << 20}, 200, func(_ *http.Response, body string) bool { return len(body) == 1<<20 }},
		{"elsewhere", fault.Fault{Location: "https://elsewhere.example/"}, 302,
			func(resp *http.Response, _ string) bool {
				return resp.Header.Get("Location") == "https://elsewhere.example/"
			}},
		{"unspecified", fault.Fault{}, 503, func(*http.Response, string) bool { return true }},
		{"slow", fault.Fault{Delay: time.Millisecond}, 200, func(_ *http.Response, body string) bool { return strings.Contains(body, "access_token") }},
	} {
		test.fault.At, test.fault.Times = fault.AtToken, 1
		w.faults.Inject(test.fault)
		resp, body, err := ask()
		if err != nil || resp.StatusCode != test.status || !test.check(resp, body) {
			t.Errorf("%s: %v, %+v", test.name, err, resp)
		}
	}
	w.faults.Inject(fault.Fault{At: fault.AtToken, Times: 1, Hangup: true})
	if resp, _, err := ask(); err == nil {
		t.Errorf("hung up: %d", resp.StatusCode)
	}
	w.faults.Inject(fault.Fault{At: fault.AtToken, Who: john})
	if resp, _, err := ask(); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("somebody else's fault struck: %v", err)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{})
	for name, form := range map[string]url.Values{
		"unsupported_grant_type": {"grant_type": {"password"}},
		"invalid_request":        {"grant_type": {"refresh_token"}, "padding": {strings.Repeat("x", 70<<10)}},
	} {
		if resp, body := w.post(t, w.http.URL+"/token", form); resp.StatusCode != http.StatusBadRequest || !strings.Contains(body, name) {
			t.Errorf("%d %s, want %s", resp.StatusCode, body, name)
		}
	}
	for _, c := range []oauthsim.Client{{}, {ID: "x", RedirectURIs: []string{"/relative"}}, {ID: "x", RedirectURIs: []string{"https://x.example/#part"}}} {
		if err := w.AddClient(c); err == nil {
			t.Errorf("registered %+v", c)
		}
	}
	if err := w.ExpireSecret("nobody"); err == nil {
		t.Error("expired the secret of nobody")
	}
	_, body := w.get(t, w.http.URL+"/.well-known/openid-configuration")
	var found map[string]any
	if err := json.Unmarshal([]byte(body), &found); err != nil || found["token_endpoint"] != w.http.URL+"/token" {
		t.Errorf("discovery: %s", body)
	}
}

func TestEndpointsOfTheDialects(t *testing.T) {
	t.Parallel()
	google := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google}).EndpointsAt("https://x")
	microsoft := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft}).EndpointsAt("https://x")
	if google.Token != "https://x/token" || microsoft.Token != "https://x/common/oauth2/v2.0/token" {
		t.Errorf("token endpoints %s and %s", google.Token, microsoft.Token)
	}
	if slices.Contains([]string{google.Authorize, google.Device}, "") {
		t.Errorf("endpoints: %+v", google)
	}
}
