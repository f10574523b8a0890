package oauthsim

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// The grant types beside those of RFC 6749.
const (
	grantDevice    = "urn:ietf:params:oauth:grant-type:device_code" // RFC 8628
	grantAssertion = "urn:ietf:params:oauth:grant-type:jwt-bearer"  // RFC 7523
)

// tokenAnswer is a success of the token endpoint (RFC 6749 §5.1).
type tokenAnswer struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in"` // seconds
	Scope   string `json:"scope"`
	Refresh string `json:"refresh_token,omitempty"`
	ID      string `json:"id_token,omitempty"`
}

// token is the token endpoint.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if !s.readForm(w, r) || s.struck(w, r, fault.AtToken, r.PostForm.Get("client_id"), s.subject(r.PostForm)) {
		return
	}
	answer, k := s.exchange(r)
	if k != none {
		s.refuse(w, k)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) exchange(r *http.Request) (tokenAnswer, kind) {
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		return s.byCode(r)
	case "refresh_token":
		return s.byRefresh(r)
	case "client_credentials":
		return s.byClient(r)
	case grantDevice:
		return s.byDevice(r)
	case grantAssertion:
		return s.byAssertion(r)
	}
	return tokenAnswer{}, badGrantType
}

// byCode takes a code once, with the redirect address and the verifier that belong
// to it.
func (s *Server) byCode(r *http.Request) (tokenAnswer, kind) {
	c, k := s.authenticate(r)
	if k != none {
		return tokenAnswer{}, k
	}
	s.mu.Lock()
	given := r.PostForm.Get("code")
	found := s.codes[given]
	delete(s.codes, given) // RFC 6749 §4.1.2: it must not be used twice
	s.mu.Unlock()
	if found == nil || found.over(s.options.Now()) || found.grant.client != c.ID || found.grant.dead != none ||
		found.redirect != r.PostForm.Get("redirect_uri") || !proves(r.PostForm.Get("code_verifier"), found.challenge) {
		return tokenAnswer{}, badCode
	}
	return s.answer(r, found.grant, strings.Fields(r.PostForm.Get("scope")), found.grant.offline)
}

