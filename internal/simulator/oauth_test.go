package simulator_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/relayd/relayd/internal/simulator"
)

// TestConnectAndSend is an application from the consent to the mail: with a foreign
// OAuth library over HTTPS, and a foreign mail program.
func TestConnectAndSend(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	const redirect = "https://app.example/callback"
	if err := s.AddOAuthClient(simulator.OAuthClient{ID: "app", Secret: "secret", RedirectURIs: []string{redirect}}); err != nil {
		t.Fatal(err)
	}
	s.ConfigureOAuth(func(b *simulator.OAuthBehaviour) { b.RefuseOld = true })
	e := s.OAuthEndpoints()
	config := &oauth2.Config{ClientID: "app", ClientSecret: "secret", RedirectURL: redirect, Scopes: []string{smtpSend, "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: e.Authorize, TokenURL: e.Token}}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.HTTPClient())
	verifier := oauth2.GenerateVerifier()
	back, err := s.Approve(config.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)), jane)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	token, err := config.Exchange(ctx, u.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if err := submit(t, program(t, s, &xoauth2{user: jane, token: token.AccessToken}), jane, mailOf(jane)); err != nil {
		t.Fatal(err)
	}
	s.ExpireTokens(jane)
	reply(t, program(t, s, nil).Auth(&xoauth2{user: jane, token: token.AccessToken}), 535, "5.7.3", "")
	token.Expiry = time.Now().Add(-time.Minute)
	next, err := config.TokenSource(ctx, token).Token()
	if err != nil || next.RefreshToken == token.RefreshToken {
		t.Fatalf("refreshed: %v, %v", next, err)
	}
	program(t, s, &xoauth2{user: jane, token: next.AccessToken})
	if _, err := config.TokenSource(ctx, token).Token(); err == nil {
		t.Error("the old refresh token still works")
	}
	s.RevokeConsent(jane)
	next.Expiry = token.Expiry
	if _, err := config.TokenSource(ctx, next).Token(); err == nil || !strings.Contains(err.Error(), "AADSTS65001") {
		t.Errorf("after the consent was taken back: %v", err)
	}
	if n := s.OAuth().TokenRequests(); n != 4 {
		t.Errorf("%d token requests", n)
	}
}

func TestServiceAccountFile(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	file, err := s.ServiceAccount("robot@project.example")
	if err != nil {
		t.Fatal(err)
	}
	var key struct {
		Email string `json:"client_email"`
		Key   string `json:"private_key"`
		URI   string `json:"token_uri"`
	}
	if err := json.Unmarshal(file, &key); err != nil {
		t.Fatal(err)
	}
	config := jwt.Config{Email: key.Email, PrivateKey: []byte(key.Key), TokenURL: key.URI, Subject: jane, Scopes: []string{googleMail}}
	token, err := config.TokenSource(context.WithValue(t.Context(), oauth2.HTTPClient, s.HTTPClient())).Token()
	if err != nil {
		t.Fatal(err)
	}
	program(t, s, &xoauth2{user: jane, token: token.AccessToken})
}
