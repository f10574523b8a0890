// Package smtpd takes messages from applications: step 1 of a message's life.
//
// One connection:
//  1. the listener refuses it if it comes from outside its networks or if a limit
//     of connections is reached;
//  2. internal/smtpwire leads the dialogue: TLS, grammar, order of commands, time;
//  3. AUTH PLAIN or LOGIN asks the Authenticator which submitter it is; on a
//     plaintext listener the submitter is configured;
//  4. MAIL asks the Authenticator whether the sign-in still counts, and the Acceptor
//     whether the submitter may use the sender and whether there is room;
//  5. the content goes to the Acceptor, and its answer to the client: 250 only
//     when the message is durable;
//  6. the next command of the client shows that it saw the 250, and the Acceptor is
//     told so.
//
// The seam is that of go-smtp: Server.Backend serves the same sessions to that
// library's own server.
package smtpd

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// Authenticator tells which submitter a client is. Its refusals are *relay.Error.
type Authenticator interface {
	// Password answers a sign-in; login and password are as the client sent them.
	Password(ctx context.Context, client relay.Client, login string, password relay.Secret) (*relay.Submitter, error)
	// Current refuses if the sign-in of this submitter counts no more. It is asked at
	// every MAIL, so that a change of the submitter counts at once.
	Current(ctx context.Context, submitter *relay.Submitter) error
	// BySubmitterID gives the submitter of a plaintext listener. It is asked at every
	// MAIL for the same reason.
	BySubmitterID(ctx context.Context, client relay.Client, id string) (*relay.Submitter, error)
}

// Acceptor takes responsibility for messages. Its refusals are *relay.Error; an
// error that wraps store.ErrUnknown closes the connection without an answer
// (promise G2), and any other is answered as a fault of our own.
type Acceptor interface {
	// Sender answers whether the submitter may use the envelope sender.
	Sender(ctx context.Context, submitter *relay.Submitter, from relay.Address) error
	// Room answers whether a message of size octets may come; 0 is unknown.
	Room(ctx context.Context, size int64) error
	// Accept returns nil only when the message is durable. It reads content to
	// io.EOF; any other error of content means that there is no message.
	Accept(ctx context.Context, submission *relay.Submission, content io.Reader) (relay.ID, error)
	// Acknowledged notes that the client saw the answer. It does not block.
	Acknowledged(id relay.ID)
}

// Observer hears what happens, for logs and metrics. Its methods are called
// concurrently and must not block.
type Observer interface {
	ConnectionOpened(listener string)
	// ConnectionClosed follows each ConnectionOpened. why is nil after a normal end;
	// received counts the octets of the client without those of TLS.
	ConnectionClosed(client relay.Client, received int64, why error)
	// ConnectionRefused is about a connection that was never served; reason names
	// the limit.
	ConnectionRefused(listener string, client netip.AddrPort, reason string)
	SignedIn(client relay.Client, submitter, login string)
	SignInFailed(client relay.Client, login string, reason error)
	// Refused is about a sender, a recipient or a message that was refused, by this step
	// or by one behind it. from is empty as long as no sender was taken.
	Refused(client relay.Client, submitter string, from relay.Address, err *relay.Error)
	// Accepted is about a 250. wait is the time since the last octet came.
	Accepted(submission *relay.Submission, id relay.ID, size int64, wait time.Duration)
}

// The reasons of ConnectionRefused.
const (
	RefusedNetwork      = "network"
	RefusedTotal        = "connections"
	RefusedPerAddress   = "connections_per_address"
	RefusedPerSubmitter = "connections_per_submitter"
)

// Listener is one port.
type Listener struct {
	Name      string
	Address   string // host:port for net.Listen
	Mode      smtpwire.Mode
	Networks  []netip.Prefix // whose clients may connect; empty means all, but not for plaintext
	Submitter string         // id; for plaintext only, where nobody signs in
}

