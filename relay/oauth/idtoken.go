package oauth

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxIDToken is the longest id token, in octets. Those of vendors have about 2 KiB.
const maxIDToken = 16 << 10

// clockSkew is how far the clocks of a vendor and ours may be apart.
const clockSkew = 5 * time.Minute

// idToken is what an id token says (OpenID Connect Core 1.0 §2).
type idToken struct {
	issuer   string
	audience []string
	expires  time.Time
	nonce    string
	texts    map[string]string // claims that are text
	verified bool              // email_verified
}

var errIDToken = errors.New("the id token cannot be read")

// parseIDToken reads the claims. The signature is not looked at: the token comes from
// the token endpoint itself, over TLS, which OpenID Connect Core 1.0 §3.1.3.7 step 6
// lets stand for it. One that came with a browser must never be given to this.
func parseIDToken(raw string) (*idToken, error) {
	parts := strings.Split(raw, ".")
	if len(raw) > maxIDToken || len(parts) != 3 {
		return nil, fmt.Errorf("%w: it is no JWS of three parts", errIDToken)
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("%w: its payload is no base64url", errIDToken)
	}
	var claims map[string]json.RawMessage
	if err := json.Unmarshal(payload, &claims); err != nil || claims == nil {
		return nil, fmt.Errorf("%w: its payload is no JSON object", errIDToken)
	}
	t := &idToken{texts: map[string]string{}}
	for name, value := range claims {
		var text string
		if json.Unmarshal(value, &text) == nil && len(text) <= maxURL {
			t.texts[name] = text
		}
	}
	t.issuer, t.nonce = t.texts["iss"], t.texts["nonce"]
	t.audience = audienceOf(claims["aud"])
	if t.expires, err = timeOf(claims["exp"]); err != nil {
		return nil, err
	}
	t.verified = string(claims["email_verified"]) == "true" || t.texts["email_verified"] == "true"
	if t.issuer == "" || len(t.audience) == 0 {
		return nil, fmt.Errorf("%w: iss or aud is missing", errIDToken)
	}
	return t, nil
}

// audienceOf: a text, or a list of them.
func audienceOf(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	return nil
}

// maxEpoch is the year 9999.
const maxEpoch = 253402300799

func timeOf(raw json.RawMessage) (time.Time, error) {
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds <= 0 || seconds > maxEpoch {
		return time.Time{}, fmt.Errorf("%w: exp is missing or no time", errIDToken)
	}
	return time.Unix(int64(seconds), 0), nil
}

// check compares the token with what was asked (OpenID Connect Core 1.0 §3.1.3.7). An
// empty nonce was not sent.
func (t *idToken) check(m *realm, nonce string, now time.Time) error {
	switch {
	case !m.issuedBy(t.issuer):
		return ErrIssuer
	case !slices.Contains(t.audience, m.app.ClientID):
		return fmt.Errorf("%w: the id token is for another application", ErrIdentity)
	case now.After(t.expires.Add(clockSkew)):
		return fmt.Errorf("%w: the id token has expired; compare the clocks", ErrIdentity)
	case nonce != "" && subtle.ConstantTimeCompare([]byte(t.nonce), []byte(nonce)) != 1:
		return fmt.Errorf("%w: the id token is for another sign-in", ErrIdentity)
	}
	return nil
}
