package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// settle ends a consent: whose it is, what it permits, and then, before anything is
// done with it, the record.
func (s *Service) settle(ctx context.Context, m *realm, f *flow, got *issued) (*relay.Grant, identity, error) {
	if got.refresh == "" {
		return nil, identity{}, ErrNoRefresh
	}
	id, err := s.identify(ctx, m, got, f)
	if err != nil {
		return nil, identity{}, s.explainIdentity(m, err)
	}
	scopes, err := s.permitted(ctx, m, f, got)
	if err != nil {
		return nil, identity{}, err
	}
	g := &relay.Grant{
		ID: f.grant(), App: m.app.ID, Address: id.address, Scopes: scopes,
		Refresh: s.sealRefresh(f.grant(), got.refresh), Obtained: now(),
	}
	g.Rotated, g.Used = g.Obtained, g.Obtained
	if err := s.replaceGrant(ctx, g); err != nil {
		return nil, identity{}, err
	}
	src := &source{
		key: g.ID, stamp: grantStamp(g), setting: setting(m.app), realm: m,
		grant: g.ID, account: f.Account, address: f.address,
	}
	s.proved(m)
	s.seed(src, f.Resources[0], got)
	s.o.Observer.ConsentObtained(shown(g))
	return shown(g), id, nil
}

// explainIdentity: a profile that cannot be reached is a failure of the vendor.
func (s *Service) explainIdentity(m *realm, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return tokenError(m.app.ID, f)
	}
	return err
}

// permitted compares the permissions with those that are needed, for each resource.
func (s *Service) permitted(ctx context.Context, m *realm, f *flow, got *issued) ([]string, error) {
	var all []string
	granted := got.scopes
	for i, r := range f.Resources {
		wanted, err := m.scopes(r)
		if err != nil {
			return nil, err
		}
		if i > 0 && m.vendor.OneResource {
			if granted, err = s.probe(ctx, m, got, r); err != nil {
				return nil, err
			}
		}
		if short := m.vendor.missing(wanted, granted); short != nil {
			return nil, short
		}
		all = merge(all, wanted)
	}
	return all, nil
}

// probe asks whether the consent opens another resource too: a vendor whose tokens open
// one resource names the permissions of that one only. A vendor that does not answer
// now leaves it open, for the first use to find out.
func (s *Service) probe(ctx context.Context, m *realm, got *issued, r relay.Resource) ([]string, error) {
	scopes, err := m.refreshScopes(r)
	if err != nil {
		return nil, err
	}
	more, err := s.ask(ctx, m, scopes, refreshForm(got.refresh))
	var f *failure
	switch {
	case err == nil:
		if more.refresh != "" {
			got.refresh = more.refresh
		}
		return more.scopes, nil
	case errors.As(err, &f) && m.judge(f) == temporary:
		return nil, nil
	case errors.As(err, &f) && m.judge(f) != appRefused:
		return []string{}, nil // none of them
	}
	return nil, tokenError(m.app.ID, err)
}

func refreshForm(token relay.Secret) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.Reveal()}}
}

// replaceGrant writes a new consent in the place of whatever is there.
func (s *Service) replaceGrant(ctx context.Context, g *relay.Grant) error {
	var err error
	for range maxRaces {
		old, getErr := s.o.Grants.Get(ctx, g.ID)
		switch {
		case isNotFound(getErr):
			g.Revision = 0
		case getErr != nil:
			return fmt.Errorf("read the consent %s: %w", g.ID, getErr)
		default:
			g.Revision = old.Revision
		}
		if err = s.o.Grants.Put(ctx, g); err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists) && !isNotFound(err) {
			break
		}
	}
	return fmt.Errorf("store the consent %s: %w", g.ID, err)
}

// now is a time as records keep it.
func now() time.Time { return time.Now().UTC().Round(0) }