// Options is what a Server is made of. A zero limit is its default.
type Options struct {
	Hostname      string // in the greeting; a domain name
	Listeners     []Listener
	TLS           *tls.Config // for the modes with TLS; its certificate may change at any time
	Authenticator Authenticator
	Acceptor      Acceptor
	Observer      Observer     // nil hears nothing
	Log           *slog.Logger // panics and failing listeners; discarded if nil

	AddressLiterals bool // user@[192.0.2.1] is taken; off, since nobody can route it by a policy

	MaxConnections             int
	MaxConnectionsPerAddress   int // of one IPv4 address or one IPv6 /64
	MaxConnectionsPerSubmitter int
	DrainTimeout               time.Duration // for running transactions when Run is to end

	// Wire holds the limits of one connection and message. The fields Hostname,
	// Mode, TLS, Mechanisms and Log are set from the others here.
	Wire smtpwire.ServerOptions
}

// The defaults of Options; those of Wire stand with smtpwire.ServerOptions.
const (
	DefaultMaxConnections             = 1000
	DefaultMaxConnectionsPerAddress   = 100
	DefaultMaxConnectionsPerSubmitter = 100
	DefaultDrainTimeout               = 30 * time.Second
)

// Server listens and serves.
type Server struct {
	opts   Options
	ports  []*port
	limits *limits
}

// port is one Listener at work.
type port struct {
	Listener
	engine *smtpwire.Server
	ln     net.Listener
}

// New checks the options and makes a Server. It opens nothing yet.
func New(o Options) (*Server, error) {
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	o.MaxConnectionsPerAddress = cmp.Or(o.MaxConnectionsPerAddress, DefaultMaxConnectionsPerAddress)
	o.MaxConnectionsPerSubmitter = cmp.Or(o.MaxConnectionsPerSubmitter, DefaultMaxConnectionsPerSubmitter)
	o.DrainTimeout = cmp.Or(o.DrainTimeout, DefaultDrainTimeout)
	if o.Observer == nil {
		o.Observer = silent{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Authenticator == nil || o.Acceptor == nil || len(o.Listeners) == 0 {
		return nil, errors.New("smtpd: an authenticator, an acceptor and a listener are required")
	}
	if _, err := mailaddr.ParseDomain(o.Hostname); err != nil {
		return nil, fmt.Errorf("smtpd: host name %q: %w", o.Hostname, err)
	}
	s := &Server{opts: o, limits: newLimits(o)}
	for _, l := range o.Listeners {
		p, err := s.newPort(l)
		if err != nil {
			return nil, fmt.Errorf("smtpd: listener %s: %w", l.Name, err)
		}
		s.ports = append(s.ports, p)
	}
	return s, nil
}

// newPort refuses a listener that would be open to everybody or could not work.
func (s *Server) newPort(l Listener) (*port, error) {
	plain := l.Mode == smtpwire.ModePlain
	switch {
	case plain && (len(l.Networks) == 0 || l.Submitter == ""):
		return nil, errors.New("a plaintext listener needs networks and a submitter")
	case !plain && l.Mode != smtpwire.ModeStartTLS && l.Mode != smtpwire.ModeImplicit:
		return nil, fmt.Errorf("unknown mode %q", l.Mode)
	case !plain && l.Submitter != "":
		return nil, errors.New("only a plaintext listener has a submitter: on this one clients sign in")
	case !plain && s.opts.TLS == nil:
		return nil, errors.New("TLS settings are missing")
	}
	wire := s.opts.Wire
	wire.Hostname, wire.Mode, wire.TLS, wire.Log = s.opts.Hostname, l.Mode, s.opts.TLS, s.opts.Log
	wire.Mechanisms = mechanisms()
	return &port{Listener: l, engine: smtpwire.NewServer(wire)}, nil
}

// silent is the Observer that hears nothing.
type silent struct{}

func (silent) ConnectionOpened(string)                                    {}
func (silent) ConnectionClosed(relay.Client, int64, error)                {}
func (silent) ConnectionRefused(string, netip.AddrPort, string)           {}
func (silent) SignedIn(relay.Client, string, string)                      {}
func (silent) SignInFailed(relay.Client, string, error)                   {}
func (silent) Refused(relay.Client, string, relay.Address, *relay.Error)  {}
func (silent) Accepted(*relay.Submission, relay.ID, int64, time.Duration) {}
