package oauth

import (
	"context"
	"hash/fnv"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// keepAlive refreshes the consents that nobody used for a week: vendors end those that
// are idle for long (Microsoft after 90 days). One after the other, so that a start
// after a long rest makes no storm.
func (s *Service) keepAlive(ctx context.Context) {
	after := ""
	for {
		page, err := s.o.Grants.List(ctx, after, pageSize)
		if err != nil || len(page) == 0 {
			return // the next look is in an hour
		}
		for _, g := range page {
			if s.isIdle(g, time.Now()) {
				s.refreshIdle(ctx, g)
			}
			select {
			case <-ctx.Done():
				return
			case <-s.closing:
				return
			default:
			}
		}
		after = page[len(page)-1].ID
	}
}

// isIdle reports whether a consent is due. Each has a part of the last day of its week
// for its own, so that those that began together drift apart.
func (s *Service) isIdle(g *relay.Grant, now time.Time) bool {
	if g.Ended != "" {
		return false
	}
	h := fnv.New64a()
	h.Write([]byte(g.ID)) //nolint:errcheck // never fails
	spread := s.o.KeepAlive / 7
	early := time.Duration(h.Sum64() % uint64(max(spread, 1)))
	return now.Sub(g.Used) >= s.o.KeepAlive-early
}

func (s *Service) refreshIdle(ctx context.Context, g *relay.Grant) {
	app, err := s.o.Apps.Get(ctx, g.App)
	if err != nil {
		return
	}
	m, err := s.realm(app)
	if err != nil {
		return
	}
	address, _ := mailaddr.Parse(g.Address) // without one the domain is not known, which matters little
	src := &source{
		key: g.ID, stamp: grantStamp(g), setting: setting(app), realm: m,
		grant: g.ID, account: accountOf(g), address: address,
	}
	r := m.resourceOf(g.Scopes)
	s.mu.Lock()
	h := s.holder(src, time.Now())
	var stale relay.Secret
	if t, ok := h.tokens[r]; ok {
		stale = t.secret
	}
	s.mu.Unlock()
	_, _ = s.obtain(ctx, src, r, stale) // the observer hears of a failure
}

// accountOf is the ID of the account that a consent is for.
func accountOf(g *relay.Grant) string {
	return strings.TrimSuffix(g.ID, relay.CandidateGrant(""))
}
