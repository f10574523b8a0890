package oauthsim

import (
	"net/http"
	"slices"
)

// adminConsent is where an administrator allows an application for everybody, as
// Microsoft's page does.
func (s *Server) adminConsent(w http.ResponseWriter, r *http.Request) {
	if !s.readForm(w, r) {
		return
	}
	c := s.client(r.Form.Get("client_id"))
	to := r.Form.Get("redirect_uri")
	if c == nil || !slices.Contains(c.RedirectURIs, to) {
		showPage(w, http.StatusBadRequest, "refused", "unknown client, or a redirect address that is not registered")
		return
	}
	state, scope, tenant := r.Form.Get("state"), r.Form.Get("scope"), r.PathValue("tenant")
	if r.Method != http.MethodPost {
		showPage(w, http.StatusOK, "admin", adminPage{Client: c.ID, Redirect: to, State: state, Scope: scope})
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		redirect(w, answerURL(to, state, "error", "permission_denied", "error_description", "The administrator canceled the request"))
		return
	}
	s.GrantAdminConsent(c.ID)
	redirect(w, answerURL(to, state, "admin_consent", "True", "tenant", tenant, "scope", scope))
}

// GrantAdminConsent allows an application for everybody.
func (s *Server) GrantAdminConsent(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adminGrant[clientID] = true
}

// RevokeAdminConsent takes that back; client credentials open nothing any more.
func (s *Server) RevokeAdminConsent(clientID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.adminGrant, clientID)
	for g := range s.grants {
		if g.client == clientID && g.appOnly {
			s.kill(g, revokedGrant)
		}
	}
}
