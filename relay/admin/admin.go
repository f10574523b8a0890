package admin

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/relayd/relayd/store"
)

// The limits of the admin listeners where Options leave them open. They are for
// people, scripts and a scraper, not for bulk, so they are small.
const (
	DefaultMaxConnections  = 128
	DefaultMaxBody         = 256 << 10 // an organisation with 1,000 domains has 60 KiB
	DefaultRequestTimeout  = 30 * time.Second
	DefaultShutdownTimeout = 5 * time.Second

	readHeaderTimeout = 5 * time.Second // attacks R4: one octet at a time in the header
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	checkTimeout      = 3 * time.Second
)

// Options are what a Server needs. Directory, Queue, Conductor, Accounts,
// Verifier, Explainer, Passwords, Keys, Vault and Ownership must be set.
type Options struct {
	Address string      // of the TCP listener, such as "127.0.0.1:8025"; empty: none
	TLS     *tls.Config // for the TCP listener; nil: plain HTTP
	Socket  string      // path of the Unix socket; empty: none
	Hosts   []string    // names that may stand in Host besides loopback and Address
	Version string      // of relayd, for the OpenAPI document

	Directory store.Directory
	Queue     Queue
	Conductor Conductor
	Accounts  AccountWriter
	Verifier  Verifier
	Explainer Explainer
	Passwords Passwords
	Keys      KeyMaker
	Vault     Vault
	Ownership Ownership
	Checks    []Check

	Pages       http.Handler // what people see who followed a link; nil: none
	Metrics     http.Handler // served at /metrics; nil: nothing there
	MetricsOpen bool         // /metrics needs no token over TCP; for a loopback address

	Log *slog.Logger     // nil: slog.Default()
	Now func() time.Time // nil: time.Now

	MaxConnections  int           // per listener; 0: DefaultMaxConnections
	MaxBody         int64         // octets of a request; 0: DefaultMaxBody
	RequestTimeout  time.Duration // from the header to the end of the answer; 0: DefaultRequestTimeout
	ShutdownTimeout time.Duration // for running requests at the end; 0: DefaultShutdownTimeout
}

// Server is the admin API on its listeners.
type Server struct {
	opt       Options
	handler   http.Handler
	document  []byte // the OpenAPI document; never changes
	listeners []*listener
}

// New makes a Server. It listens from Listen or Run on.
func New(opt Options) (*Server, error) {
	if err := opt.complete(); err != nil {
		return nil, err
	}
	s := &Server{opt: opt}
	if err := s.build(); err != nil {
		return nil, err
	}
	return s, nil
}

// Handler is the whole API as it answers over TCP: each request needs a token.
func (s *Server) Handler() http.Handler { return s.handler }

// complete fills in the defaults and names what is missing.
func (o *Options) complete() error {
	if err := o.missing(); err != nil {
		return err
	}
	if o.MetricsOpen && o.Address != "" && !isLoopback(hostOf(o.Address)) {
		return errors.New("admin: metrics without a token are for a loopback address only, not " + o.Address)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxConnections = orDefault(o.MaxConnections, DefaultMaxConnections)
	o.MaxBody = orDefault(o.MaxBody, DefaultMaxBody)
	o.RequestTimeout = orDefault(o.RequestTimeout, DefaultRequestTimeout)
	o.ShutdownTimeout = orDefault(o.ShutdownTimeout, DefaultShutdownTimeout)
	return nil
}

func (o *Options) missing() error {
	for _, need := range []struct {
		name string
		is   bool
	}{
		{"Directory", o.Directory != nil}, {"Queue", o.Queue != nil},
		{"Conductor", o.Conductor != nil}, {"Accounts", o.Accounts != nil},
		{"Verifier", o.Verifier != nil}, {"Explainer", o.Explainer != nil},
		{"Passwords", o.Passwords != nil}, {"Keys", o.Keys != nil},
		{"Vault", o.Vault != nil}, {"Ownership", o.Ownership != nil},
	} {
		if !need.is {
			return errors.New("admin: Options." + need.name + " is not set")
		}
	}
	return nil
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
