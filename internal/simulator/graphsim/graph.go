// Package graphsim is the part of Microsoft Graph that sends mail and finds it
// again.
//
// One request:
//  1. the token is looked up, and has to open the mailbox in the address;
//  2. a fault that is due is answered;
//  3. sendMail takes a whole message in base64, whose recipients are those of its
//     header and whose From is ignored; everything else reads folders.
//
// The JSON form of sendMail is not here: whoever has a message has its octets.
package graphsim

import (
	"net/http"
	"strings"
	"sync"

	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
	"github.com/relayd/relayd/internal/simulator/web"
)

// Options describe the service.
type Options struct {
	Provider web.Provider
}

// The limits of Graph.
const (
	maxRequest    = 4 << 20 // octets of a request; larger ones get 413
	maxConcurrent = 4       // requests for one mailbox at one time
	maxPage       = 1000    // messages of one answer
	usualPage     = 10
)

type service struct {
	provider web.Provider

	mu   sync.Mutex
	busy map[string]int // requests by mailbox
}

// Register puts the service into mux, below /v1.0/.
func Register(mux *http.ServeMux, o Options) {
	s := &service{provider: o.Provider, busy: map[string]int{}}
	for _, base := range []string{"/v1.0/me", "/v1.0/users/{user}"} {
		mux.HandleFunc("POST "+base+"/sendMail", s.with(oauthsim.UseGraphSend, fault.AtGraphSend, s.send))
		for pattern, do := range map[string]handler{
			"GET " + base:                                    s.profile,
			"GET " + base + "/mailFolders/{folder}":          s.folder,
			"GET " + base + "/mailFolders/{folder}/messages": s.list,
			"GET " + base + "/messages":                      s.list,
			"GET " + base + "/messages/{id}":                 s.get,
			"GET " + base + "/messages/{id}/$value":          s.raw,
		} {
			use := oauthsim.UseGraphRead
			if pattern == "GET "+base {
				use = oauthsim.UseGraph
			}
			mux.HandleFunc(pattern, s.with(use, fault.AtGraphRead, do))
		}
		mux.HandleFunc("DELETE "+base+"/messages/{id}", s.with(oauthsim.UseGraphWrite, fault.AtGraphRead, s.remove))
		mux.HandleFunc("POST "+base+"/messages/{id}/permanentDelete", s.with(oauthsim.UseGraphWrite, fault.AtGraphRead, s.destroy))
	}
}

// handler answers a request for a mailbox that the caller may open.
type handler func(w http.ResponseWriter, r *http.Request, address string)

// with lets a handler do its work once the token allows it.
func (s *service) with(use oauthsim.Use, at fault.Place, do handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, ok := s.provider.Token(web.Bearer(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			refuse(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
			return
		}
		name := r.PathValue("user")
		if name == "" {
			name = "me"
		}
		address, ok := s.provider.Mailbox(t, name)
		switch {
		case !t.Allows(oauthsim.UseGraph): // a token of Outlook, or of nobody's
			refuse(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
			return
		case !t.Allows(use):
			refuse(w, http.StatusForbidden, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
			return
		case !ok:
			refuse(w, http.StatusNotFound, "ErrorInvalidUser", "The requested user '"+name+"' is invalid.")
			return
		}
		if f, hit := s.provider.Strike(r.Context(), at, address, t.Client); hit {
			f.Answer(w, refuse)
			return
		}
		if !s.enter(address) {
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusTooManyRequests, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.")
			return
		}
		defer s.leave(address)
		do(w, r, address)
	}
}

func (s *service) enter(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[address] >= maxConcurrent {
		return false
	}
	s.busy[address]++
	return true
}

func (s *service) leave(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[address]--; s.busy[address] == 0 {
		delete(s.busy, address)
	}
}

// refuse writes an error as Graph does.
func refuse(w http.ResponseWriter, status int, code, text string) {
	web.JSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": text}})
}

// profile tells whose mailbox it is.
func (s *service) profile(w http.ResponseWriter, _ *http.Request, address string) {
	local, _, _ := strings.Cut(address, "@")
	web.JSON(w, http.StatusOK, map[string]string{
		"id": address, "displayName": local, "mail": address, "userPrincipalName": address,
	})
}
