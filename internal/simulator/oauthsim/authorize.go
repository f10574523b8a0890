package oauthsim

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// request is an application's request for consent that somebody has to answer.
type request struct {
	client, redirect, state, nonce, challenge string
	hint, prompt                              string
	scopes                                    []string
	offline                                   bool
	expires                                   time.Time
}

func (q *request) over(now time.Time) bool { return !now.Before(q.expires) }

// refusal ends a request for consent. With a redirect address the application hears
// of it there, without one the person does.
type refusal struct {
	redirect, state string
	code, text      string
}

func (e *refusal) Error() string { return e.code + ": " + e.text }

// authorize is the authorisation endpoint (RFC 6749 §3.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) || s.struck(w, r, fault.AtAuthorize, r.Form.Get("client_id"), r.Form.Get("login_hint")) {
		return
	}
	if r.Method == http.MethodPost && r.PostForm.Has("request") {
		s.decide(w, r)
		return
	}
	q, refused := s.newRequest(r.Form)
	if refused != nil {
		s.refuseRequest(w, refused)
		return
	}
	if answered, to := s.withoutPage(q); answered {
		redirect(w, to)
		return
	}
	s.mu.Lock()
	id, room := secret(), makeRoom(s.requests, s.options.Now())
	if room {
		s.requests[id] = q
	}
	mustAsk := s.behaviour.AdminConsentRequired && !s.adminGrant[q.client]
	s.mu.Unlock()
	if !room {
		http.Error(w, "too many requests wait for an answer", http.StatusServiceUnavailable)
		return
	}
	showPage(w, http.StatusOK, "consent", consentPage{
		ID: id, Client: q.client, Accounts: s.offered(q), Scopes: q.scopes, NeedsAdmin: mustAsk,
	})
}

// newRequest checks a request for consent. What is wrong with the client or its
// redirect address is never told to the redirect address (RFC 6749 §4.1.2.1).
func (s *Server) newRequest(form url.Values) (*request, *refusal) {
	c := s.client(form.Get("client_id"))
	if c == nil {
		return nil, &refusal{code: "invalid_client", text: "unknown client"}
	}
	q := &request{
		client: c.ID, redirect: form.Get("redirect_uri"), state: form.Get("state"), nonce: form.Get("nonce"),
		challenge: form.Get("code_challenge"), hint: form.Get("login_hint"), prompt: form.Get("prompt"),
		scopes: strings.Fields(form.Get("scope")), expires: s.options.Now().Add(requestLife),
	}
	if !slices.Contains(c.RedirectURIs, q.redirect) {
		return nil, &refusal{code: "redirect_uri_mismatch", text: "the redirect address is not one of those registered"}
	}
	dialect := s.current().Dialect
	wrong := func(code, text string) (*request, *refusal) {
		return nil, &refusal{redirect: q.redirect, state: q.state, code: code, text: text}
	}
	switch {
	case form.Get("response_type") != "code":
		return wrong("unsupported_response_type", "the only response type is code")
	case form.Get("response_mode") != "" && form.Get("response_mode") != "query":
		return wrong("invalid_request", "the only response mode is query")
	case form.Get("code_challenge_method") != "S256" || len(q.challenge) != 43: // RFC 7636 §4.2
		return wrong("invalid_request", "PKCE with S256 is required")
	case !slices.Contains([]string{"", "none", "consent", "login", "select_account", "select_account consent"}, q.prompt):
		return wrong("invalid_request", "unknown prompt")
	case len(q.scopes) == 0 || slices.ContainsFunc(q.scopes, func(scope string) bool { return !dialect.isKnown(scope) }):
		return wrong("invalid_scope", "unknown scope")
	}
	asksOffline, scoped := form.Get("access_type") == "offline", slices.Contains(q.scopes, "offline_access")
	q.offline = dialect == Google && asksOffline || dialect == Microsoft && scoped || dialect == Plain && (asksOffline || scoped)
	return q, nil
}

