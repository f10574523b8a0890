package oauthsim

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Token is what an access token allows.
type Token struct {
	Address string // whose mailbox; empty for AppOnly
	Client  string // the application; empty if it was made by IssueToken
	Scopes  []string
	AppOnly bool // opens every mailbox
}

// Allows reports whether the scopes are enough for a use.
func (t Token) Allows(u Use) bool { return allows(t.Scopes, u) }

// grant is what somebody once allowed an application.
type grant struct {
	client, address string
	scopes          []string
	offline         bool // with a refresh token
	appOnly         bool
	nonce           string // of the authorisation request, for the id token
	dead            kind   // why it is over; none while it lives
}

type refreshToken struct {
	grant    *grant
	replaced bool
}

type accessToken struct {
	grant   *grant
	scopes  []string
	expires time.Time
}

// code is an authorisation code.
type code struct {
	grant               *grant
	redirect, challenge string
	expires             time.Time
}

func (c *code) over(now time.Time) bool        { return !now.Before(c.expires) }
func (t *accessToken) over(now time.Time) bool { return !now.Before(t.expires) }

// makeRoom forgets what is over and reports whether there is room for one more.
func makeRoom[V interface{ over(now time.Time) bool }](m map[string]V, now time.Time) bool {
	if len(m) >= maxWaiting {
		maps.DeleteFunc(m, func(_ string, v V) bool { return v.over(now) })
	}
	return len(m) < maxWaiting
}

// Token tells what an access token allows; ok is false if it is unknown, expired or
// withdrawn.
func (s *Server) Token(token string) (t Token, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.access[token]
	if a == nil || a.over(s.options.Now()) || a.grant.dead != none {
		return Token{}, false
	}
	return Token{Address: a.grant.address, Client: a.grant.client, Scopes: slices.Clone(a.scopes), AppOnly: a.grant.appOnly}, true
}

// IssueToken makes an access token as if address had consented.
func (s *Server) IssueToken(address string, scopes ...string) string {
	access, _ := s.IssueGrant("", address, scopes...)
	return access
}

// IssueGrant makes an access and a refresh token as if address had allowed the
// client to have these scopes.
func (s *Server) IssueGrant(clientID, address string, scopes ...string) (access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &grant{client: clientID, address: address, scopes: slices.Clone(scopes), offline: true}
	s.grants[g] = struct{}{}
	access, _ = s.newAccess(g, g.scopes)
	return access, s.newRefresh(g)
}

// IssueAppToken makes an access token that opens every mailbox.
func (s *Server) IssueAppToken(scopes ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &grant{scopes: slices.Clone(scopes), appOnly: true}
	s.grants[g] = struct{}{}
	access, _ := s.newAccess(g, g.scopes)
	return access
}

// newAccess makes an access token. The lock is held.
func (s *Server) newAccess(g *grant, scopes []string) (token string, lifetime time.Duration) {
	lifetime = s.behaviour.Lifetime
	if lifetime <= 0 {
		lifetime = DefaultLifetime
	}
	now := s.options.Now()
	if !makeRoom(s.access, now) {
		clear(s.access) // ten thousand living tokens: all of them expire early
	}
	var b strings.Builder
	for b.WriteString(secret()); b.Len() < s.behaviour.TokenLength; {
		b.WriteString(secret())
	}
	token = s.give(b.String())
	s.access[token] = &accessToken{grant: g, scopes: slices.Clone(scopes), expires: now.Add(lifetime)}
	return token, lifetime
}

// newRefresh makes a refresh token. The lock is held.
func (s *Server) newRefresh(g *grant) string {
	token := s.give(secret())
	s.refresh[token] = &refreshToken{grant: g}
	return token
}

// consented gives all that an address allows a client. The lock is held.
func (s *Server) consented(clientID, address string) []string {
	var scopes []string
	for g := range s.grants {
		if g.dead == none && g.client == clientID && strings.EqualFold(g.address, address) && !g.appOnly {
			scopes = append(scopes, g.scopes...)
		}
	}
	return scopes
}

// ExpireTokens ends the time of every access token of an address. Refresh tokens go
// on.
func (s *Server) ExpireTokens(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.access, func(_ string, a *accessToken) bool { return strings.EqualFold(a.grant.address, address) })
}

// RevokeConsent takes back all that an address allowed, as its owner does on the
// provider's page. Access tokens end at once, refreshing fails.
func (s *Server) RevokeConsent(address string) { s.end(address, revokedGrant) }

// RevokeSessions ends all grants of an address as an administrator's reset of the
// password does.
func (s *Server) RevokeSessions(address string) { s.end(address, resetGrant) }

func (s *Server) end(address string, why kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for g := range s.grants {
		if strings.EqualFold(g.address, address) {
			s.kill(g, why)
		}
	}
}

// kill ends a grant. Its refresh tokens stay, to be answered with the reason. The
// lock is held.
func (s *Server) kill(g *grant, why kind) {
	g.dead = why
	delete(s.grants, g)
	maps.DeleteFunc(s.access, func(_ string, a *accessToken) bool { return a.grant == g })
}
