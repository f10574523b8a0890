package oauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// unsaved is a refresh token that the vendor gave and the store did not take. It waits
// in memory: the one in the store may work no more.
type unsaved struct {
	token    relay.Secret
	obtained time.Time // of the consent
	revision uint64    // of its record, when it was asked for
}

// refresh makes an access token of a consent. The caller has the turn of the holder, so
// no other request uses the refresh token at the same time.
func (s *Service) refresh(ctx context.Context, h *holder, src *source, r relay.Resource) (*issued, error) {
	scopes, err := src.realm.refreshScopes(r)
	if err != nil {
		return nil, err
	}
	for range maxRaces {
		g, err := s.readGrant(ctx, h, src)
		if err != nil {
			return nil, err
		}
		old, err := s.refreshOf(g)
		if err != nil {
			return nil, err
		}
		got, err := s.ask(ctx, src.realm, scopes, refreshForm(old))
		if err == nil {
			if err = s.keep(ctx, h, g, old, got); err == nil {
				return got, nil
			}
		} else {
			err = s.refusedGrant(ctx, src, g, err)
		}
		if !errors.Is(err, store.ErrStale) {
			return nil, err
		}
		// The person consented anew meanwhile, or another node was faster: what we got is
		// of no use, and the record has what holds now.
	}
	return nil, fmt.Errorf("refresh %s: %w", src.grant, store.ErrStale)
}

// readGrant gives the consent as it is now, with the refresh token that the store did
// not take the last time.
func (s *Service) readGrant(ctx context.Context, h *holder, src *source) (*relay.Grant, error) {
	g, err := s.o.Grants.Get(ctx, src.grant)
	if isNotFound(err) {
		return nil, ErrNoConsent
	}
	if err != nil {
		return nil, fmt.Errorf("read the consent %s: %w", src.grant, err)
	}
	if err := usableGrant(g, src.realm.app.ID); err != nil {
		return nil, err
	}
	u := h.unsaved
	h.unsaved = nil
	if u == nil || !u.obtained.Equal(g.Obtained) || u.revision != g.Revision {
		return g, nil
	}
	if err := s.rotate(ctx, g, u.token); err != nil {
		if !errors.Is(err, store.ErrStale) {
			h.unsaved = u
		}
		return nil, err
	}
	return g, nil
}

// keep makes durable what came with an access token. Until it has returned nil, the
// access token must not be used: a vendor may take the use of the new tokens as the
// sign to forget the old ones.
func (s *Service) keep(ctx context.Context, h *holder, g *relay.Grant, old relay.Secret, got *issued) error {
	ctx = context.WithoutCancel(ctx) // what arrived is kept, also at the very end of the program
	if got.refresh == "" || got.refresh == old {
		return s.markUsed(ctx, g)
	}
	revision := g.Revision
	err := s.rotate(ctx, g, got.refresh)
	if err != nil && !errors.Is(err, store.ErrStale) {
		h.unsaved = &unsaved{token: got.refresh, obtained: g.Obtained, revision: revision}
	}
	return err
}

// rotate puts a new refresh token in the place of the old one.
func (s *Service) rotate(ctx context.Context, g *relay.Grant, token relay.Secret) error {
	g.Refresh = s.sealRefresh(g.ID, token)
	g.Rotated = now()
	g.Used = g.Rotated
	if err := s.o.Grants.Put(ctx, g); err != nil {
		if isNotFound(err) {
			return ErrNoConsent // forgotten meanwhile
		}
		return fmt.Errorf("store the refresh token of %s: %w", g.ID, err)
	}
	return nil
}

// markUsed notes that the consent was used, to the day: nothing depends on it but the
// weekly look, and a disk that is full must not stop mail.
func (s *Service) markUsed(ctx context.Context, g *relay.Grant) error {
	if time.Since(g.Used) < usedPrecision {
		return nil
	}
	g.Used = now()
	err := s.o.Grants.Put(ctx, g)
	if errors.Is(err, store.ErrStale) || isNotFound(err) {
		return fmt.Errorf("note the use of %s: %w", g.ID, store.ErrStale)
	}
	return nil
}

// refusedGrant ends the consent if the vendor did, and gives the failure back. It gives
// store.ErrStale if what the vendor refused is not what holds now.
func (s *Service) refusedGrant(ctx context.Context, src *source, g *relay.Grant, err error) error {
	var f *failure
	if !errors.As(err, &f) || src.realm.judge(f) != ended {
		return err
	}
	refused := *g
	for range maxRaces {
		g.Ended = f.reply.Text
		putErr := s.o.Grants.Put(ctx, g)
		if putErr == nil {
			s.o.Observer.ConsentEnded(shown(g), tokenError(src.realm.app.ID, f))
			return err
		}
		if !errors.Is(putErr, store.ErrStale) {
			break
		}
		if g, putErr = s.o.Grants.Get(ctx, src.grant); putErr != nil {
			break
		}
		if !g.Obtained.Equal(refused.Obtained) || !g.Rotated.Equal(refused.Rotated) {
			return fmt.Errorf("end the consent %s: %w", src.grant, store.ErrStale)
		}
	}
	return err
}
