package exchange

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server answers as an Exchange server does.
type Server struct {
	options Options
	build   build
	faults  faults
	now     func() time.Time

	mu        sync.Mutex
	last      Last
	requests  []Request
	redirects []Redirect
}

// Last is what the server saw last of each.
type Last struct {
	Scheme  string // of the last Authorization header, as it was written
	Version string // RequestServerVersion; empty when the request had none
	Message []byte // MimeContent as it was handed over, before anything was changed
}

// Request is one call of an operation.
type Request struct {
	Operation string
	Version   string
	Login     string // address of the owner that had signed in
	Mailbox   string // address of the owner that it acted as
	Scheme    string // NTLM or Basic
}

// New makes a server.
func New(o Options) (*Server, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("simulated Exchange: %w", err)
	}
	b, _ := buildOf(o.Release)
	return &Server{options: o, build: b, now: time.Now}, nil
}

// Inject makes something go wrong.
func (s *Server) Inject(f Fault) { s.faults.inject(f) }

// ClearFaults takes back every fault.
func (s *Server) ClearFaults() { s.faults.clear() }

// Last gives what the server saw last.
func (s *Server) Last() Last {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Requests gives the last thousand calls of operations, oldest first.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) note(change func(*Last)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.last)
}

func (s *Server) record(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) >= maxRequests {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	s.requests = append(s.requests, r)
}

// Handler answers the server's addresses, in upper or lower case as IIS does. The
// http.Server around it must call ConnContext, or else only Basic is offered: NTLM
// signs in a connection.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.ToLower(r.URL.Path)
		switch {
		case path == "/ews/exchange.asmx":
			s.limited(w, r, s.serveEWS)
		case path == "/autodiscover/autodiscover.xml":
			s.limited(w, r, s.serveAutodiscover)
		case path == "/autodiscover/autodiscover.json" || strings.HasPrefix(path, "/autodiscover/autodiscover.json/"):
			s.serveDiscoverJSON(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// limited refuses what is too large before anybody signs in, as IIS does.
func (s *Server) limited(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	if r.ContentLength > s.options.MaxRequest {
		tooLarge(w)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.options.MaxRequest)
	next(w, r)
}

func tooLarge(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	http.Error(w, "Request Entity Too Large", http.StatusRequestEntityTooLarge)
}

// isTooLarge reports whether reading ended at the limit of a request.
func isTooLarge(err error) bool {
	var limit *http.MaxBytesError
	return errors.As(err, &limit)
}

// Serve answers on a listener, with TLS or without, until ctx ends; then it closes
// every connection, waits for what is being answered, and returns nil. It takes
// loopback listeners only.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := loopback(l.Addr()); err != nil {
		return err
	}
	running := newRunning(s.Handler())
	server := &http.Server{
		Handler: running, ConnContext: s.ConnContext,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: readTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes,
		Protocols:      new(http.Protocols),
		ErrorLog:       slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
	server.Protocols.SetHTTP1(true) // NTLM needs one connection for one client, which HTTP/2 is not
	stop := context.AfterFunc(ctx, func() {
		server.Close() //nolint:errcheck // it only tells that a connection was closed before
	})
	err := server.Serve(l)
	stop()
	server.Close() //nolint:errcheck // as above
	running.end()
	if ctx.Err() != nil && errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// running knows which requests are being answered: http.Server.Close leaves them.
type running struct {
	handler http.Handler
	mu      sync.Mutex
	ended   bool
	count   sync.WaitGroup
}

func newRunning(h http.Handler) *running { return &running{handler: h} }

// ServeHTTP answers, unless the end has come.
func (x *running) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	if x.ended {
		x.mu.Unlock()
		panic(http.ErrAbortHandler) // the documented way to end a connection without an answer
	}
	x.count.Add(1)
	x.mu.Unlock()
	defer x.count.Done()
	x.handler.ServeHTTP(w, r)
}

func (x *running) end() {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	x.count.Wait()
}

func loopback(a net.Addr) error {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsLoopback() {
		return nil
	}
	return fmt.Errorf("simulated Exchange at %s: it listens on loopback addresses only", a)
}

// apply does what a fault says. It reports whether that was the whole answer.
func (s *Server) apply(w http.ResponseWriter, r *http.Request, f Fault) bool {
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // nobody waits; as in running
		}
	}
	switch {
	case f.Hangup:
		panic(http.ErrAbortHandler) // as in running
	case f.Answer != nil:
		f.Answer(w)
	case f.Status == http.StatusUnauthorized:
		s.challenge(w, r)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", itoa(int(f.RetryAfter.Seconds())))
		}
		http.Error(w, f.Body, f.Status)
	case f.SOAP && f.Code != "":
		s.soapFault(w, f.Code, f.Text, f.BackOff)
	default:
		return false
	}
	return true
}
