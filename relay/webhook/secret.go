package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// The place to which a sealed secret is bound.
const (
	sealKind  = "webhook"
	sealField = "secret"
)

// The form of a secret.
const (
	secretPrefix  = "whsec_"
	secretSize    = 32 // octets that NewSecret makes
	minSecretSize = 24 // of the specification
	maxSecretSize = 64
)

// maxURL is how long the address of a webhook may be.
const maxURL = 2048

// NewSecret makes the secret of a webhook. It is shown once, to whoever made the
// webhook.
func NewSecret() relay.Secret {
	var random [secretSize]byte
	rand.Read(random[:]) //nolint:errcheck // never fails since Go 1.24
	return relay.Secret(secretPrefix + base64.StdEncoding.EncodeToString(random[:]))
}

// Seal gives what relay.Webhook.Secret holds, for a webhook of this ID. A secret of
// another form than NewSecret's is a *relay.FieldError.
func Seal(sealer Sealer, id string, secret relay.Secret) ([]byte, error) {
	if _, err := signingKey(secret); err != nil {
		return nil, err
	}
	return sealer.Seal(sealKind, id, sealField, []byte(secret.Reveal())), nil
}

// unseal gives the key that signs the calls of a webhook.
func (s *Service) unseal(w *relay.Webhook) ([]byte, error) {
	plain, err := s.o.Sealer.Unseal(sealKind, w.ID, sealField, w.Secret)
	if err != nil {
		return nil, fmt.Errorf("open the secret of webhook %s: %w", w.ID, err)
	}
	return signingKey(relay.Secret(plain))
}

// signingKey reads a secret. Its error never holds any of it.
func signingKey(secret relay.Secret) ([]byte, error) {
	encoded, found := strings.CutPrefix(secret.Reveal(), secretPrefix)
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	broken := strings.ContainsAny(encoded, "\r\n") // which the decoder would pass over
	if !found || err != nil || broken || len(key) < minSecretSize || len(key) > maxSecretSize {
		return nil, &relay.FieldError{Field: "secret", Message: fmt.Sprintf(
			"The secret is %s followed by %d to %d octets in base64.", secretPrefix, minSecretSize, maxSecretSize)}
	}
	return key, nil
}

// sign gives the value of webhook-signature.
func sign(key []byte, id string, at time.Time, body []byte) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	h.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// CheckURL reports whether a webhook can have this address. https is the rule; http
// passes here, and is called only where Options.PlainAllowed permits the address that
// it leads to. The error is a *relay.FieldError.
func CheckURL(text string) error {
	wrong := func(message string) error { return &relay.FieldError{Field: "url", Message: message} }
	if len(text) > maxURL {
		return wrong(fmt.Sprintf("The address has more than %d characters.", maxURL))
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return wrong("The address has spaces or control characters.")
	}
	u, err := url.Parse(text) // its error repeats the text, which may hold a secret
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || (u.Scheme != "https" && u.Scheme != "http"):
		return wrong("The address looks like https://hooks.example.com/relayd.")
	case u.User != nil:
		return wrong("The address has a user name or password in it; the signature shows who calls.")
	case u.Fragment != "":
		return wrong("The address has a part behind #, which is never sent.")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong("The port is a number from 1 to 65535.")
		}
	}
	return nil
}
