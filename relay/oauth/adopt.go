package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Adopt makes the consent that was tried beside the account's own its own. Each record
// is written on its own, in an order in which a crash leaves something that works:
// first the account's, then the candidate is removed. Who adopts again after a crash
// finds the same consent in both places, and only removes the candidate: the account's
// may have a newer refresh token by then.
//
// It returns ErrNoConsent if there is neither a candidate nor one of the account's own.
func (s *Service) Adopt(ctx context.Context, accountID string) error {
	candidate := relay.CandidateGrant(accountID)
	release, err := s.holdTurns(ctx, candidate, accountID)
	if err != nil {
		return err
	}
	defer release()
	c, err := s.o.Grants.Get(ctx, candidate)
	if isNotFound(err) {
		return s.adopted(ctx, accountID)
	}
	if err != nil {
		return fmt.Errorf("read the consent %s: %w", candidate, err)
	}
	old, err := s.o.Grants.Get(ctx, accountID)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("read the consent %s: %w", accountID, err)
	}
	if old == nil || !sameConsent(old, c) {
		token, err := s.latest(candidate, c)
		if err != nil {
			return err
		}
		own := *c
		own.ID, own.Refresh = accountID, s.sealRefresh(accountID, token)
		if err := s.replaceGrant(ctx, &own); err != nil {
			return err
		}
	}
	s.drop(accountID)
	return s.remove(ctx, candidate)
}

// adopted reports whether it was done before.
func (s *Service) adopted(ctx context.Context, accountID string) error {
	if _, err := s.o.Grants.Get(ctx, accountID); err != nil {
		if isNotFound(err) {
			return ErrNoConsent
		}
		return fmt.Errorf("read the consent %s: %w", accountID, err)
	}
	return nil
}

// sameConsent: the same person's same yes, whatever became of its refresh token.
func sameConsent(a, b *relay.Grant) bool { return a.App == b.App && a.Obtained.Equal(b.Obtained) }

// latest is the refresh token of a consent, whose turn the caller has: one that the
// store did not take counts more.
func (s *Service) latest(id string, g *relay.Grant) (relay.Secret, error) {
	s.mu.Lock()
	h := s.holders[id]
	s.mu.Unlock()
	if u := h.unsaved; u != nil && u.obtained.Equal(g.Obtained) && u.revision == g.Revision {
		return u.token, nil
	}
	return s.refreshOf(g)
}

// holdTurns waits until no request for these consents is under way, and keeps new ones
// from beginning.
func (s *Service) holdTurns(ctx context.Context, ids ...string) (release func(), err error) {
	var held []*holder
	release = func() {
		for _, h := range held {
			<-h.turn
		}
	}
	for _, id := range ids {
		s.mu.Lock()
		h := s.holders[id]
		if h == nil {
			h = s.holder(&source{key: id}, time.Now())
		}
		h.touched = time.Now() // it is not forgotten meanwhile
		s.mu.Unlock()
		select {
		case h.turn <- struct{}{}:
			held = append(held, h)
		case <-ctx.Done():
			release()
			return nil, fmt.Errorf("wait for the consent %s: %w", id, ctx.Err())
		}
	}
	return release, nil
}

// Forget revokes the consents of an account at the vendor, where that is possible, and
// removes them. A vendor that cannot be reached does not keep them here.
func (s *Service) Forget(ctx context.Context, accountID string) error {
	g, err := s.o.Grants.Get(ctx, accountID)
	if err == nil && g.Ended == "" {
		s.revoke(ctx, g)
	}
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("read the consent %s: %w", accountID, err)
	}
	return errors.Join(s.remove(ctx, accountID), s.ForgetCandidate(ctx, accountID))
}

// ForgetCandidate removes the consent that was tried beside the one in force. It is not
// revoked: a vendor may end all consents of the same person to the application with it.
func (s *Service) ForgetCandidate(ctx context.Context, accountID string) error {
	return s.remove(ctx, relay.CandidateGrant(accountID))
}

func (s *Service) remove(ctx context.Context, id string) error {
	s.drop(id)
	if err := s.o.Grants.Delete(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("remove the consent %s: %w", id, err)
	}
	return nil
}

// revoke tells the vendor that the consent is over (RFC 7009). It does its best: the
// person can do the same at the vendor.
func (s *Service) revoke(ctx context.Context, g *relay.Grant) {
	app, err := s.o.Apps.Get(ctx, g.App)
	if err != nil {
		return
	}
	m, err := s.realm(app)
	if err != nil || m.endpoints.Revoke == "" {
		return
	}
	token, err := s.refreshOf(g)
	if err != nil {
		return
	}
	secret, err := s.secretOf(app)
	if err != nil {
		return
	}
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {"refresh_token"}, "client_id": {app.ClientID}}
	if secret != "" {
		form.Set("client_secret", secret.Reveal())
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	_, _ = s.fetch(ctx, http.MethodPost, m.endpoints.Revoke, header, form.Encode())
}
