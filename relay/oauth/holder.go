package oauth

import (
	"context"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// source is what access tokens are made of: a consent, or the secret of an application.
type source struct {
	key     string // of its holder
	stamp   string // another one means that tokens in memory are of something older
	setting string // another one means that failures in memory are of something older
	realm   *realm
	grant   string // id of the consent; empty for an application's own secret
	account string // id; empty where the tokens are for all accounts
	address relay.Address
}

// holder keeps the access tokens of one source, in memory only.
type holder struct {
	turn chan struct{} // held by the one request that is under way

	// Under Service.mu:
	stamp   string
	setting string
	tokens  map[relay.Resource]accessToken
	flights map[relay.Resource]*flight
	trouble *trouble                    // of the source
	refused map[relay.Resource]*trouble // of one resource
	failed  int                         // failures one after the other
	renewed map[relay.Resource]time.Time
	touched time.Time

	// Under turn: a refresh token that the store did not take yet.
	unsaved *unsaved
}

type accessToken struct {
	secret relay.Secret
	renew  time.Time // from here on a new one is fetched
	end    time.Time
}

// trouble is a failure that is remembered, so that it is not met again at once.
type trouble struct {
	err   *relay.TokenError
	until time.Time
}

func (t *trouble) at(now time.Time) *relay.TokenError {
	if t == nil || !now.Before(t.until) {
		return nil
	}
	return t.err
}

// flight is one request, and those who wait for it.
type flight struct {
	stamp   string // of its source: who has a newer consent does not wait for it
	renewal bool   // for a token that was refused

	done  chan struct{} // closed when the rest is set
	token relay.Secret
	err   *relay.TokenError
}

// holder gives the holder of a source; the caller has s.mu. After a new consent, or a
// change of the application, it is empty.
func (s *Service) holder(src *source, now time.Time) *holder {
	h := s.holders[src.key]
	if h == nil {
		h = &holder{turn: make(chan struct{}, 1), flights: map[relay.Resource]*flight{}}
		s.holders[src.key] = h
	}
	if h.stamp != src.stamp {
		h.stamp, h.setting = src.stamp, ""
		h.tokens, h.renewed = map[relay.Resource]accessToken{}, map[relay.Resource]time.Time{}
	}
	if h.setting != src.setting {
		h.setting, h.trouble, h.failed, h.refused = src.setting, nil, 0, map[relay.Resource]*trouble{}
	}
	h.touched = now
	return h
}

// idle reports whether nothing is lost if the holder is forgotten.
func (h *holder) idle(now time.Time) bool {
	for _, t := range h.tokens {
		if now.Before(t.end) {
			return false
		}
	}
	for _, t := range h.refused {
		if t.at(now) != nil {
			return false
		}
	}
	return len(h.flights) == 0 && len(h.turn) == 0 && h.trouble.at(now) == nil && h.unsaved == nil && now.Sub(h.touched) > maxAskedPause
}

// stands gives the failure that stands in the way of a request now.
func (h *holder) stands(r relay.Resource, now time.Time) *relay.TokenError {
	if err := h.trouble.at(now); err != nil {
		return err
	}
	return h.refused[r].at(now)
}

// usable gives the token in memory. A stale one was refused at a sign-in: it is used
// again only if it was fetched for that very reason a moment ago, when another one
// would help no more.
func (h *holder) usable(r relay.Resource, stale relay.Secret, now time.Time) (t accessToken, ok bool) {
	t, ok = h.tokens[r]
	if !ok || !now.Before(t.end) {
		return accessToken{}, false
	}
	if stale != "" && t.secret == stale && now.Sub(h.renewed[r]) >= RetryAfter {
		return accessToken{}, false
	}
	return t, true
}

// obtain gives an access token of a source: the one in memory, or a new one.
func (s *Service) obtain(ctx context.Context, src *source, r relay.Resource, stale relay.Secret) (relay.Secret, error) {
	now := time.Now()
	s.mu.Lock()
	h := s.holder(src, now)
	t, ok := h.usable(r, stale, now)
	if ok && now.Before(t.renew) {
		s.mu.Unlock()
		return t.secret, nil
	}
	// Close to its end a token is replaced, and is good as long as that takes.
	ahead := ok && t.end.Sub(now) > s.o.RequestTimeout
	f := h.flights[r]
	if f == nil || f.stamp != src.stamp {
		if err := h.stands(r, now); err != nil {
			s.mu.Unlock()
			return s.rest(t, ok, err)
		}
		if s.closed {
			s.mu.Unlock()
			return "", ErrClosed
		}
		f = &flight{stamp: src.stamp, renewal: stale != "" && !ok, done: make(chan struct{})}
		h.flights[r] = f
		s.running.Add(1)
		go s.fly(f, h, src, r)
	}
	s.mu.Unlock()
	if ahead {
		return t.secret, nil
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return "", fmt.Errorf("wait for an access token: %w", ctx.Err())
	}
	if f.err != nil {
		return s.rest(t, ok, f.err)
	}
	return f.token, nil
}

// rest uses an access token up that could not be replaced ahead of time.
func (s *Service) rest(t accessToken, ok bool, err *relay.TokenError) (relay.Secret, error) {
	if ok && time.Now().Before(t.end) {
		return t.secret, nil
	}
	return "", err
}

// fly makes one request, for all who wait for it. It does not end with any of them.
func (s *Service) fly(f *flight, h *holder, src *source, r relay.Resource) {
	defer s.running.Done()
	got, err := s.inTurn(h, src, r)
	f.err = s.land(h, src, r, f.renewal, got, err)
	if f.err == nil {
		f.token = got.access
	} else if !isRemembered(err) && s.ctx.Err() == nil {
		s.o.Observer.TokenFailed(src.account, src.realm.app.ID, f.err)
	}
	s.mu.Lock()
	if h.flights[r] == f {
		delete(h.flights, r)
	}
	s.mu.Unlock()
	close(f.done)
}

// inTurn waits until no other request of the source is under way.
func (s *Service) inTurn(h *holder, src *source, r relay.Resource) (*issued, error) {
	select {
	case h.turn <- struct{}{}:
	case <-s.ctx.Done():
		return nil, ErrClosed
	}
	defer func() { <-h.turn }()
	s.mu.Lock()
	var err error
	if stands := h.stands(r, time.Now()); stands != nil && h.stamp == src.stamp {
		err = stands // met by a request for another resource meanwhile
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return s.passGate(src, func() (*issued, error) {
		if src.grant != "" {
			return s.refresh(s.ctx, h, src, r)
		}
		return s.issue(s.ctx, src, r)
	})
}

// land keeps what came of a request.
func (s *Service) land(h *holder, src *source, r relay.Resource, renewal bool, got *issued, err error) *relay.TokenError {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	current := h.stamp == src.stamp
	if err == nil {
		if current {
			h.tokens[r], h.trouble, h.failed = got.held(now), nil, 0
			delete(h.refused, r)
			if renewal {
				h.renewed[r] = now
			}
		}
		return nil
	}
	told := tokenError(src.realm.app.ID, err)
	if current {
		h.remember(src.realm, r, told, err, now)
	}
	return told
}

// held is a new token as it is kept: replaced 5 minutes before its end, or earlier if
// its whole life is short.
func (g *issued) held(now time.Time) accessToken {
	ahead := min(RefreshAhead, g.end.Sub(now)/4)
	return accessToken{secret: g.access, renew: g.end.Add(-ahead), end: g.end}
}

// seed keeps the access token that came with a consent.
func (s *Service) seed(src *source, r relay.Resource, got *issued) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.holder(src, now)
	h.tokens[r] = got.held(now)
}

// drop forgets the tokens of a consent that is replaced or removed; the caller does
// not have s.mu.
func (s *Service) drop(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.holders[key]; h != nil {
		h.stamp, h.tokens = "", nil
	}
}
