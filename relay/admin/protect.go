package admin

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin/pages"
)

// protect puts around every operation what holds for all of them, outermost
// first: nothing escapes as a stack, the Host is one of ours, a browser changes
// nothing from a foreign page, the body is JSON of bounded size, and the caller is
// known.
func (s *Server) protect(next http.Handler) http.Handler {
	next = s.authenticate(next)
	next = s.bound(next)
	next = s.pages(next)
	next = crossOrigin().Handler(next)
	next = s.ownHost(next)
	return s.calm(next)
}

// pages takes what people see in a browser out of the API: it asks for no token, since
// a one-time link is one, and takes forms.
func (s *Server) pages(next http.Handler) http.Handler {
	if s.opt.Pages == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.ContainsFunc(pages.Paths(), func(path string) bool { return strings.HasPrefix(r.URL.Path, path) }) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.opt.RequestTimeout)
		defer cancel()
		s.opt.Pages.ServeHTTP(w, r.WithContext(ctx))
	})
}

// calm answers a panic with 500 and the headers that every answer carries.
func (s *Server) calm(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			s.opt.Log.ErrorContext(r.Context(), "admin request panicked", "path", relay.Printable(r.URL.Path), "panic", fmt.Sprint(p))
			writeProblem(w, http.StatusInternalServerError, "relayd could not do this because of a fault of its own. Its log has the cause.")
		}()
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}

// crossOrigin refuses changes that a page of another site asks for (attacks W1).
func crossOrigin() *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeProblem(w, http.StatusForbidden, "A page of another site may not change anything here.")
	}))
	return p
}

// ownHost refuses names that are not ours: a page of another site whose name was
// pointed to the loopback address would else be our own origin (attacks W5).
func (s *Server) ownHost(next http.Handler) http.Handler {
	allowed := append([]string{"localhost"}, s.opt.Hosts...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Context()) && !s.hostIsOurs(hostOf(r.Host), allowed) {
			writeProblem(w, http.StatusMisdirectedRequest,
				"This name is not one of relayd's. Add it to the allowed hosts of the admin listener.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostIsOurs allows the listed names, loopback addresses and the address that the
// listener was given. A literal address cannot be rebound.
func (s *Server) hostIsOurs(host string, allowed []string) bool {
	if slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
		return true
	}
	return isLoopback(host) || host != "" && host == hostOf(s.opt.Address)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// hostOf takes the port and the brackets of IPv6 from a Host field.
func hostOf(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

// bound limits the body in size and time, and takes JSON only: a form or plain
// text is what a browser can send to strangers without asking them (attacks W1,
// R10).
func (s *Server) bound(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Encoding") != "" {
			writeProblem(w, http.StatusUnsupportedMediaType, "Send the body as it is, without Content-Encoding.")
			return
		}
		if r.ContentLength > s.opt.MaxBody {
			writeProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("A request has at most %d octets.", s.opt.MaxBody))
			return
		}
		if r.ContentLength != 0 && !isJSON(r.Header.Get("Content-Type")) {
			writeProblem(w, http.StatusUnsupportedMediaType, "Send the body as application/json.")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, s.opt.MaxBody)
		ctx, cancel := context.WithTimeout(r.Context(), s.opt.RequestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && media == "application/json"
}

// authenticate learns who asks, for everything under the API's prefix and for the
// metrics.
func (s *Server) authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isLocal(r.Context()) || !s.guarded(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		who, err := s.identify(r)
		if err != nil {
			s.unauthorised(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(withCaller(r.Context(), who)))
	})
}

// guarded reports whether a path needs a token.
func (s *Server) guarded(path string) bool {
	switch path {
	case "/healthz", "/readyz", api.DocumentPath:
		return false
	case "/metrics":
		return !s.opt.MetricsOpen
	}
	return true
}

// identify reads the token of RFC 6750 §2.1. A token in the URL would stand in
// logs and histories and is not looked at.
func (s *Server) identify(r *http.Request) (caller, error) {
	scheme, text, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return caller{}, errNoToken
	}
	rec, err := checkToken(r.Context(), s.opt.Directory.Tokens(), relay.Secret(strings.TrimSpace(text)), s.opt.Now())
	if err != nil {
		return caller{}, err
	}
	return caller{Name: rec.Name, Organisation: rec.Organisation, From: r.RemoteAddr}, nil
}

func (s *Server) unauthorised(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, errNoToken) && !errors.Is(err, errExpired) {
		s.opt.Log.ErrorContext(r.Context(), "admin token could not be checked", "error", err)
		writeProblem(w, http.StatusServiceUnavailable, "The token could not be checked. Try again.")
		return
	}
	s.opt.Log.WarnContext(r.Context(), "admin access refused", "reason", err.Error(), "from", r.RemoteAddr,
		"method", relay.Printable(r.Method), "path", relay.Printable(r.URL.Path))
	// RFC 6750 §3: the challenge names the scheme.
	w.Header().Set("WWW-Authenticate", `Bearer realm="relayd"`)
	detail := "This needs a valid token in Authorization: Bearer. Make one with: relayd token create"
	if errors.Is(err, errExpired) {
		detail = "The token has expired. Make a new one with: relayd token create"
	}
	writeProblem(w, http.StatusUnauthorized, detail)
}
