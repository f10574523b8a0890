package oauthsim

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// Options describe an authorisation server.
type Options struct {
	// Accounts gives the addresses that can sign in. It must be set.
	Accounts func() []string
	// Strike gives the fault that is due; nil means that nothing goes wrong.
	Strike func(ctx context.Context, at fault.Place, who ...string) (fault.Fault, bool)
	// Now is the clock; nil means the real one.
	Now       func() time.Time
	Behaviour Behaviour
}

// Behaviour is how the server treats applications. It may change while it runs.
type Behaviour struct {
	Dialect   Dialect       // whose error texts
	Lifetime  time.Duration // of access tokens; 0 means DefaultLifetime
	Rotate    bool          // gives a new refresh token at each use
	RefuseOld bool          // refuses a refresh token that has been replaced
	// IDTokenAddress stands in the id token instead of the address that signed in.
	IDTokenAddress string
	DropScopes     []string // are never given, though asked for
	TokenLength    int      // octets of an access token; less than 43 means 43
	// AdminConsentRequired refuses people's own consent: an administrator must have
	// consented before.
	AdminConsentRequired bool
	DeviceInterval       time.Duration // between two polls; 0 means DefaultDeviceInterval
}

// What holds where Behaviour names nothing, and what lives how long.
const (
	DefaultLifetime       = time.Hour
	DefaultDeviceInterval = 5 * time.Second
	codeLife              = 10 * time.Minute // RFC 6749 §4.1.2 recommends at most this
	deviceLife            = 15 * time.Minute
	requestLife           = time.Hour // of the page that asks for consent
)

// The limits of what comes from outside.
const (
	maxForm    = 64 << 10 // octets of a request
	maxWaiting = 10_000   // requests, codes, devices and access tokens of each kind
)

// Server is an authorisation server.
type Server struct {
	options Options
	key     func() (*rsa.PrivateKey, error) // of the id tokens; made when first needed

	mu         sync.Mutex
	behaviour  Behaviour
	clients    map[string]*Client
	requests   map[string]*request      // by the identifier in the page's form
	codes      map[string]*code         // by code
	devices    map[string]*device       // by device code
	grants     map[*grant]struct{}      // all that is allowed
	refresh    map[string]*refreshToken // by token
	access     map[string]*accessToken  // by token
	adminGrant map[string]bool          // clients with an administrator's consent
	asked      int                      // requests to the token endpoint
	given      []string                 // every code and token that was given, the last ones
}

// New makes a server. Clients are registered with AddClient.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Strike == nil {
		o.Strike = func(context.Context, fault.Place, ...string) (fault.Fault, bool) { return fault.Fault{}, false }
	}
	return &Server{
		options: o, behaviour: o.Behaviour,
		key:     sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }),
		clients: map[string]*Client{}, requests: map[string]*request{}, codes: map[string]*code{},
		devices: map[string]*device{}, grants: map[*grant]struct{}{}, refresh: map[string]*refreshToken{},
		access: map[string]*accessToken{}, adminGrant: map[string]bool{},
	}
}

// Configure changes the behaviour.
func (s *Server) Configure(change func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behaviour)
}

func (s *Server) current() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behaviour
}

// TokenRequests counts the requests to the token endpoint, whatever their answer.
func (s *Server) TokenRequests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Given is every code and token that was given so far, oldest first: what no program
// may show to anybody. Of very many only the last are known.
func (s *Server) Given() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.given)
}

// give remembers a code or token that goes out. The lock is held.
func (s *Server) give(secret string) string {
	if len(s.given) >= maxWaiting {
		s.given = slices.Delete(s.given, 0, maxWaiting/2)
	}
	s.given = append(s.given, secret)
	return secret
}

// Endpoints are the server's addresses below a base such as https://localhost:8443.
type Endpoints struct {
	Authorize, Token, Device, Revoke, AdminConsent, Keys string
}

// EndpointsAt gives the addresses in the form of the dialect.
func (s *Server) EndpointsAt(base string) Endpoints {
	if s.current().Dialect == Microsoft {
		return Endpoints{
			Authorize: base + "/common/oauth2/v2.0/authorize", Token: base + "/common/oauth2/v2.0/token",
			Device: base + "/common/oauth2/v2.0/devicecode", Revoke: base + "/revoke",
			AdminConsent: base + "/common/v2.0/adminconsent", Keys: base + "/keys",
		}
	}
	return Endpoints{
		Authorize: base + "/o/oauth2/v2/auth", Token: base + "/token", Device: base + "/device/code",
		Revoke: base + "/revoke", AdminConsent: base + "/common/v2.0/adminconsent", Keys: base + "/keys",
	}
}

// Register puts the endpoints into mux, with Google's addresses and Microsoft's.
func (s *Server) Register(mux *http.ServeMux) {
	for _, prefix := range []string{"GET ", "POST "} {
		mux.HandleFunc(prefix+"/o/oauth2/v2/auth", s.authorize)
		mux.HandleFunc(prefix+"/{tenant}/oauth2/v2.0/authorize", s.authorize)
		mux.HandleFunc(prefix+"/{tenant}/v2.0/adminconsent", s.adminConsent)
		mux.HandleFunc(prefix+"/device", s.devicePage)
	}
	for _, path := range []string{"/token", "/{tenant}/oauth2/v2.0/token"} {
		mux.HandleFunc("POST "+path, s.token)
	}
	for _, path := range []string{"/device/code", "/{tenant}/oauth2/v2.0/devicecode"} {
		mux.HandleFunc("POST "+path, s.deviceCode)
	}
	mux.HandleFunc("POST /revoke", s.revoke)
	mux.HandleFunc("GET /keys", s.keys)
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery)
}

// secret gives a value that nobody can guess.
func secret() string { return rand.Text() + rand.Text() }
