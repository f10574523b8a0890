package mailbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/relayd/relayd/relay"
)

// Dialer makes connections; in the program it is the guarded one.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Options say which mailbox to open, and how long and how much its server may
// answer.
type Options struct {
	Dialer   Dialer
	Server   relay.Server
	Login    string
	Password relay.Secret
	Token    relay.Secret // an access token, in place of the password; empty signs in by password

	Roots        *x509.CertPool        // authorities to trust; nil means the system's
	PlainAllowed func(netip.Addr) bool // where TLS mode "none" is permitted; nil means nowhere

	ConnectTimeout   time.Duration // dial, greeting and TLS together; 0 means DefaultConnectTimeout
	OperationTimeout time.Duration // one command and its answer; 0 means DefaultOperationTimeout
	UploadRate       int64         // octets each second that an APPEND may count on; 0 means DefaultUploadRate
	AnswerLimit      int64         // octets that the answer to one command may have; 0 means DefaultAnswerLimit
}

// The defaults of Options. The limits come from measurements: 10,000 folders take
// about 700 KiB.
const (
	DefaultConnectTimeout   = 30 * time.Second
	DefaultOperationTimeout = time.Minute
	DefaultUploadRate       = 16 << 10
	DefaultAnswerLimit      = 1 << 20
)

// idleLimit is what a server may send unasked between two operations.
const idleLimit = 64 << 10

// Peer is the server as it was reached.
type Peer struct {
	Host        string
	Addr        string // with its port
	TLS         string // version and cipher suite; empty in clear
	Certificate string // the name on it
}

// Mailbox is one signed-in session. It is for one goroutine at a time.
type Mailbox struct {
	options Options
	wire    *wire
	client  *imapclient.Client
	caps    imap.CapSet
	peer    Peer
}

// Open connects, secures and signs in. Nothing of it outlives an error.
func Open(ctx context.Context, o Options) (*Mailbox, error) {
	o.fill()
	connecting, cancel := context.WithTimeoutCause(ctx, o.ConnectTimeout, errOverdue)
	defer cancel()
	w, peer, err := o.connect(connecting)
	if err != nil {
		return nil, err
	}
	m := &Mailbox{options: o, wire: w, peer: peer, client: imapclient.New(w, nil)}
	if err := m.signIn(ctx); err != nil {
		m.drop()
		return nil, err
	}
	return m, nil
}

func (o *Options) fill() {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.OperationTimeout <= 0 {
		o.OperationTimeout = DefaultOperationTimeout
	}
	if o.UploadRate <= 0 {
		o.UploadRate = DefaultUploadRate
	}
	if o.AnswerLimit <= 0 {
		o.AnswerLimit = DefaultAnswerLimit
	}
}

// Peer tells who is at the other end.
func (m *Mailbox) Peer() Peer { return m.peer }

// UIDPlus reports whether the server tells UIDs of what is put in, and can take
// out single messages (RFC 4315).
func (m *Mailbox) UIDPlus() bool { return m.caps.Has(imap.CapUIDPlus) }

// Usable reports whether the session can go on: only an answer of the server
// leaves it so; every failure without one ends it.
func (m *Mailbox) Usable() bool { return m.wire.ended() == nil }

// Close says goodbye, waiting for the answer no longer than ctx allows, and ends
// the session.
func (m *Mailbox) Close(ctx context.Context) {
	if m.Usable() {
		m.do(ctx, operation{step: StepConnect}, func() error { return m.client.Logout().Wait() }) //nolint:errcheck // it ends either way
	}
	m.drop()
}

func (m *Mailbox) drop() {
	m.wire.end(net.ErrClosed)
	m.client.Close() //nolint:errcheck // it is over; this waits for go-imap's reader
}

func (m *Mailbox) capabilities(ctx context.Context) (imap.CapSet, error) {
	var caps imap.CapSet
	err := m.do(ctx, operation{step: StepAuth}, func() (err error) {
		caps, err = m.client.Capability().Wait()
		return err
	})
	return caps, err
}

// operation is what do needs to know about a command.
type operation struct {
	step   Step
	upload int64 // octets that it sends beside the command itself
	limit  int64 // budget of its answer; 0 means Options.AnswerLimit
}

// do runs one command within its time and budget.
func (m *Mailbox) do(ctx context.Context, op operation, command func() error) error {
	if cause := m.wire.ended(); cause != nil {
		return failure(op.step, cause)
	}
	if op.limit == 0 {
		op.limit = m.options.AnswerLimit
	}
	allowed := m.options.OperationTimeout + time.Duration(op.upload/m.options.UploadRate)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, allowed, errOverdue)
	defer cancel()
	m.wire.refill(op.limit)
	stop := context.AfterFunc(ctx, func() { m.wire.end(context.Cause(ctx)) })
	err := command()
	stop()
	m.wire.refill(idleLimit)
	return m.sort(op.step, err)
}

// sort tells answers from failures. After a failure the session is over: nobody
// can say where in the stream the two sides are.
func (m *Mailbox) sort(step Step, err error) error {
	if err == nil {
		return nil
	}
	var answer *imap.Error
	var known *Error
	cause := m.wire.ended()
	switch {
	case errors.As(err, &answer):
		return refusal(step, answer)
	case errors.As(err, &known):
		return known
	case cause != nil && !errors.Is(cause, net.ErrClosed):
		err = fmt.Errorf("%w (%s)", cause, relay.Printable(err.Error()))
	}
	m.wire.end(err)
	return failure(step, err)
}

// sendable reports whether s is not empty and has no control characters. NUL, CR
// and LF would be read as the end of what they stand in.
func sendable(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