// withoutPage answers where nobody needs to be asked, or nobody may be.
func (s *Server) withoutPage(q *request) (answered bool, to string) {
	if q.prompt != "" && q.prompt != "none" {
		return false, ""
	}
	s.mu.Lock()
	known := q.hint != "" && containsAll(s.consented(q.client, q.hint), q.scopes)
	s.mu.Unlock()
	if known {
		if to, err := s.allow(q, q.hint, q.scopes); err == nil {
			return true, to
		}
	}
	if q.prompt == "none" { // OpenID Connect Core §3.1.2.6
		return true, answerURL(q.redirect, q.state, "error", "interaction_required", "error_description", "somebody has to sign in")
	}
	return false, ""
}

// offered are the accounts of the page: the one that is hinted at first.
func (s *Server) offered(q *request) []string {
	accounts := s.options.Accounts()
	slices.SortStableFunc(accounts, func(a, b string) int {
		switch hinted := strings.EqualFold(a, q.hint); {
		case hinted == strings.EqualFold(b, q.hint):
			return 0
		case hinted:
			return -1
		}
		return 1
	})
	return accounts
}

// decide takes what was pressed on the page.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	id := r.PostForm.Get("request")
	q := s.requests[id]
	delete(s.requests, id)
	mustAsk := q != nil && s.behaviour.AdminConsentRequired && !s.adminGrant[q.client]
	s.mu.Unlock()
	if q == nil || q.over(s.options.Now()) {
		http.Error(w, "this page was answered before, or waited too long", http.StatusBadRequest)
		return
	}
	switch {
	case mustAsk:
		f := s.current().Dialect.failure(needsAdmin)
		redirect(w, answerURL(q.redirect, q.state, "error", f.code, "error_description", f.text))
	case r.PostForm.Get("decision") != "allow":
		redirect(w, answerURL(q.redirect, q.state, "error", "access_denied"))
	default:
		to, err := s.allow(q, r.PostForm.Get("account"), r.PostForm["scope"])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		redirect(w, to)
	}
}

// errNoAccount: the page was answered for somebody who is not here.
var errNoAccount = errors.New("there is no such account")

// allow makes a code for what an account allowed, and gives the address with which
// the browser returns to the application.
func (s *Server) allow(q *request, account string, scopes []string) (to string, err error) {
	if !s.hasAccount(account) {
		return "", errNoAccount
	}
	given := slices.DeleteFunc(slices.Clone(q.scopes), func(scope string) bool { return !slices.Contains(scopes, scope) })
	s.mu.Lock()
	defer s.mu.Unlock()
	offline := q.offline
	if s.behaviour.Dialect == Google && q.prompt != "consent" && len(s.consented(q.client, account)) > 0 {
		offline = false // Google gives a refresh token with the first consent only
	}
	g := &grant{client: q.client, address: account, scopes: without(given, s.behaviour.DropScopes), offline: offline, nonce: q.nonce}
	now := s.options.Now()
	if !makeRoom(s.codes, now) {
		return "", errors.New("too many codes wait to be exchanged")
	}
	c := s.give(secret())
	s.grants[g] = struct{}{}
	s.codes[c] = &code{grant: g, redirect: q.redirect, challenge: q.challenge, expires: now.Add(codeLife)}
	return answerURL(q.redirect, q.state, "code", c, "scope", strings.Join(s.behaviour.Dialect.shown(g.scopes), " ")), nil
}

// Approve presses Allow for an account, for everything that an authorisation address
// asks for. It gives the address with which a browser would return to the
// application.
func (s *Server) Approve(authorizeURL, account string) (redirectURL string, err error) {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "", fmt.Errorf("read the authorisation address: %w", err)
	}
	q, refused := s.newRequest(u.Query())
	if refused != nil {
		return "", refused
	}
	return s.allow(q, account, q.scopes)
}

func (s *Server) hasAccount(address string) bool {
	return slices.ContainsFunc(s.options.Accounts(), func(a string) bool { return strings.EqualFold(a, address) })
}

func (s *Server) refuseRequest(w http.ResponseWriter, e *refusal) {
	if e.redirect == "" {
		showPage(w, http.StatusBadRequest, "refused", e.Error())
		return
	}
	redirect(w, answerURL(e.redirect, e.state, "error", e.code, "error_description", e.text))
}

// answerURL adds the state and pairs of name and value to a redirect address.
func answerURL(address, state string, pairs ...string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address // it was parsed when the client was registered
	}
	query := u.Query()
	if state != "" {
		query.Set("state", state)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	u.RawQuery = query.Encode()
	return u.String()
}

func redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(http.StatusFound)
}
