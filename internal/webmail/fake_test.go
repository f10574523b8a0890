package webmail_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// host is a name that the tests' dialer leads to the server at hand, so that
// certificates are checked for a name.
const host = "mail.acme.example"

// call is one request as a service saw it.
type call struct {
	conn          int // which connection, from 1
	method, uri   string
	authorization string
	contentType   string
	length        int64
	body          []byte
}

// service is a scripted web service: a real server, with TLS, whose answers are given
// by a function. It keeps what it was asked.
type service struct {
	t       testing.TB
	server  *httptest.Server
	options webmail.Options
	answer  http.HandlerFunc

	mu    sync.Mutex
	conns int
	calls []call
}

type connKey struct{}

// serve starts a service for the time of the test.
func serve(t testing.TB, answer http.HandlerFunc) *service {
	t.Helper()
	authority := relaytest.NewAuthority(t)
	s := &service{t: t, answer: answer}
	s.server = httptest.NewUnstartedServer(s)
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue(host)}}
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	s.server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.conns++
		return context.WithValue(ctx, connKey{}, &connection{serial: s.conns})
	}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	s.options = webmail.Options{
		Dialer:       &dialer{address: s.server.Listener.Addr().String()},
		Roots:        authority.Roots(),
		PlainAllowed: func(a netip.Addr) bool { return a.IsLoopback() },
		CallTimeout:  10 * time.Second,
		SendTimeout:  10 * time.Second,
		GraphBase:    "https://" + host + "/v1.0",
		GmailBase:    "https://" + host,
	}
	return s
}

// connection is the state of one connection at the server.
type connection struct {
	serial    int
	challenge []byte // NTLM's, once it was given
	signedIn  bool
}

func connectionOf(r *http.Request) *connection { return r.Context().Value(connKey{}).(*connection) }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.note(r, nil)
		return
	}
	s.note(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.answer(w, r)
}

func (s *service) note(r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call{
		conn: connectionOf(r).serial, method: r.Method, uri: r.RequestURI, length: r.ContentLength, body: body,
		authorization: r.Header.Get("Authorization"), contentType: r.Header.Get("Content-Type"),
	})
}

func (s *service) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call(nil), s.calls...)
}

// last gives the newest request.
func (s *service) last() call {
	s.t.Helper()
	calls := s.seen()
	if len(calls) == 0 {
		s.t.Fatal("the service was asked nothing")
	}
	return calls[len(calls)-1]
}

// cut ends the connection without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// say answers with a status, a content type and a body.
func say(status int, kind, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func sayJSON(status int, body string, header ...string) http.HandlerFunc {
	return say(status, "application/json; charset=utf-8", body, header...)
}

// dialer leads every name to one address.
type dialer struct {
	address string
	err     error
}

func (d *dialer) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	if d.err != nil {
		return nil, d.err
	}
	var plain net.Dialer
	return plain.DialContext(ctx, network, d.address)
}

// bearer gives credentials with an access token.
func bearer(way relay.Way) *relay.Credentials {
	c := &relay.Credentials{Token: "ya29.token-of-jane", Resource: way.Resource()}
	c.Account = relay.Account{ID: "a1", User: "u1", Address: relay.Address{Local: "jane", Domain: "acme.example"}}
	c.Account.SignIn = relay.SignInConsent
	return c
}

// open makes a client that ends with the test.
func (s *service) open(c *relay.Credentials, way relay.Way) webmail.Client {
	s.t.Helper()
	client, err := webmail.New(s.options).Open(c, way)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { client.Close() })
	return client
}

const message = "From: jane@acme.example\r\nTo: max@rival.example\r\nSubject: hi\r\nMessage-ID: <1@acme.example>\r\n\r\nHello =\r\n.\r\n"

// content makes a message out of text.
func content(text string) webmail.Content {
	return webmail.Content{Size: int64(len(text)), Reader: func() io.Reader { return strings.NewReader(text) }}
}

// want is what an error must say.
type want struct {
	where   relay.Where
	code    int
	text    string // a part of the reply's text
	unknown bool
	pause   time.Duration
	is      error
}

func (w want) check(t *testing.T, err error) *webmail.Error {
	t.Helper()
	var e *webmail.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a *webmail.Error", err)
	}
	if e.Where != w.where || e.Reply.Code != w.code || !strings.Contains(e.Reply.Text, w.text) || e.Unknown != w.unknown || e.RetryAfter != w.pause {
		t.Errorf("error %v\nat %q with code %d, text %q, unknown %v, pause %v\nwant %+v",
			e, e.Where, e.Reply.Code, e.Reply.Text, e.Unknown, e.RetryAfter, w)
	}
	if w.is != nil && !errors.Is(err, w.is) {
		t.Errorf("error %v does not wrap %v", err, w.is)
	}
	return e
}

// servePlain serves what another service does, without TLS.
func servePlain(t testing.TB, x *exchange) *service {
	t.Helper()
	s := &service{t: t, answer: x.service.answer, options: x.options}
	s.server = httptest.NewUnstartedServer(s)
	s.server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, &connection{serial: 1})
	}
	s.server.Start()
	t.Cleanup(s.server.Close)
	s.options.Dialer = &dialer{address: s.server.Listener.Addr().String()}
	return s
}

// checkIs looks only at what an error wraps.
func (w want) checkIs(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, w.is) {
		t.Errorf("error %v does not wrap %v", err, w.is)
	}
}
