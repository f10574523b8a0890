package oauth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/relayd/relayd/relay"
)

// BeginRequest is what a person wants to consent to.
type BeginRequest struct {
	App          string // id of the OAuth application
	Organisation string // of the account
	Account      string // id; the account need not be there yet
	Address      relay.Address
	Shared       bool             // a shared mailbox: whoever consents is somebody else, and the account's loop mail has to prove the right
	Login        string           // who asks: a session, or a one-time link; nobody else can finish it
	Resources    []relay.Resource // none means mail
	Candidate    bool             // a consent to be tried beside the one in force
	Return       string           // a path of our own, for the page that comes afterwards
	Done         func(Device)     // called once a consent by code was given; nil: nobody asks
}

// Start is where the browser goes.
type Start struct {
	URL   string
	State string
}

// flow is a consent that is under way. It never changes once it is begun, but for
// issuer, which belongs to the one who finishes it.
type flow struct {
	BeginRequest
	address  relay.Address
	admin    bool   // an administrator's, for a whole tenant
	verifier string // of PKCE (RFC 7636)
	nonce    string // of the id token; empty if there is none
	issuer   string // that the browser brought (RFC 9207)
	expires  time.Time
}

// FinishRequest is what the browser brought back.
type FinishRequest struct {
	State       string
	Code        relay.Secret
	Issuer      string // the parameter iss; empty if there was none
	Error       string
	Description string // error_description
	Login       string
}

// Result tells what a consent was for, also where it failed.
type Result struct {
	App       string
	Account   string
	Address   relay.Address
	Candidate bool
	Return    string
	// Confirmed: the vendor said that the consent is of this address. Where it has no
	// way to say so, the account's loop mail has to prove it.
	Confirmed bool
	// Claim is where the vendor said it: "email", "preferred_username", "default_email".
	Claim string
}

func (f *flow) result() Result {
	return Result{App: f.App, Account: f.Account, Address: f.address, Candidate: f.Candidate, Return: f.Return}
}

// grant is the ID of the consent that the flow is for.
func (f *flow) grant() string {
	if f.Candidate {
		return relay.CandidateGrant(f.Account)
	}
	return f.Account
}

// Begin starts a consent in the browser. It returns ErrApp if the application cannot
// do that, and ErrBusy.
func (s *Service) Begin(ctx context.Context, q BeginRequest) (Start, error) {
	f, m, err := s.newFlow(ctx, q)
	if err != nil {
		return Start{}, err
	}
	if !isSecureURL(s.o.RedirectURL) {
		return Start{}, unusable("relayd has no https address to which the provider could send the browser back")
	}
	f.verifier = oauth2.GenerateVerifier()
	scopes := slices.Clone(m.vendor.Identity)
	for _, r := range f.Resources {
		more, err := m.scopes(r)
		if err != nil {
			return Start{}, err
		}
		scopes = merge(more, scopes)
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.verifier)}
	for name, value := range m.vendor.Parameters {
		options = append(options, oauth2.SetAuthURLParam(name, value))
	}
	if m.vendor.LoginHint {
		options = append(options, oauth2.SetAuthURLParam("login_hint", f.address.String()))
	}
	if slices.Contains(m.vendor.Identity, "openid") {
		f.nonce = rand.Text()
		options = append(options, oauth2.SetAuthURLParam("nonce", f.nonce))
	}
	state, err := s.remember(f)
	if err != nil {
		return Start{}, err
	}
	return Start{URL: s.config(m, scopes, "").AuthCodeURL(state, options...), State: state}, nil
}

