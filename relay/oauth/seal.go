package oauth

import (
	"errors"
	"fmt"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The places to which sealed secrets are bound.
const (
	sealGrant   = "grant"
	sealRefresh = "refresh"
	sealApp     = "app"
	sealSecret  = "secret"
)

// SealAppSecret seals the secret of an application for relay.App.Secret: a client
// secret, or the key file of a service account, which is checked. An empty secret gives
// nil: a public client.
func SealAppSecret(sealer Sealer, app *relay.App, secret relay.Secret) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	if app.Kind == relay.AppServiceAccount {
		if _, err := parseKeyFile([]byte(secret.Reveal())); err != nil {
			return nil, err
		}
	}
	return sealer.Seal(sealApp, app.ID, sealSecret, []byte(secret.Reveal())), nil
}

// secretOf opens the secret of an application; one without has none.
func (s *Service) secretOf(app *relay.App) (relay.Secret, error) {
	if len(app.Secret) == 0 {
		return "", nil
	}
	plain, err := s.o.Sealer.Unseal(sealApp, app.ID, sealSecret, app.Secret)
	if err != nil {
		return "", fmt.Errorf("open the secret of application %s: %w", app.ID, err)
	}
	return relay.Secret(plain), nil
}

func (s *Service) sealRefresh(grant string, token relay.Secret) []byte {
	return s.o.Sealer.Seal(sealGrant, grant, sealRefresh, []byte(token.Reveal()))
}

func (s *Service) refreshOf(g *relay.Grant) (relay.Secret, error) {
	plain, err := s.o.Sealer.Unseal(sealGrant, g.ID, sealRefresh, g.Refresh)
	if err != nil {
		return "", fmt.Errorf("open the refresh token of %s: %w", g.ID, err)
	}
	return relay.Secret(plain), nil
}

// shown is a grant as others may have it.
func shown(g *relay.Grant) *relay.Grant {
	c := *g
	c.Refresh, c.Scopes = nil, append([]string(nil), g.Scopes...)
	return &c
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
