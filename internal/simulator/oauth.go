package simulator

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"

	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// OAuthEndpoints are the addresses of the authorisation server.
type OAuthEndpoints = oauthsim.Endpoints

// OAuthEndpoints gives the addresses, in the form of the personality's provider.
func (s *Simulator) OAuthEndpoints() OAuthEndpoints { return s.oauth.EndpointsAt(s.HTTPSURL()) }

// AddOAuthClient registers an application, or replaces the one with this ID.
func (s *Simulator) AddOAuthClient(c OAuthClient) error { return s.oauth.AddClient(c) }

// ConfigureOAuth changes how applications are treated from now on.
func (s *Simulator) ConfigureOAuth(change func(*OAuthBehaviour)) { s.oauth.Configure(change) }

// OAuth is the authorisation server itself, which can do more.
func (s *Simulator) OAuth() *oauthsim.Server { return s.oauth }

// IssueToken makes an access token as if address had consented.
func (s *Simulator) IssueToken(address string, scopes ...string) string {
	return s.oauth.IssueToken(address, scopes...)
}

// ExpireTokens ends the time of every access token of an address.
func (s *Simulator) ExpireTokens(address string) { s.oauth.ExpireTokens(address) }

// RevokeConsent takes back all that an address allowed.
func (s *Simulator) RevokeConsent(address string) { s.oauth.RevokeConsent(address) }

// Approve presses Allow for an account, and gives the address with which a browser
// would return to the application.
func (s *Simulator) Approve(authorizeURL, address string) (redirectURL string, err error) {
	return s.oauth.Approve(authorizeURL, address)
}

// ServiceAccount makes and registers an account that may act for every mailbox, and
// gives its key file in the form of Google's.
func (s *Simulator) ServiceAccount(email string) ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make the key of %s: %w", email, err)
	}
	if err := s.AddOAuthClient(OAuthClient{ID: email, PublicKey: &key.PublicKey, Delegated: true}); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the key of %s: %w", email, err)
	}
	endpoints := s.OAuthEndpoints()
	return json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "simulator", "private_key_id": "simulator",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": email, "client_id": email,
		"auth_uri": endpoints.Authorize, "token_uri": endpoints.Token,
	}, "", "  ")
}
