package oauthsim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft})
	ask := func(scope string) (oauthsim.Token, error) {
		c := clientcredentials.Config{ClientID: "relayd", ClientSecret: "s:cret %", TokenURL: w.EndpointsAt(w.http.URL).Token, Scopes: []string{scope}}
		token, err := c.Token(w.ctx(t))
		if err != nil {
			return oauthsim.Token{}, err
		}
		known, _ := w.Token(token.AccessToken)
		return known, nil
	}
	const scope = "https://outlook.office365.com/.default"
	if known, err := ask(scope); err != nil || known.Allows(oauthsim.UseSMTP) {
		t.Errorf("without consent: %+v, %v", known, err)
	}
	address := w.EndpointsAt(w.http.URL).AdminConsent
	form := url.Values{"client_id": {"relayd"}, "redirect_uri": {redirect}, "state": {"s"}, "scope": {scope}}
	if _, page := w.get(t, address+"?"+form.Encode()); !strings.Contains(page, "Accept") {
		t.Errorf("page: %s", page)
	}
	form.Set("decision", "deny")
	resp, _ := w.post(t, address, form)
	if back := answerOf(t, resp.Header.Get("Location")); back.Get("error") != "permission_denied" {
		t.Errorf("cancelled: %v", back)
	}
	form.Set("decision", "allow")
	resp, _ = w.post(t, address, form)
	if back := answerOf(t, resp.Header.Get("Location")); back.Get("admin_consent") != "True" || back.Get("state") != "s" || back.Get("tenant") != "common" {
		t.Errorf("accepted: %v", back)
	}
	known, err := ask(scope)
	if err != nil || !known.AppOnly || !known.Allows(oauthsim.UseSMTP) || !known.Allows(oauthsim.UseIMAP) || known.Allows(oauthsim.UseGraphSend) {
		t.Errorf("with consent: %+v, %v", known, err)
	}
	if known, err := ask("https://graph.microsoft.com/.default"); err != nil || !known.Allows(oauthsim.UseGraphSend) {
		t.Errorf("for Graph: %+v, %v", known, err)
	}
	_, err = ask(smtpSend)
	refusal(t, err, 400, "invalid_scope", "AADSTS70011")
	w.RevokeAdminConsent("relayd")
	if known, err := ask(scope); err != nil || known.Allows(oauthsim.UseSMTP) {
		t.Errorf("after it was taken back: %+v, %v", known, err)
	}
	form.Set("redirect_uri", "https://elsewhere.example/")
	if resp, _ = w.post(t, address, form); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("another redirect address: %d", resp.StatusCode)
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.register(t, oauthsim.Client{ID: "robot@project.example", PublicKey: &key.PublicKey, Delegated: true})
	w.register(t, oauthsim.Client{ID: "stranger@project.example", PublicKey: &key.PublicKey})
	base := jwt.Config{Email: "robot@project.example", Subject: jane, Scopes: []string{googleMail}, PrivateKey: pemOf(t, key),
		TokenURL: w.EndpointsAt(w.http.URL).Token}
	token, err := base.TokenSource(w.ctx(t)).Token()
	if err != nil {
		t.Fatal(err)
	}
	if known, ok := w.Token(token.AccessToken); !ok || known.Address != jane || !known.Allows(oauthsim.UseSMTP) {
		t.Errorf("the token is %+v", known)
	}
	for _, test := range []struct {
		name   string
		change func(*jwt.Config)
		status int
		code   string
		text   string
	}{
		{"another key", func(c *jwt.Config) { c.PrivateKey = pemOf(t, other) }, 400, "invalid_grant", "JWT"},
		{"unknown account", func(c *jwt.Config) { c.Email = "nobody@project.example" }, 400, "invalid_grant", "JWT"},
		{"another audience", func(c *jwt.Config) { c.Audience = "https://oauth2.googleapis.com/token" }, 400, "invalid_grant", "JWT"},
		{"no such mailbox", func(c *jwt.Config) { c.Subject = "nobody@acme.example" }, 400, "invalid_grant", "account not found"},
		{"no delegation", func(c *jwt.Config) { c.Email = "stranger@project.example" }, 401, "unauthorized_client", "unauthorized to retrieve access tokens"},
		{"unknown scope", func(c *jwt.Config) { c.Scopes = []string{"typo"} }, 400, "invalid_scope", ""},
		{"valid for too long", func(c *jwt.Config) { c.Expires = 48 * time.Hour }, 400, "invalid_grant", "JWT"},
	} {
		c := base
		test.change(&c)
		_, err := c.TokenSource(w.ctx(t)).Token()
		var e *oauth2.RetrieveError
		if !errors.As(err, &e) || e.Response.StatusCode != test.status || !strings.Contains(string(e.Body), test.code) || !strings.Contains(string(e.Body), test.text) {
			t.Errorf("%s: %v, want %d %s %s", test.name, err, test.status, test.code, test.text)
		}
	}
	w.pass(-time.Hour)
	if _, err := base.TokenSource(w.ctx(t)).Token(); err == nil {
		t.Error("an assertion of the future")
	}
	w.pass(3 * time.Hour)
	if _, err := base.TokenSource(w.ctx(t)).Token(); err == nil {
		t.Error("an assertion of the past")
	}
}

// TestClientWithCertificate signs in with an assertion instead of a secret.
func TestClientWithCertificate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	w.register(t, oauthsim.Client{ID: "app", PublicKey: &key.PublicKey, AppOnly: true})
	w.GrantAdminConsent("app")
	tokenURL := w.EndpointsAt(w.http.URL).Token
	for subject, want := range map[string]int{"app": 200, "other": 401} {
		assertion, err := oauthsim.Sign(key, "1", map[string]any{"iss": "app", "sub": subject, "aud": []string{tokenURL}, "exp": time.Now().Add(time.Minute).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		resp, body := w.post(t, tokenURL, url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "scope": {"https://graph.microsoft.com/.default"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}})
		if resp.StatusCode != want {
			t.Errorf("assertion of %s: %d %s", subject, resp.StatusCode, body)
		}
	}
}

func pemOf(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
