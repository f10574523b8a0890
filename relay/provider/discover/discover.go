// Package discover finds the settings of an account from its address alone.
//
// One discovery asks, in the order of trust, and ends with the first answer that is
// whole and fits what the person chose:
//  1. the operator: a starter configuration of the domain is final;
//  2. the presets, by domain;
//  3. the domain's own autoconfiguration files, by https, and its PACC document
//     (draft-ietf-mailmaint-autoconfig, draft-ietf-mailmaint-pacc);
//  4. ISPDB, which learns the domain and nothing else;
//  5. the presets by the domain's MX, then files and ISPDB for the MX host's domains;
//  6. SRV records (RFC 6186, RFC 8314);
//  7. Autodiscover, if the person chose Exchange or the MX looks like an own server;
//  8. guesses, each looked at without a sign-in.
//
// Sources of equal standing are asked at the same time, but who answers first decides
// nothing. What rests on the DNS alone or on a guess is confirmed by the person, who is
// shown the registered domains of the servers in full.
//
// Nobody here has a password, and nothing signs in anywhere. Every connection goes
// through the Dialer, also after a redirect. Only https is spoken, only bounded
// answers are read, and no word of an answer reaches an error or the trail, except the
// names of hosts that were checked to be names.
package discover

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// ErrAddress means that nothing can be found from this address: it has no domain.
var ErrAddress = errors.New("the address has no domain")

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Resolver answers questions to the DNS. Its errors are those of internal/resolver.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) (resolver.Answer[resolver.MX], error)
	LookupTXT(ctx context.Context, name string) (resolver.Answer[string], error)
	LookupSRV(ctx context.Context, name string) (resolver.Answer[resolver.SRV], error)
}

// Options are the parts and limits of a Discoverer.
type Options struct {
	Dialer   Dialer
	Resolver Resolver
	Presets  *provider.Presets
	Roots    *x509.CertPool // authorities to trust; nil means the system's
	Hello    string         // our name in EHLO

	// Starter gives the starter configuration of a domain; nil if there is none. An
	// error ends the discovery: what the operator decided is never passed over.
	Starter func(ctx context.Context, organisation, domain string) (*relay.Starter, error)

	ISPDB string // base address, such as DefaultISPDB; empty: it is not asked

	StepTimeout  time.Duration // one question, with its redirects; 0 means DefaultStepTimeout
	TotalTimeout time.Duration // a whole discovery; 0 means DefaultTotalTimeout
	Concurrent   int           // discoveries at one time, others wait; 0 means DefaultConcurrent
}

// The defaults of Options.
const (
	DefaultISPDB        = "https://v1.ispdb.net/"
	DefaultStepTimeout  = 5 * time.Second
	DefaultTotalTimeout = 30 * time.Second
	DefaultConcurrent   = 8
)

// Discoverer finds settings. It may be used concurrently and needs no end: nothing of
// a discovery outlives it.
type Discoverer struct {
	opts  Options
	web   *http.Client
	slots chan struct{}
}

// New makes a Discoverer.
func New(o Options) *Discoverer {
	if o.StepTimeout <= 0 {
		o.StepTimeout = DefaultStepTimeout
	}
	if o.TotalTimeout <= 0 {
		o.TotalTimeout = DefaultTotalTimeout
	}
	if o.Concurrent <= 0 {
		o.Concurrent = DefaultConcurrent
	}
	if o.Starter == nil {
		o.Starter = func(context.Context, string, string) (*relay.Starter, error) { return nil, nil }
	}
	if o.ISPDB != "" && !strings.HasSuffix(o.ISPDB, "/") {
		o.ISPDB += "/"
	}
	return &Discoverer{opts: o, web: newClient(&o), slots: make(chan struct{}, o.Concurrent)}
}

// Discover looks for the settings of an account with this address. Nothing found is no
// error: then the person fills in the form. Errors are ErrAddress, those of
// Options.Starter, and the end of ctx.
func (d *Discoverer) Discover(ctx context.Context, address relay.Address, choice Choice) (Result, error) {
	if address.Domain == "" || strings.HasPrefix(address.Domain, "[") {
		return Result{}, ErrAddress
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, d.opts.TotalTimeout)
	defer cancel()
	s := &search{Discoverer: d, address: address, choice: choice}
	if err := s.run(bounded); err != nil {
		return Result{}, fmt.Errorf("read the starter configuration of %s: %w", address.Domain, err)
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	return s.result(), nil
}
