package oauth

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// Service gets consents and tokens. Its methods may be called concurrently.
type Service struct {
	o       Options
	vendors map[string]*vendor
	web     *http.Transport

	ctx     context.Context // of requests; ends with Close, after those under way had their time
	cancel  context.CancelCauseFunc
	closing chan struct{}  // closed when Close begins
	running sync.WaitGroup // requests for tokens, and device flows

	mu      sync.Mutex
	closed  bool
	flows   map[string]*flow   // by state
	devices map[string]*device // by id
	holders map[string]*holder // by key
	apps    map[string]*gate   // by id of the application
}

// New makes a Service. Run does what happens without anybody asking; Close ends it.
func New(o Options) (*Service, error) {
	o.fill()
	vendors, err := parseVendors(vendorData)
	if err != nil {
		return nil, err
	}
	s := &Service{
		o: o, vendors: vendors, closing: make(chan struct{}),
		flows: map[string]*flow{}, devices: map[string]*device{},
		holders: map[string]*holder{}, apps: map[string]*gate{},
		web: &http.Transport{
			DialContext:            o.Dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    handshakeTimeout,
			ResponseHeaderTimeout:  o.RequestTimeout,
			MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost:    idleConnections,
			IdleConnTimeout:        idleConnection,
			DisableCompression:     true, // MaxAnswer is then what comes over the wire
		},
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s, nil
}

// Run keeps idle consents alive, and forgets what is over, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	look := time.NewTicker(s.o.Look)
	defer look.Stop()
	for {
		s.forgetOld(time.Now())
		s.keepAlive(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-s.closing:
			return nil
		case <-look.C:
		}
	}
}

// Close ends the service. A request that is under way may end first: were its answer
// thrown away, the refresh token in it could be lost.
func (s *Service) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	patience := time.AfterFunc(closePatience, func() { s.cancel(ErrClosed) })
	s.running.Wait()
	patience.Stop()
	s.cancel(ErrClosed)
	s.web.CloseIdleConnections()
}

// forgetOld drops what is over: consents that nobody finished, device flows whose end
// nobody reads any more, and tokens of accounts that do not ask.
func (s *Service) forgetOld(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for state, f := range s.flows {
		if !now.Before(f.expires) {
			delete(s.flows, state)
		}
	}
	s.forgetDevices(now)
	for key, h := range s.holders {
		if h.idle(now) {
			delete(s.holders, key)
		}
	}
}

// app reads an application. An error is ErrApp, or that of the store.
func (s *Service) app(ctx context.Context, id, organisation string) (*relay.App, error) {
	if id == "" {
		return nil, unusable("none is chosen")
	}
	app, err := s.o.Apps.Get(ctx, id)
	if isNotFound(err) {
		return nil, unusable("it was removed")
	}
	if err != nil {
		return nil, fmt.Errorf("read application %s: %w", id, err)
	}
	// An organisation's own application is nobody else's: its owner sees the tokens.
	if app.Organisation != "" && app.Organisation != organisation {
		return nil, unusable("it belongs to another organisation")
	}
	return app, nil
}