// proves checks PKCE: the challenge is the hash of the verifier (RFC 7636 §4.6).
func proves(verifier, challenge string) bool {
	if len(verifier) < 43 || len(verifier) > 128 { // RFC 7636 §4.1
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}

// byRefresh makes new tokens from a refresh token, and replaces it where that is the
// provider's way.
func (s *Server) byRefresh(r *http.Request) (tokenAnswer, kind) {
	c, k := s.authenticate(r)
	if k != none {
		return tokenAnswer{}, k
	}
	b := s.current()
	s.mu.Lock()
	old := s.refresh[r.PostForm.Get("refresh_token")]
	switch {
	case old == nil || old.grant.client != c.ID:
		k = revokedGrant
	case old.grant.dead != none:
		k = old.grant.dead
	case old.replaced && b.RefuseOld:
		k = revokedGrant
	default:
		if k = s.mayHave(old.grant, strings.Fields(r.PostForm.Get("scope"))); k == none {
			old.replaced = old.replaced || b.Rotate
		}
	}
	s.mu.Unlock()
	if k != none {
		return tokenAnswer{}, k
	}
	return s.answer(r, old.grant, strings.Fields(r.PostForm.Get("scope")), b.Rotate)
}

// mayHave checks the scopes that are asked for against what was consented to. The
// lock is held.
func (s *Server) mayHave(g *grant, asked []string) kind {
	allowed := append(s.consented(g.client, g.address), g.scopes...)
	if g.appOnly || s.adminGrant[g.client] {
		allowed = append(allowed, asked...)
	}
	if !containsAll(allowed, without(asked, s.behaviour.DropScopes)) {
		return noConsent
	}
	if s.behaviour.Dialect == Microsoft && len(asked) != len(oneResource(asked)) {
		return mixedScopes
	}
	return none
}

// byClient is the client's own access to every mailbox.
func (s *Server) byClient(r *http.Request) (tokenAnswer, kind) {
	c, k := s.authenticate(r)
	if k != none {
		return tokenAnswer{}, k
	}
	if c.Secret == "" && c.PublicKey == nil {
		return tokenAnswer{}, noDelegation // RFC 6749 §4.4: not for public clients
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	if len(scopes) != 1 || resource(scopes[0]) == "" || !strings.HasSuffix(scopes[0], "/.default") {
		return tokenAnswer{}, badScope
	}
	s.mu.Lock()
	if !c.AppOnly || !s.adminGrant[c.ID] {
		scopes = []string{"openid"} // Microsoft gives a token all the same; it opens nothing
	}
	g := &grant{client: c.ID, scopes: scopes, appOnly: true}
	s.grants[g] = struct{}{}
	s.mu.Unlock()
	return s.answer(r, g, nil, false)
}

// byAssertion is a service account that acts for a mailbox of the domain.
func (s *Server) byAssertion(r *http.Request) (tokenAnswer, kind) {
	c, claims, k := s.assertion(r)
	if k != none {
		return tokenAnswer{}, k
	}
	scopes := strings.Fields(claims.Scope)
	dialect := s.current().Dialect
	switch {
	case len(scopes) == 0 || slices.ContainsFunc(scopes, func(scope string) bool { return !dialect.isKnown(scope) }):
		return tokenAnswer{}, badScope
	case !c.Delegated:
		return tokenAnswer{}, noDelegation
	case !s.hasAccount(claims.Subject):
		return tokenAnswer{}, noMailbox
	}
	g := &grant{client: c.ID, address: claims.Subject, scopes: scopes}
	s.mu.Lock()
	s.grants[g] = struct{}{}
	s.mu.Unlock()
	return s.answer(r, g, nil, false)
}

// answer makes the tokens: asked are the scopes of the access token, all if empty.
func (s *Server) answer(r *http.Request, g *grant, asked []string, withRefresh bool) (tokenAnswer, kind) {
	b := s.current()
	s.mu.Lock()
	if k := s.mayHave(g, asked); k != none {
		s.mu.Unlock()
		return tokenAnswer{}, k
	}
	scopes := asked
	if len(scopes) == 0 {
		scopes = g.scopes
		if b.Dialect == Microsoft {
			scopes = oneResource(scopes) // one access token, one resource
		}
	}
	scopes = without(scopes, b.DropScopes)
	access, lifetime := s.newAccess(g, scopes)
	a := tokenAnswer{Access: access, Type: "Bearer", Expires: int64(lifetime / time.Second),
		Scope: strings.Join(b.Dialect.shown(scopes), " ")}
	if withRefresh {
		a.Refresh = s.newRefresh(g)
	}
	s.mu.Unlock()
	if slices.Contains(g.scopes, "openid") && !g.appOnly {
		id, err := s.idToken(r, g, b)
		if err != nil {
			return tokenAnswer{}, badRequest
		}
		a.ID = id
	}
	return a, none
}

// subject tells whom a request to the token endpoint concerns, as far as it can be
// known before it is answered.
func (s *Server) subject(form url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.refresh[form.Get("refresh_token")]; t != nil {
		return t.grant.address
	}
	if c := s.codes[form.Get("code")]; c != nil {
		return c.grant.address
	}
	return unverifiedSubject(form.Get("assertion"))
}

// revoke ends the grant of a token (RFC 7009).
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) || s.struck(w, r, fault.AtRevoke) {
		return
	}
	token := r.Form.Get("token") // Google takes it in the query too
	s.mu.Lock()
	defer s.mu.Unlock()
	var g *grant
	if t := s.refresh[token]; t != nil {
		g = t.grant
	} else if a := s.access[token]; a != nil {
		g = a.grant
	}
	switch {
	case g != nil && g.dead == none:
		s.kill(g, revokedGrant)
	case s.behaviour.Dialect == Google:
		writeFailure(w, failure{http.StatusBadRequest, "invalid_token", "Token expired or revoked"})
		return
	}
	w.WriteHeader(http.StatusOK) // RFC 7009 §2.2: an unknown token is no error
}

// readForm reads a request that has to be a form of moderate size.
func (s *Server) readForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, badRequest)
		return false
	}
	return true
}

// struck answers with a fault, if one is due.
func (s *Server) struck(w http.ResponseWriter, r *http.Request, at fault.Place, who ...string) bool {
	f, hit := s.options.Strike(r.Context(), at, who...)
	if hit {
		f.Answer(w, func(w http.ResponseWriter, status int, code, text string) {
			writeFailure(w, failure{status, code, text})
		})
	}
	return hit
}

func (s *Server) refuse(w http.ResponseWriter, k kind) {
	writeFailure(w, s.current().Dialect.failure(k))
}

func writeFailure(w http.ResponseWriter, f failure) {
	writeJSON(w, f.status, map[string]string{"error": f.code, "error_description": f.text})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store") // RFC 6749 §5.1
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // who does not read the answer has left
}
