package smtpwire

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// Mode says how a listener's connections are secured.
type Mode string

// The modes of a listener.
const (
	ModeStartTLS Mode = "starttls"  // port 587: before STARTTLS nearly nothing exists
	ModeImplicit Mode = "implicit"  // port 465: TLS from the first octet (RFC 8314)
	ModePlain    Mode = "plaintext" // no TLS and no AUTH: for networks that the operator lists
)

// ErrHangUp closes the connection without any answer if it stands anywhere in the
// chain of an error of a Session: nobody may say whether a message was kept
// (promise G2).
var ErrHangUp = errors.New("closed without an answer")

// Session stands behind one connection. Its methods are called one at a time, in
// the order of the dialogue. An error that is or wraps a *relay.Error is
// answered with it; any other is a fault of our own (relay.Fault), and its text
// stays inside.
type Session interface {
	// Hello tells who the client is, after every EHLO and HELO; extended means EHLO.
	Hello(client relay.Client, extended bool)
	// Auth begins an exchange in one of ServerOptions.Mechanisms.
	Auth(ctx context.Context, mechanism string) (ServerMechanism, error)
	// Mail begins a transaction.
	Mail(ctx context.Context, s Sender) error
	// Rcpt adds a recipient to it.
	Rcpt(ctx context.Context, r relay.Recipient) error
	// Data takes responsibility for the message, once content ended with io.EOF, and
	// gives its ID. Any other error of content means that there is no message,
	// whatever Data returns.
	Data(ctx context.Context, content io.Reader) (relay.ID, error)
	// Refused tells of a sender or recipient that was refused without a question to the
	// Session, for what the command says.
	Refused(err *relay.Error)
	// Acknowledged tells that the client saw the answer that Data's ID went into.
	Acknowledged(id relay.ID)
	// Reset ends a transaction, if there is one.
	Reset()
	// Close ends the session; nothing follows.
	Close()
}

// ServerMechanism is the server's half of one SASL exchange; sasl.Server of go-sasl is
// one. The first response is nil if the client sent none with AUTH.
type ServerMechanism interface {
	Next(response []byte) (challenge []byte, done bool, err error)
}

// ServerOptions is what a Server is made of. A zero limit is its default.
type ServerOptions struct {
	Hostname   string      // the name in the greeting; also the domain of <postmaster>
	Mode       Mode        // ModeStartTLS if empty
	TLS        *tls.Config // for the modes with TLS
	Mechanisms []string    // of AUTH, as EHLO names them

	MaxSize         int64         // octets of one message
	MaxRecipients   int           // of one message
	MaxErrors       int           // refused commands since the last message
	MaxJunk         int           // commands in a row that bring no message nearer, such as NOOP
	MaxAuthFailures int           // of one connection
	Handshake       time.Duration // for the whole TLS handshake
	Login           time.Duration // from the start until AUTH succeeded
	Idle            time.Duration // for the first octet of a command
	Command         time.Duration // for the rest of its line
	Stall           time.Duration // for the next octets of a message
	Message         time.Duration // for one whole message
	Write           time.Duration // for handing over replies
	MinRate         int64         // octets a second that a message must come at, after MinRateGrace
	MinRateGrace    time.Duration

	Log *slog.Logger // panics; discarded if nil
}

// The defaults of ServerOptions.
const (
	DefaultMaxSize         = 50 << 20
	DefaultMaxRecipients   = 1000             // RFC 5321 §4.5.3.1.8 asks for at least 100
	DefaultMaxErrors       = 20               // Postfix: smtpd_hard_error_limit
	DefaultMaxJunk         = 100              // Postfix: smtpd_junk_command_limit
	DefaultMaxAuthFailures = 3                // attack row B2
	DefaultHandshake       = 30 * time.Second //
	DefaultLogin           = 2 * time.Minute  //
	DefaultIdle            = 5 * time.Minute  // RFC 5321 §4.5.3.2.7
	DefaultCommand         = time.Minute      //
	DefaultStall           = 3 * time.Minute  // RFC 5321 §4.5.3.2.5
	DefaultMessage         = 30 * time.Minute //
	DefaultWrite           = time.Minute      //
	DefaultMinRate         = 500              // Postfix: smtpd_min_data_rate
	DefaultMinRateGrace    = DefaultStall     // a client may stop once, as long as a block may take
)

// The limits that nobody needs to change.
const (
	maxCommandLine = 2048  // Postfix: line_length_limit; RFC 5321 §4.5.3.1.4 asks for 512 and the extensions for more
	maxAuthLine    = 12288 // RFC 4954 §4
	lineBuffer     = 4 << 10
	contentBuffer  = 64 << 10
)

func (o ServerOptions) withDefaults() ServerOptions {
	o.Mode = cmp.Or(o.Mode, ModeStartTLS)
	o.MaxSize = cmp.Or(o.MaxSize, DefaultMaxSize)
	o.MaxRecipients = cmp.Or(o.MaxRecipients, DefaultMaxRecipients)
	o.MaxErrors = cmp.Or(o.MaxErrors, DefaultMaxErrors)
	o.MaxJunk = cmp.Or(o.MaxJunk, DefaultMaxJunk)
	o.MaxAuthFailures = cmp.Or(o.MaxAuthFailures, DefaultMaxAuthFailures)
	o.Handshake = cmp.Or(o.Handshake, DefaultHandshake)
	o.Login = cmp.Or(o.Login, DefaultLogin)
	o.Idle = cmp.Or(o.Idle, DefaultIdle)
	o.Command = cmp.Or(o.Command, DefaultCommand)
	o.Stall = cmp.Or(o.Stall, DefaultStall)
	o.Message = cmp.Or(o.Message, DefaultMessage)
	o.Write = cmp.Or(o.Write, DefaultWrite)
	o.MinRate = cmp.Or(o.MinRate, DefaultMinRate)
	o.MinRateGrace = cmp.Or(o.MinRateGrace, DefaultMinRateGrace)
	if o.TLS != nil {
		// With session tickets Microsoft's SMTP client fails (golang/go issue 70232).
		o.TLS = o.TLS.Clone()
		o.TLS.SessionTicketsDisabled = true
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Server is the server's side of SMTP submission (RFC 6409): it knows the grammar
// and the order of commands, and asks a Session everything else.
type Server struct {
	opts    ServerOptions
	buffers sync.Pool // of *[]byte, contentBuffer long, lent to connections while content comes
}

// NewServer makes a Server. It holds no connections: every one is a ServerConn.
func NewServer(o ServerOptions) *Server {
	s := &Server{opts: o.withDefaults()}
	s.buffers.New = func() any {
		buf := make([]byte, contentBuffer)
		return &buf
	}
	return s
}

// Conn prepares to serve one accepted connection. The client is what is known of
// it so far. Serve must be called, once.
func (s *Server) Conn(nc net.Conn, client relay.Client, session Session) *ServerConn {
	c := &ServerConn{server: s, opts: &s.opts, client: client, session: session, started: time.Now()}
	c.wire = newServerWire(nc, s.opts.Write)
	c.phase = phaseClear
	switch s.opts.Mode {
	case ModeImplicit:
		c.phase = phaseLogin
	case ModePlain:
		c.phase = phaseReady
	}
	return c
}
