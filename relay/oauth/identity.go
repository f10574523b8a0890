package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// identity is whose consent it is, as far as the vendor tells.
type identity struct {
	address string // as it is written by us; empty if the vendor has no way to tell
	claim   string // where it stood
	issuer  string
}

// identify finds out whose consent it is, and compares that with the address that is
// being connected (attack row W16: otherwise somebody could be made to connect another
// person's mailbox, or his own in another's name).
func (s *Service) identify(ctx context.Context, m *realm, got *issued, f *flow) (identity, error) {
	switch {
	case got.idToken != "" && len(m.vendor.Claims) > 0:
		return identifyByToken(m, got.idToken, f)
	case m.vendor.Profile.URL != "":
		return s.identifyByProfile(ctx, m, got.access, f.address)
	case len(m.vendor.Claims) > 0:
		return identity{}, fmt.Errorf("%w: there is no id token in its answer", ErrIdentity)
	}
	// Such a vendor has nothing to compare with. Its servers compare the token with the
	// user name at every sign-in, and the account has to prove itself by its loop mail.
	return identity{}, nil
}

func identifyByToken(m *realm, raw string, f *flow) (identity, error) {
	t, err := parseIDToken(raw)
	if err != nil {
		return identity{}, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	if err := t.check(m, f.nonce, time.Now()); err != nil {
		return identity{}, err
	}
	if f.issuer != "" && f.issuer != t.issuer {
		return identity{}, ErrIssuer // RFC 9207 §2.4
	}
	id := identity{issuer: t.issuer}
	var other string
	for _, claim := range m.vendor.Claims {
		name, needsProof := strings.CutSuffix(claim, ":verified")
		value := t.texts[name]
		if value == "" || (needsProof && !t.verified) {
			continue
		}
		if sameMailbox(value, f.address) {
			id.address, id.claim = f.address.String(), name
			return id, nil
		}
		if other == "" {
			other = value
		}
	}
	if f.Shared && other != "" {
		return identity{issuer: id.issuer}, nil
	}
	return identity{}, otherMailbox(f.address, other)
}

// identifyByProfile asks the vendor's profile.
func (s *Service) identifyByProfile(ctx context.Context, m *realm, access relay.Secret, wanted relay.Address) (identity, error) {
	p := m.vendor.Profile
	header := http.Header{"Accept": {"application/json"}}
	address := p.URL
	if p.Parameter != "" {
		u, err := url.Parse(p.URL)
		if err != nil {
			return identity{}, fmt.Errorf("%w: %w", ErrIdentity, err)
		}
		q := u.Query()
		q.Set(p.Parameter, access.Reveal())
		u.RawQuery = q.Encode()
		address = u.String()
	} else {
		scheme := p.Scheme
		if scheme == "" {
			scheme = "Bearer"
		}
		header.Set("Authorization", scheme+" "+access.Reveal())
	}
	a, err := s.fetch(ctx, http.MethodGet, address, header, "")
	if err != nil {
		return identity{}, err
	}
	var body map[string]json.RawMessage
	var value string
	if a.status != http.StatusOK || json.Unmarshal(a.body, &body) != nil || json.Unmarshal(body[p.Field], &value) != nil {
		return identity{}, fmt.Errorf("%w: its profile answers %d and no address", ErrIdentity, a.status)
	}
	if !sameMailbox(value, wanted) {
		return identity{}, otherMailbox(wanted, value)
	}
	return identity{address: wanted.String(), claim: p.Field}, nil
}

// sameMailbox compares what a vendor says with an address, as addresses are compared
// everywhere: by relay.Address.Equal.
func sameMailbox(said string, wanted relay.Address) bool {
	got, err := mailaddr.Parse(said)
	return err == nil && !got.IsZero() && got.Equal(wanted)
}

func otherMailbox(wanted relay.Address, said string) error {
	said = relay.Printable(said)
	if said == "" {
		return fmt.Errorf("%w: there is no address in its answer", ErrIdentity)
	}
	return &AddressError{Wanted: wanted, Got: said}
}
