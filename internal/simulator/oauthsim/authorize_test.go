package oauthsim_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// TestPersonPressesAllow plays the browser: page, form, return, exchange.
func TestPersonPressesAllow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft, Rotate: true, TokenLength: 1800})
	c := w.config(smtpSend, imapAccess, "offline_access", "openid", "email", "profile")
	verifier := oauth2.GenerateVerifier()
	address := c.AuthCodeURL("st&te", oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", jane),
		oauth2.SetAuthURLParam("prompt", "select_account"), oauth2.SetAuthURLParam("nonce", "n0nce"))
	resp, page := w.get(t, address)
	if resp.StatusCode != http.StatusOK || strings.Index(page, jane) > strings.Index(page, john) {
		t.Fatalf("page %d does not show the hinted account first:\n%s", resp.StatusCode, page)
	}
	request := regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(page)[1]
	form := url.Values{"request": {request}, "account": {jane}, "decision": {"allow"}, "scope": c.Scopes}
	resp, _ = w.post(t, address, form)
	back := answerOf(t, resp.Header.Get("Location"))
	if resp.StatusCode != http.StatusFound || back.Get("state") != "st&te" || back.Get("code") == "" {
		t.Fatalf("returned with %d %v", resp.StatusCode, back)
	}
	if resp, _ = w.post(t, address, form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("the page could be answered twice: %d", resp.StatusCode)
	}
	token, err := c.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if len(token.AccessToken) < 1800 || token.RefreshToken == "" || token.Extra("scope") != smtpSend+" "+imapAccess {
		t.Errorf("token: %d octets, refresh %q, scope %v", len(token.AccessToken), token.RefreshToken, token.Extra("scope"))
	}
	known, ok := w.Token(token.AccessToken)
	if !ok || known.Address != jane || known.Client != "relayd" || !known.Allows(oauthsim.UseSMTP) || !known.Allows(oauthsim.UseIMAP) ||
		known.Allows(oauthsim.UseGraphSend) || known.Allows(oauthsim.UseGmailSend) {
		t.Errorf("the token allows %+v", known)
	}
	claims := verifiedClaims(t, w, token)
	if claims["preferred_username"] != jane || claims["email"] != jane || claims["aud"] != "relayd" || claims["nonce"] != "n0nce" ||
		claims["iss"] != w.http.URL {
		t.Errorf("id token: %v", claims)
	}
	if _, err = c.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("the code could be used twice")
	}
}

// verifiedClaims checks the id token with the published key.
func verifiedClaims(t *testing.T, w *world, token *oauth2.Token) map[string]any {
	t.Helper()
	_, body := w.get(t, w.EndpointsAt(w.http.URL).Keys)
	var set struct {
		Keys []struct{ N, E, Kid, Alg string }
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].Alg != "RS256" {
		t.Fatalf("keys: %s (%v)", body, err)
	}
	id, _ := token.Extra("id_token").(string)
	parts := strings.Split(id, ".")
	if len(parts) != 3 {
		t.Fatalf("id token %q", id)
	}
	if err := verifyRS256(set.Keys[0].N, set.Keys[0].E, parts); err != nil {
		t.Fatalf("the id token's signature: %v", err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestAuthorisationRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	good := func() url.Values {
		u, err := url.Parse(w.config(googleMail).AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())))
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	for _, test := range []struct{ name, field, value, code string }{
		{"unknown client", "client_id", "other", ""},
		{"another redirect address", "redirect_uri", redirect + "/", ""},
		{"no redirect address", "redirect_uri", "", ""},
		{"implicit flow", "response_type", "token", "unsupported_response_type"},
		{"fragment", "response_mode", "fragment", "invalid_request"},
		{"plain PKCE", "code_challenge_method", "plain", "invalid_request"},
		{"no PKCE", "code_challenge", "", "invalid_request"},
		{"unknown prompt", "prompt", "perhaps", "invalid_request"},
		{"unknown scope", "scope", "https://mail.google.com/typo", "invalid_scope"},
		{"another provider's scope", "scope", smtpSend, "invalid_scope"},
		{"no scope", "scope", "", "invalid_scope"},
		{"nobody may be asked", "prompt", "none", "interaction_required"},
	} {
		query := good()
		query.Set(test.field, test.value)
		resp, _ := w.get(t, w.EndpointsAt(w.http.URL).Authorize+"?"+query.Encode())
		to := resp.Header.Get("Location")
		if test.code == "" {
			if resp.StatusCode != http.StatusBadRequest || to != "" {
				t.Errorf("%s: %d, Location %q; nothing may be told to that address", test.name, resp.StatusCode, to)
			}
			continue
		}
		if back := answerOf(t, to); back.Get("error") != test.code || back.Get("state") != "state" || back.Get("code") != "" {
			t.Errorf("%s: %v, want %s", test.name, back, test.code)
		}
	}
	if _, err := w.Approve(w.config("typo").AuthCodeURL("s"), jane); err == nil {
		t.Error("Approve pressed a button that is not there")
	}
	if _, err := w.Approve(w.config(googleMail).AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier())), "nobody@acme.example"); err == nil {
		t.Error("somebody unknown allowed")
	}
}

func TestPersonDecidesOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	c := w.config(googleMail, "openid", "email")
	verifier := oauth2.GenerateVerifier()
	press := func(form url.Values) (*http.Response, url.Values) {
		address := c.AuthCodeURL("state", offline(verifier)...)
		_, page := w.get(t, address)
		form.Set("request", regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(page)[1])
		resp, _ := w.post(t, address, form)
		to, err := url.Parse(resp.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		return resp, to.Query()
	}
	if _, back := press(url.Values{"decision": {"deny"}}); back.Get("error") != "access_denied" || back.Get("state") != "state" {
		t.Errorf("denied: %v", back)
	}
	if resp, _ := press(url.Values{"decision": {"allow"}, "account": {"nobody@acme.example"}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("somebody unknown allowed: %d", resp.StatusCode)
	}
	_, back := press(url.Values{"decision": {"allow"}, "account": {jane}, "scope": {"openid", "email"}})
	token, err := c.Exchange(w.ctx(t), back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if token.Extra("scope") != "openid https://www.googleapis.com/auth/userinfo.email" {
		t.Errorf("mail was unticked, and the scope is %v", token.Extra("scope"))
	}
}

func TestCodeBelongsToItsRequest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(w *world, c *oauth2.Config, verifier *string)
		code   string
	}{
		{"another verifier", func(_ *world, _ *oauth2.Config, v *string) { *v = oauth2.GenerateVerifier() }, "invalid_grant"},
		{"a short verifier", func(_ *world, _ *oauth2.Config, v *string) { *v = "short" }, "invalid_grant"},
		{"another redirect address", func(_ *world, c *oauth2.Config, _ *string) { c.RedirectURL += "/" }, "invalid_grant"},
		{"too late", func(w *world, _ *oauth2.Config, _ *string) { w.pass(11 * time.Minute) }, "invalid_grant"},
		{"another client", func(_ *world, c *oauth2.Config, _ *string) { c.ClientID, c.ClientSecret = "other", "" }, "invalid_grant"},
		{"a wrong secret", func(_ *world, c *oauth2.Config, _ *string) { c.ClientSecret = "wrong" }, "invalid_client"},
		{"an unknown client", func(_ *world, c *oauth2.Config, _ *string) { c.ClientID = "nobody" }, "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, oauthsim.Behaviour{})
			w.register(t, oauthsim.Client{ID: "other", RedirectURIs: []string{redirect}})
			c := w.config(googleMail)
			verifier := oauth2.GenerateVerifier()
			back, err := w.Approve(c.AuthCodeURL("", offline(verifier)...), jane)
			if err != nil {
				t.Fatal(err)
			}
			test.change(w, c, &verifier)
			_, err = c.Exchange(w.ctx(t), answerOf(t, back).Get("code"), oauth2.VerifierOption(verifier))
			var e *oauth2.RetrieveError
			if !errors.As(err, &e) || e.ErrorCode != test.code {
				t.Errorf("%v, want %s", err, test.code)
			}
		})
	}
}

func TestScopesThatAreNotGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft, Rotate: true, DropScopes: []string{imapAccess}, IDTokenAddress: john})
	token := w.connect(t, w.config(smtpSend, imapAccess, "openid", "email", "offline_access"))
	if token.Extra("scope") != smtpSend {
		t.Errorf("scope %v", token.Extra("scope"))
	}
	if claims := verifiedClaims(t, w, token); claims["email"] != john {
		t.Errorf("the id token names %v", claims["email"])
	}
}

// TestSecondConsentAtGoogle: without prompt=consent there is no refresh token the
// second time, and with a hint no page.
func TestSecondConsentAtGoogle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	c := w.config(googleMail)
	if token := w.connect(t, c); token.RefreshToken == "" {
		t.Fatal("no refresh token the first time")
	}
	verifier := oauth2.GenerateVerifier()
	resp, _ := w.get(t, c.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier), oauth2.AccessTypeOffline, oauth2.SetAuthURLParam("login_hint", jane)))
	token, err := c.Exchange(w.ctx(t), answerOf(t, resp.Header.Get("Location")).Get("code"), oauth2.VerifierOption(verifier))
	if err != nil || token.RefreshToken != "" {
		t.Errorf("second time: %+v, %v", token, err)
	}
}

func TestAdministratorMustConsentFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft, AdminConsentRequired: true})
	address := w.config(smtpSend).AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	_, page := w.get(t, address)
	request := regexp.MustCompile(`name="request" value="([^"]+)"`).FindStringSubmatch(page)[1]
	if !strings.Contains(page, "Need admin approval") {
		t.Errorf("page: %s", page)
	}
	resp, _ := w.post(t, address, url.Values{"request": {request}, "account": {jane}, "decision": {"allow"}, "scope": {smtpSend}})
	if back := answerOf(t, resp.Header.Get("Location")); back.Get("error") != "access_denied" || !strings.Contains(back.Get("error_description"), "AADSTS90094") {
		t.Errorf("allowed against the policy: %v", back)
	}
	w.GrantAdminConsent("relayd")
	if _, page = w.get(t, address); !strings.Contains(page, "Allow") {
		t.Errorf("after the administrator's consent: %s", page)
	}
}
