package oauthsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

func TestDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Microsoft, DeviceInterval: time.Second, Rotate: true})
	c := w.config(smtpSend, "offline_access")
	ask := func() *oauth2.DeviceAuthResponse {
		t.Helper()
		waiting, err := c.DeviceAuth(w.ctx(t))
		if err != nil {
			t.Fatal(err)
		}
		return waiting
	}
	poll := func(code string) (*http.Response, string) {
		return w.post(t, c.Endpoint.TokenURL, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"},
			"device_code": {code}, "client_id": {"relayd"}, "client_secret": {"s:cret %"}})
	}
	waiting := ask()
	if waiting.Interval != 1 || waiting.UserCode == "" || !strings.HasSuffix(waiting.VerificationURI, "/device") {
		t.Errorf("device: %+v", waiting)
	}
	for _, want := range []string{"authorization_pending", "slow_down"} {
		if _, body := poll(waiting.DeviceCode); !strings.Contains(body, want) {
			t.Errorf("poll: %s, want %s", body, want)
		}
	}
	if _, page := w.get(t, waiting.VerificationURIComplete); !strings.Contains(page, waiting.UserCode) {
		t.Error("the page does not show the code")
	}
	resp, _ := w.post(t, waiting.VerificationURI, url.Values{"user_code": {strings.ToLower(waiting.UserCode)}, "account": {jane}, "decision": {"allow"}})
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("approval: %d", resp.StatusCode)
	}
	token, err := c.DeviceAccessToken(w.ctx(t), waiting)
	if err != nil || token.RefreshToken == "" {
		t.Fatalf("token: %+v, %v", token, err)
	}
	if known, ok := w.Token(token.AccessToken); !ok || known.Address != jane {
		t.Errorf("the token is %+v", known)
	}
	declined := ask()
	if err := w.DenyDevice(declined.UserCode); err != nil {
		t.Fatal(err)
	}
	if _, body := poll(declined.DeviceCode); !strings.Contains(body, "authorization_declined") {
		t.Errorf("declined: %s", body)
	}
	late := ask()
	w.pass(time.Hour)
	if _, body := poll(late.DeviceCode); !strings.Contains(body, "expired_token") {
		t.Errorf("too late: %s", body)
	}
	if resp, _ := w.post(t, waiting.VerificationURI, url.Values{"user_code": {"AAAA-AAAA"}, "account": {jane}, "decision": {"allow"}}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("unknown code: %d", resp.StatusCode)
	}
}

func TestGoogleHasNoMailForDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oauthsim.Behaviour{Dialect: oauthsim.Google})
	_, err := w.config(googleMail).DeviceAuth(w.ctx(t))
	refusal(t, err, 400, "invalid_scope", "device")
}
