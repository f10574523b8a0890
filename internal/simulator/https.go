package simulator

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/relayd/relayd/internal/simulator/gmailsim"
	"github.com/relayd/relayd/internal/simulator/graphsim"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// headerTimeout is how long a client may take for the header of a request.
const headerTimeout = 30 * time.Second

// buildWeb makes the HTTPS server with everything that is on it.
func (s *Simulator) buildWeb() error {
	s.mux = http.NewServeMux()
	s.web = &http.Server{
		Handler: s.mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: ioTimeout,
		ErrorLog:    log.New(logger{s.options.Logger}, "", 0),
		BaseContext: func(net.Listener) context.Context { return s.life },
	}
	s.oauth = oauthsim.New(oauthsim.Options{
		Accounts: s.addresses, Strike: s.Strike, Behaviour: s.options.Personality.OAuth,
	})
	for _, c := range s.options.OAuthClients {
		if err := s.AddOAuthClient(c); err != nil {
			return fmt.Errorf("register an OAuth client: %w", err)
		}
	}
	s.oauth.Register(s.mux)
	graphsim.Register(s.mux, graphsim.Options{Provider: api{s}})
	gmailsim.Register(s.mux, gmailsim.Options{Provider: api{s}})
	s.registerAdmin()
	if err := s.buildExchange(); err != nil {
		return err
	}
	for pattern, handler := range s.options.HTTP {
		s.mux.Handle(pattern, handler)
	}
	return nil
}

// webTLS offers HTTP/1.1 only, where a sign-in may belong to a connection.
func webTLS(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	return config
}

// Handle mounts one more handler on the HTTPS server, by a pattern of http.ServeMux.
// As there, a pattern that is taken panics.
func (s *Simulator) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// HTTPSURL is the base of all addresses of the HTTPS server.
func (s *Simulator) HTTPSURL() string { return "https://" + s.https.String() }

// HTTPClient trusts the simulator's authority and follows no redirects.
func (s *Simulator) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Roots(), MinVersion: tls.VersionTLS12}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
