package oauthsim

import (
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Client is an application that is registered.
type Client struct {
	ID           string
	Secret       string   // empty means a public client, which has none
	RedirectURIs []string // compared octet by octet
	// AppOnly lets it open every mailbox with client credentials, after an
	// administrator's consent.
	AppOnly bool
	// PublicKey is that of a service account, which opens every mailbox with an
	// assertion; or that of a client that signs in with a certificate.
	PublicKey *rsa.PublicKey
	Delegated bool // the service account may act for the domain's mailboxes
	// SecretExpired refuses the secret as one whose time is over.
	SecretExpired bool
}

// AddClient registers an application, or replaces the one with this ID.
func (s *Server) AddClient(c Client) error {
	if c.ID == "" {
		return errors.New("an OAuth client needs an ID")
	}
	for _, uri := range c.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || u.Fragment != "" { // RFC 6749 §3.1.2
			return fmt.Errorf("redirect address %q of client %s is not absolute, or has a fragment", uri, c.ID)
		}
	}
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = &c
	return nil
}

// ExpireSecret ends the time of a client's secret.
func (s *Server) ExpireSecret(clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[clientID]
	if c == nil {
		return fmt.Errorf("there is no OAuth client %s", clientID)
	}
	changed := *c
	changed.SecretExpired = true
	s.clients[clientID] = &changed
	return nil
}

func (s *Server) client(id string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients[id]
}

// assertionType is how a client says that it signs in with a key (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticate finds the client of a request to the token or device endpoint.
func (s *Server) authenticate(r *http.Request) (*Client, kind) {
	id, password := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok { // RFC 6749 §2.3.1: both are form-encoded there
		var err1, err2 error
		id, err1 = url.QueryUnescape(user)
		password, err2 = url.QueryUnescape(pass)
		if err1 != nil || err2 != nil {
			return nil, badSecret
		}
	}
	c := s.client(id)
	switch {
	case c == nil:
		return nil, unknownClient
	case c.SecretExpired:
		return nil, expiredSecret
	case r.PostForm.Get("client_assertion_type") == assertionType:
		if !s.assertsItself(c, r) {
			return nil, badSecret
		}
		return c, none
	case subtle.ConstantTimeCompare([]byte(password), []byte(c.Secret)) != 1:
		return nil, badSecret
	}
	return c, none
}

// assertsItself checks the assertion of a client that has a key instead of a secret.
func (s *Server) assertsItself(c *Client, r *http.Request) bool {
	if c.PublicKey == nil {
		return false
	}
	claims, err := verify(r.PostForm.Get("client_assertion"), c.PublicKey, s.options.Now())
	return err == nil && claims.Issuer == c.ID && claims.Subject == c.ID && isTokenAddress(claims.Audience, r)
}
