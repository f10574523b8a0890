package oauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

const (
	vendorHost = "vendor.example"
	vendorURL  = "https://" + vendorHost
)

// vendorServer is a vendor: it behaves, unless a script says what it answers instead.
type vendorServer struct {
	t      *testing.T
	roots  *x509.CertPool
	dialer Dialer

	certificate tls.Certificate

	mu        sync.Mutex
	script    func(r *http.Request, form url.Values) *said // nil: as it should be
	seen      []*seen
	codes     map[string]*code
	refreshes map[string]*grant // by refresh token
	accesses  map[string]*grant // by access token
	rotating  bool              // a refresh token is replaced at each use
	scope     string            // of token answers; empty: not told
	claims    map[string]any    // over those of an id token
	noID      bool              // no id token
	lifetime  int               // expires_in of access tokens
	pending   []string          // errors of a device flow, before it is granted
	serial    int
}

// said is one answer.
type said struct {
	status int
	header http.Header
	body   string
}

// seen is one request.
type seen struct {
	path   string
	form   url.Values
	header http.Header
}

// code is what a person has consented to.
type code struct {
	address, challenge, nonce, redirect string
}

// grant is a refresh token. Like Microsoft, and like those that detect theft with some
// grace, the vendor takes one until its successor, or an access token that came with
// that, is used: from then on it knows that the successor arrived.
type grant struct {
	before    *grant
	succeeded bool
	dead      bool
}

// arrived notes that a token was used.
func (g *grant) arrived() {
	if g.before != nil {
		g.before.dead = true
	}
}

func newVendorServer(t *testing.T) *vendorServer {
	t.Helper()
	v := newVendor(t)
	server := httptest.NewUnstartedServer(v)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{v.certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	v.dialer = dialerFunc(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", server.Listener.Addr().String())
	})
	return v
}

// newPipeVendor is the same without a network, for tests with a clock of their own.
func newPipeVendor(t *testing.T) *vendorServer {
	t.Helper()
	v := newVendor(t)
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{
		Handler: v, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{v.certificate}},
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	v.dialer = dialerFunc(l.dial)
	return v
}

func newVendor(t *testing.T) *vendorServer {
	t.Helper()
	v := &vendorServer{
		t: t, roots: x509.NewCertPool(), codes: map[string]*code{}, refreshes: map[string]*grant{},
		accesses: map[string]*grant{}, claims: map[string]any{}, lifetime: 3600,
	}
	v.certify()
	return v
}

// certify makes a certificate that lives longer than the days that tests let pass.
func (v *vendorServer) certify() {
	v.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		v.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		DNSNames: []string{vendorHost, "login.yandex.ru", "oauth.mail.ru"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		v.t.Fatal(err)
	}
	v.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		v.t.Fatal(err)
	}
	v.roots.AddCert(cert)
}

type dialerFunc func(ctx context.Context) (net.Conn, error)

func (d dialerFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return d(ctx) }

type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.IPAddr{} }

// say makes the vendor answer every request with this; nil makes it behave again.
func (v *vendorServer) say(status int, body string) {
	v.run(func(*http.Request, url.Values) *said { return &said{status: status, body: body} })
}

func (v *vendorServer) run(script func(r *http.Request, form url.Values) *said) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.script = script
}

func (v *vendorServer) set(change func(v *vendorServer)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v)
}

// requests gives those of a path.
func (v *vendorServer) requests(path string) []*seen {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []*seen
	for _, s := range v.seen {
		if s.path == path {
			out = append(out, s)
		}
	}
	return out
}

