package exchange

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// connection is what NTLM remembers of a TCP connection.
type connection struct {
	mu        sync.Mutex
	handshake *handshake // under way
	address   string     // of the owner that has signed in
}

type connectionKey struct{}

// ConnContext gives each connection its memory: it belongs into the http.Server's
// field of that name.
func (s *Server) ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{})
}

// connectionOf is nil where NTLM cannot work: without ConnContext, and in HTTP/2,
// whose connections may carry the requests of many.
func connectionOf(r *http.Request) *connection {
	c, ok := r.Context().Value(connectionKey{}).(*connection)
	if !ok || r.ProtoMajor != 1 {
		return nil
	}
	return c
}

// session is who sent a request.
type session struct {
	owner  Owner
	scheme Scheme
}

// signIn finds out who sent a request. Where it cannot, it has answered.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) (session, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme != "" {
		s.note(func(l *Last) { l.Scheme = scheme })
	}
	offered, ok := s.offered(r, scheme)
	var owner Owner
	var err error
	switch {
	case scheme == "":
		offered, owner, err = NTLM, Owner{}, errNoSession
		if c := connectionOf(r); c != nil {
			owner, err = s.resumed(r.Context(), c)
		}
	case !ok:
		err = errNoSession
	case offered == Basic:
		owner, err = s.basic(r)
	default:
		owner, err = s.ntlm(w, r, offered, token)
	}
	if errors.Is(err, errAnswered) {
		return session{}, false
	}
	if err != nil {
		if !errors.Is(err, errNoSession) {
			s.options.Logger.Info("sign-in refused", "scheme", scheme, "error", err)
		}
		s.challenge(w, r)
		return session{}, false
	}
	if f, ok := s.strike(r.Context(), AtSignIn, false, owner.Address, owner.Login); ok {
		if s.apply(w, r, f) {
			return session{}, false
		}
		if f.Code != "" {
			s.soapFault(w, f.Code, f.Text, f.BackOff)
			return session{}, false
		}
	}
	return session{owner, offered}, true
}

var (
	errNoSession = errors.New("nobody has signed in")
	errPassword  = errors.New("wrong password")
	errAnswered  = errors.New("answered already")
)

// offered gives the scheme if it is one that the server offers on this connection.
func (s *Server) offered(r *http.Request, name string) (Scheme, bool) {
	for _, o := range s.options.Schemes {
		if strings.EqualFold(string(o), name) && (o == Basic || connectionOf(r) != nil) {
			return o, true
		}
	}
	return "", false
}

// challenge answers 401 with the schemes. What was sent is read to its end first:
// the connection has to live on, and it is closed over unread bytes.
func (s *Server) challenge(w http.ResponseWriter, r *http.Request) {
	if !s.drain(w, r) {
		return
	}
	for _, o := range s.options.Schemes {
		switch {
		case o == Basic:
			w.Header().Add("WWW-Authenticate", `Basic realm="`+strings.ReplaceAll(r.Host, `"`, "")+`"`)
		case connectionOf(r) != nil:
			w.Header().Add("WWW-Authenticate", string(o))
		}
	}
	w.WriteHeader(http.StatusUnauthorized)
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) bool {
	if _, err := io.Copy(io.Discard, r.Body); isTooLarge(err) {
		tooLarge(w)
		return false
	}
	return true
}

// resumed gives the owner that signed in earlier on the connection.
func (s *Server) resumed(ctx context.Context, c *connection) (Owner, error) {
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	if address == "" {
		return Owner{}, errNoSession
	}
	return s.options.Mailboxes.Find(ctx, address)
}

// basic checks a name and a password (RFC 7617).
func (s *Server) basic(r *http.Request) (Owner, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return Owner{}, errNoSession
	}
	// RFC 7617 §2.1: without a charset in the challenge clients choose themselves.
	if !utf8.ValidString(name + password) {
		name, password = fromOEM([]byte(name)), fromOEM([]byte(password))
	}
	owner, err := s.named(r.Context(), "", name)
	if err != nil {
		return Owner{}, err
	}
	if subtle.ConstantTimeCompare([]byte(owner.Password), []byte(password)) != 1 {
		return Owner{}, errPassword
	}
	return owner, nil
}

// ntlm takes the next message of the exchange (MS-NTHT): the first is answered with
// a challenge, the last signs the connection in.
func (s *Server) ntlm(w http.ResponseWriter, r *http.Request, scheme Scheme, token string) (Owner, error) {
	c := connectionOf(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.address = ""
	earlier := c.handshake
	c.handshake = nil // whatever comes, a challenge is used once
	message, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil || len(message) > maxToken {
		return Owner{}, errMessage
	}
	kind, err := messageType(message)
	switch {
	case err != nil:
		return Owner{}, err
	case kind == negotiateMessage:
		h, err := newHandshake(message, s.options.Domain, s.now())
		if err != nil {
			return Owner{}, err
		}
		if !s.drain(w, r) {
			return Owner{}, errAnswered
		}
		c.handshake = h
		w.Header().Set("WWW-Authenticate", string(scheme)+" "+base64.StdEncoding.EncodeToString(h.challenge))
		w.WriteHeader(http.StatusUnauthorized)
		return Owner{}, errAnswered
	case earlier == nil:
		return Owner{}, errNoChallenge
	}
	a, err := readAuthenticate(message)
	if err != nil {
		return Owner{}, err
	}
	owner, err := s.named(r.Context(), a.domain, a.user)
	if err != nil {
		return Owner{}, err
	}
	if err := earlier.verify(a, owner.Password); err != nil {
		return Owner{}, err
	}
	c.address = owner.Address
	return owner, nil
}

// named finds the owner that a login means: name, DOMAIN\name, name@domain. The
// domain is the server's own, or the mail domain of the mailbox.
func (s *Server) named(ctx context.Context, domain, name string) (Owner, error) {
	if before, after, found := strings.Cut(name, `\`); found && domain == "" {
		domain, name = before, after
	}
	owner, err := s.options.Mailboxes.Find(ctx, name)
	if err != nil {
		return Owner{}, err
	}
	if domain != "" && !slices.ContainsFunc([]string{s.options.Domain, domainOf(owner.Address)}, func(d string) bool { return sameName(d, domain) }) {
		return Owner{}, ErrNoMailbox
	}
	return owner, nil
}