func (s *Service) config(m *realm, scopes []string, secret relay.Secret) *oauth2.Config {
	return &oauth2.Config{
		ClientID: m.app.ClientID, ClientSecret: secret.Reveal(), RedirectURL: s.o.RedirectURL, Scopes: scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL: m.endpoints.Auth, TokenURL: m.endpoints.Token, DeviceAuthURL: m.endpoints.Device,
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// newFlow checks what every consent of a person needs.
func (s *Service) newFlow(ctx context.Context, q BeginRequest) (*flow, *realm, error) {
	if q.Account == "" || q.Login == "" || q.Address.IsZero() {
		return nil, nil, errors.New("a consent needs an account, its address and a login")
	}
	if !isOwnPath(q.Return) {
		return nil, nil, errors.New("the page to return to is not a path of our own")
	}
	app, err := s.app(ctx, q.App, q.Organisation)
	if err != nil {
		return nil, nil, err
	}
	if app.Kind != relay.AppConsent {
		return nil, nil, unusable("it is not one that people consent to")
	}
	m, err := s.realm(app)
	if err != nil {
		return nil, nil, err
	}
	if len(q.Resources) == 0 {
		q.Resources = []relay.Resource{relay.ResourceMail}
	}
	return &flow{BeginRequest: q, address: q.Address, expires: time.Now().Add(FlowLifetime)}, m, nil
}

// isOwnPath keeps the way back on our own pages (attack row W7). A browser reads \ as /.
func isOwnPath(path string) bool {
	if path == "" {
		return true
	}
	if path[0] != '/' || len(path) > maxURL || strings.HasPrefix(path, "//") {
		return false
	}
	for i := 0; i < len(path); i++ {
		if path[i] <= ' ' || path[i] > '~' || path[i] == '\\' {
			return false
		}
	}
	return true
}

// remember keeps a flow under a new state.
func (s *Service) remember(f *flow) (state string, err error) {
	state = rand.Text() + rand.Text() // 260 bits
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", ErrClosed
	}
	var oldest string
	mine := 0
	for other, g := range s.flows {
		if !now.Before(g.expires) {
			delete(s.flows, other)
			continue
		}
		if g.Login != f.Login {
			continue
		}
		mine++
		if oldest == "" || g.expires.Before(s.flows[oldest].expires) {
			oldest = other
		}
	}
	if mine >= maxLoginFlows {
		delete(s.flows, oldest) // somebody who presses the button again and again
	}
	if len(s.flows) >= maxFlows {
		return "", ErrBusy
	}
	s.flows[state] = f
	return state, nil
}

// take gives the flow of a state, once: whoever comes with it, it is used up.
func (s *Service) take(state, login string, admin bool) (*flow, error) {
	s.mu.Lock()
	f := s.flows[state]
	delete(s.flows, state)
	s.mu.Unlock()
	if f == nil || !time.Now().Before(f.expires) || f.admin != admin ||
		subtle.ConstantTimeCompare([]byte(f.Login), []byte(login)) != 1 {
		return nil, ErrState
	}
	return f, nil
}

// Finish ends a consent that Begin started, when the browser comes back. Errors:
// ErrState, ErrIssuer, ErrDenied, ErrIdentity, ErrNoRefresh, ErrApp, *AddressError,
// *ScopeError, and *relay.TokenError where the vendor's token endpoint fails. After an
// error a consent that was there before is still in force.
func (s *Service) Finish(ctx context.Context, q FinishRequest) (*relay.Grant, Result, error) {
	f, err := s.take(q.State, q.Login, false)
	if err != nil {
		return nil, Result{}, err
	}
	// The code works once: a browser that goes away must not take the consent with it.
	g, id, err := s.finish(context.WithoutCancel(ctx), f, q)
	result := f.result()
	if err != nil {
		return nil, result, err
	}
	result.Confirmed, result.Claim = id.address != "", id.claim
	return g, result, nil
}

func (s *Service) finish(ctx context.Context, f *flow, q FinishRequest) (*relay.Grant, identity, error) {
	app, err := s.app(ctx, f.App, f.Organisation)
	if err != nil {
		return nil, identity{}, err
	}
	m, err := s.realm(app)
	if err != nil {
		return nil, identity{}, err
	}
	// RFC 9207 §2.4: before anything else is believed.
	if q.Issuer != "" && !m.issuedBy(q.Issuer) {
		return nil, identity{}, ErrIssuer
	}
	f.issuer = q.Issuer
	if q.Error != "" {
		return nil, identity{}, denial(q.Error, q.Description)
	}
	if q.Code == "" || len(q.Code) > maxCodeLength {
		return nil, identity{}, fmt.Errorf("%w: the browser brought no code", ErrDenied)
	}
	got, err := s.exchange(ctx, m, f, q.Code)
	if err != nil {
		return nil, identity{}, s.explain(m, f.address, err)
	}
	return s.settle(ctx, m, f, got)
}

// denial is an error that came with the browser (RFC 6749 §4.1.2.1).
func denial(code, description string) error {
	said := relay.Printable(code)
	if description != "" {
		said = relay.Printable(code + ": " + description)
	}
	return fmt.Errorf("%w: the provider says %s", ErrDenied, said)
}

// exchange makes tokens of the code.
func (s *Service) exchange(ctx context.Context, m *realm, f *flow, code relay.Secret) (*issued, error) {
	secret, err := s.secretOf(m.app)
	if err != nil {
		return nil, err
	}
	options := []oauth2.AuthCodeOption{oauth2.VerifierOption(f.verifier)}
	if m.vendor.OneResource {
		scopes, err := m.scopes(f.Resources[0])
		if err != nil {
			return nil, err
		}
		options = append(options, oauth2.SetAuthURLParam("scope", strings.Join(merge(scopes, m.vendor.Identity), " ")))
	}
	return s.request(ctx, func(ctx context.Context) (*oauth2.Token, error) {
		return s.config(m, nil, secret).Exchange(ctx, code.Reveal(), options...)
	})
}

// explain makes the error of a token request one for the person, and remembers what
// concerns all accounts of the application.
func (s *Service) explain(m *realm, a relay.Address, err error) error {
	var f *failure
	if errors.As(err, &f) {
		s.note(m, a.Domain, f)
	}
	if errors.Is(err, ErrApp) {
		return err
	}
	return tokenError(m.app.ID, err)
}