func (v *vendorServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	v.mu.Lock()
	script := v.script
	v.seen = append(v.seen, &seen{path: r.URL.Path, form: r.Form, header: r.Header})
	v.mu.Unlock()
	var answer *said
	if script != nil {
		answer = script(r, r.PostForm)
	}
	if answer == nil {
		answer = v.behave(r)
	}
	w.Header().Set("Content-Type", "application/json")
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

func (v *vendorServer) behave(r *http.Request) *said {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch r.URL.Path {
	case "/token":
		return v.token(r.PostForm)
	case "/device":
		return object(200, map[string]any{
			"device_code": "canary-device-code", "user_code": "ABCD-EFGH", "expires_in": 900, "interval": 5,
			"verification_uri": vendorURL + "/activate",
		})
	case "/revoke":
		return object(200, map[string]any{})
	case "/use":
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		g := v.accesses[token]
		if g == nil || g.dead {
			return object(401, map[string]any{"error": "invalid_token"})
		}
		g.arrived()
		return object(200, map[string]any{})
	}
	return object(404, map[string]any{})
}

func object(status int, body map[string]any) *said {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return &said{status: status, body: string(text)}
}

func refusal(status int, code, description string) *said {
	return object(status, map[string]any{"error": code, "error_description": description})
}

// token is the token endpoint; the caller has the lock.
func (v *vendorServer) token(form url.Values) *said {
	if form.Get("client_id") == "" && form.Get("assertion") == "" {
		return refusal(401, "invalid_client", "no client")
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return v.exchange(form)
	case "refresh_token":
		return v.refresh(form)
	case "client_credentials":
		return v.issue(&grant{}, form, nil)
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		return v.issue(&grant{}, form, nil)
	case "urn:ietf:params:oauth:grant-type:device_code":
		if form.Get("device_code") != "canary-device-code" {
			return refusal(400, "invalid_grant", "no such device code")
		}
		if len(v.pending) > 0 {
			next := v.pending[0]
			v.pending = v.pending[1:]
			return refusal(400, next, "")
		}
		return v.issue(nil, form, &code{address: "jane@acme.example"})
	}
	return refusal(400, "unsupported_grant_type", "")
}

func (v *vendorServer) exchange(form url.Values) *said {
	c := v.codes[form.Get("code")]
	delete(v.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if c == nil || c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) || c.redirect != form.Get("redirect_uri") {
		return refusal(400, "invalid_grant", "the code, its verifier or the redirect address is wrong")
	}
	return v.issue(nil, form, c)
}

func (v *vendorServer) refresh(form url.Values) *said {
	g := v.refreshes[form.Get("refresh_token")]
	if g == nil || g.dead {
		return refusal(400, "invalid_grant", "Token has been expired or revoked.")
	}
	g.arrived()
	return v.issue(g, form, nil)
}

// issue makes an answer with tokens; used is the refresh token that it is for, nil for a
// new consent.
func (v *vendorServer) issue(used *grant, form url.Values, c *code) *said {
	v.serial++
	access := fmt.Sprintf("canary-access-%d", v.serial)
	body := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": v.lifetime}
	if v.scope != "" {
		body["scope"] = v.scope
	}
	if c != nil && !v.noID {
		body["id_token"] = v.idToken(c)
	}
	g := used
	if used == nil || (v.rotating && form.Get("grant_type") == "refresh_token") {
		g = &grant{before: used}
		if used != nil {
			used.succeeded = true
		}
		next := fmt.Sprintf("canary-refresh-%d", v.serial)
		v.refreshes[next] = g
		body["refresh_token"] = next
	}
	v.accesses[access] = g
	return object(200, body)
}

func (v *vendorServer) idToken(c *code) string {
	claims := map[string]any{
		"iss": vendorURL, "aud": "client-1", "exp": time.Now().Add(time.Hour).Unix(), "sub": "1",
		"email": c.address, "email_verified": true, "preferred_username": c.address,
	}
	if c.nonce != "" {
		claims["nonce"] = c.nonce
	}
	for name, value := range v.claims {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return "eyJhbGciOiJSUzI1NiJ9." + base64.RawURLEncoding.EncodeToString(payload) + ".c2lnbmF0dXJl"
}

// consent makes a refresh token, without a browser.
func (v *vendorServer) consent() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.serial++
	token := fmt.Sprintf("canary-refresh-%d", v.serial)
	v.refreshes[token] = &grant{}
	return token
}

// isNewest reports whether a refresh token works and was not replaced.
func (v *vendorServer) isNewest(token string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	g := v.refreshes[token]
	return g != nil && !g.dead && !g.succeeded
}

// browse is a person who consents at the address that Begin gave, as the address says;
// it gives the code with which the browser comes back.
func (v *vendorServer) browse(start Start, address string) relay.Secret {
	v.t.Helper()
	u, err := url.Parse(start.URL)
	if err != nil {
		v.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("state") != start.State {
		v.t.Fatalf("the browser is sent to %s", start.URL)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.serial++
	name := fmt.Sprintf("canary-code-%d", v.serial)
	v.codes[name] = &code{
		address: address, challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"),
	}
	return relay.Secret(name)
}

// scopesOf gives the scopes of an address or a form.
func scopesOf(q url.Values) []string {
	return slices.Sorted(slices.Values(strings.Fields(q.Get("scope"))))
}
