package oauthsim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The limits of an assertion.
const (
	maxAssertion     = 16 << 10        // octets
	maxAssertionLife = time.Hour       // Google's
	clockSkew        = 5 * time.Minute // between the two clocks
	keyID            = "simulator"
)

// errAssertion is what every bad assertion gets; the text says what is wrong.
var errAssertion = errors.New("the assertion does not hold")

// claims are those that an assertion needs (RFC 7519 §4.1, RFC 7523 §3).
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	Expires   int64    `json:"exp"`
	IssuedAt  int64    `json:"iat"`
	NotBefore int64    `json:"nbf"`
	Scope     string   `json:"scope"`
}

// audience is a string or a list of strings (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

// parse takes a token in compact form apart (RFC 7515 §7.1). Nothing is verified.
func parse(token string) (signed string, c claims, signature []byte, err error) {
	if len(token) > maxAssertion {
		return "", claims{}, nil, fmt.Errorf("%w: %d octets", errAssertion, len(token))
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", claims{}, nil, fmt.Errorf("%w: %d parts", errAssertion, len(parts))
	}
	var header struct {
		Algorithm string `json:"alg"`
	}
	if err := decodePart(parts[0], &header); err != nil {
		return "", claims{}, nil, fmt.Errorf("%w: header: %w", errAssertion, err)
	}
	if header.Algorithm != "RS256" { // and never "none": RFC 8725 §3.1
		return "", claims{}, nil, fmt.Errorf("%w: not signed with RS256", errAssertion)
	}
	if err := decodePart(parts[1], &c); err != nil {
		return "", claims{}, nil, fmt.Errorf("%w: claims: %w", errAssertion, err)
	}
	if signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return "", claims{}, nil, fmt.Errorf("%w: signature: %w", errAssertion, err)
	}
	return parts[0] + "." + parts[1], c, signature, nil
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

// verify checks the signature and the times of a token.
func verify(token string, key *rsa.PublicKey, now time.Time) (claims, error) {
	signed, c, signature, err := parse(token)
	if err != nil {
		return claims{}, err
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		return claims{}, fmt.Errorf("%w: %w", errAssertion, err)
	}
	begins := max(c.IssuedAt, c.NotBefore)
	switch {
	case now.Unix() >= c.Expires:
		return claims{}, fmt.Errorf("%w: expired", errAssertion)
	case begins > now.Add(clockSkew).Unix():
		return claims{}, fmt.Errorf("%w: not valid yet", errAssertion)
	case c.Expires > now.Add(maxAssertionLife+clockSkew).Unix():
		return claims{}, fmt.Errorf("%w: valid for too long", errAssertion)
	}
	return c, nil
}

// unverifiedSubject tells whom an assertion speaks of, without any check.
func unverifiedSubject(token string) string {
	_, c, _, err := parse(token)
	if err != nil {
		return ""
	}
	return c.Subject
}

// assertion finds the service account of a request and what it asserts.
func (s *Server) assertion(r *http.Request) (*Client, claims, kind) {
	token := r.PostForm.Get("assertion")
	_, said, _, err := parse(token)
	if err != nil {
		return nil, claims{}, badAssertion
	}
	c := s.client(said.Issuer)
	if c == nil || c.PublicKey == nil {
		return nil, claims{}, badAssertion
	}
	proved, err := verify(token, c.PublicKey, s.options.Now())
	if err != nil || !isTokenAddress(proved.Audience, r) {
		return nil, claims{}, badAssertion
	}
	return c, proved, none
}

// isTokenAddress reports whether an assertion is meant for this very endpoint.
func isTokenAddress(a audience, r *http.Request) bool {
	return slices.ContainsFunc(a, func(aud string) bool {
		u, err := url.Parse(aud)
		return err == nil && u.Scheme == "https" && u.Host == r.Host && u.Path == r.URL.Path
	})
}

// idToken tells the application who signed in (OpenID Connect Core §2).
func (s *Server) idToken(r *http.Request, g *grant, b Behaviour) (string, error) {
	address := g.address
	if b.IDTokenAddress != "" {
		address = b.IDTokenAddress
	}
	now := s.options.Now()
	c := map[string]any{
		"iss": issuer(r), "aud": g.client, "sub": subjectID(g.address), "iat": now.Unix(), "exp": now.Add(DefaultLifetime).Unix(),
	}
	if g.nonce != "" {
		c["nonce"] = g.nonce
	}
	if slices.Contains(g.scopes, "email") {
		c["email"], c["email_verified"] = address, true
	}
	if b.Dialect == Microsoft {
		c["oid"], c["tid"] = subjectID(g.address), "simulator"
		if slices.Contains(g.scopes, "profile") {
			c["preferred_username"] = address
		}
	}
	return s.sign(c)
}

func (s *Server) sign(claims any) (string, error) {
	key, err := s.key()
	if err != nil {
		return "", fmt.Errorf("make the signing key: %w", err)
	}
	return Sign(key, keyID, claims)
}

// Sign makes a token in compact form, signed with RS256. Tests and programs that
// play a service account need it as well.
func Sign(key *rsa.PrivateKey, keyID string, claims any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID})
	if err != nil {
		return "", fmt.Errorf("write the header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write the claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// subjectID is a name for an account that is not its address.
func subjectID(address string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(address)))
	return new(big.Int).SetBytes(sum[:8]).String()
}

func issuer(r *http.Request) string { return "https://" + r.Host }

// keys gives the public key of the id tokens (RFC 7517).
func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	key, err := s.key()
	if err != nil {
		http.Error(w, "no key", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}}})
}

// discovery tells where everything is (OpenID Connect Discovery §4).
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	e := s.EndpointsAt(issuer(r))
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": issuer(r), "authorization_endpoint": e.Authorize, "token_endpoint": e.Token,
		"device_authorization_endpoint": e.Device, "revocation_endpoint": e.Revoke, "jwks_uri": e.Keys,
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
	})
}
