package webmail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

const (
	idleTimeout     = 30 * time.Second
	maxHeaderAnswer = 32 << 10 // octets of an answer's header
	writeBuffer     = 32 << 10
	maxNames        = 4 // of a certificate are shown
)

// errMoved means that a request would have gone over another connection than the one
// that is signed in. Nothing of it was sent.
var errMoved = errors.New("the signed-in connection is gone")

// link is a client's one connection to its service. HTTP/1.1 only: NTLM signs in a
// connection, and not a stream of it.
type link struct {
	way       relay.Way
	options   *Options
	base      *url.URL
	transport *http.Transport
	life      context.Context // ends with Close
	end       context.CancelCauseFunc

	mu     sync.Mutex
	conn   net.Conn // the newest
	serial int      // how many connections there were
	pinned bool     // no new connection may be made
	peer   About
}

func newLink(way relay.Way, base *url.URL, o *Options) *link {
	l := &link{way: way, options: o, base: base}
	l.life, l.end = context.WithCancelCause(context.Background())
	l.transport = &http.Transport{
		DisableCompression:     true, // so that limits count what comes over the wire
		MaxIdleConns:           1,
		MaxConnsPerHost:        1,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderAnswer,
		WriteBufferSize:        writeBuffer,
		Protocols:              new(http.Protocols),
	}
	l.transport.Protocols.SetHTTP1(true)
	if base.Scheme == "https" {
		l.transport.DialTLSContext = l.dial
	} else {
		l.transport.DialContext = l.dial
	}
	return l
}

// close ends the connection and whatever uses it.
func (l *link) close() {
	l.end(errClosed)
	l.transport.CloseIdleConnections()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
	}
}

// drop ends the connection, so that the next request makes another one.
func (l *link) drop() { l.transport.CloseIdleConnections() }

// pin forbids new connections, or permits them again.
func (l *link) pin(pinned bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pinned = pinned
}

// current tells which connection is the newest.
func (l *link) current() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.serial
}

func (l *link) about() About {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer
}

// dial makes and secures a connection for the transport. Its context outlives the
// request that wants it, so it has a limit of its own.
func (l *link) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	if l.pinned {
		l.mu.Unlock()
		return nil, errMoved
	}
	l.serial++
	l.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, l.options.ConnectTimeout, errOverdue)
	defer cancel()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	stop := context.AfterFunc(l.life, func() { abort(context.Cause(l.life)) })
	defer stop()

	conn, err := l.options.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, l.dialFailure(ctx, relay.AtConnect, err)
	}
	secured, peer, err := l.secure(ctx, conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	peer.Host, peer.Addr = l.base.Hostname(), conn.RemoteAddr().String()
	return secured, l.adopt(secured, peer)
}

// adopt makes the connection the newest one, unless the client was closed meanwhile.
func (l *link) adopt(conn net.Conn, peer About) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.life.Err() != nil {
		conn.Close()
		return failure(l.way, context.Cause(l.life))
	}
	l.conn, l.peer = conn, peer
	return nil
}

// secure shakes hands, or makes sure that http:// is permitted here.
func (l *link) secure(ctx context.Context, conn net.Conn) (net.Conn, About, error) {
	if l.base.Scheme != "https" {
		addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
		if err != nil || l.options.PlainAllowed == nil || !l.options.PlainAllowed(addr.Addr().Unmap()) {
			return nil, About{}, failure(l.way, ErrPlain)
		}
		return conn, About{}, nil
	}
	secured := tls.Client(conn, tlsconf.Client(l.base.Hostname(), l.options.Roots))
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, About{}, l.dialFailure(ctx, relay.AtTLS, err)
	}
	state := secured.ConnectionState()
	return secured, About{
		TLS:         tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite),
		Certificate: certificateName(&state),
	}, nil
}

// dialFailure says "timeout" where the context ended the attempt.
func (l *link) dialFailure(ctx context.Context, where relay.Where, err error) *Error {
	kind := kindOf(err)
	switch {
	case ctx.Err() != nil:
		kind = kindOf(context.Cause(ctx))
		err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
	case kind == kindProtocol && where == relay.AtTLS:
		kind = kindHandshake
	case kind == kindProtocol:
		kind = kindLost
	}
	return failureAs(l.way, where, kind, err)
}

// certificateName is the name on the certificate that was verified.
func certificateName(state *tls.ConnectionState) string {
	if len(state.PeerCertificates) == 0 {
		return ""
	}
	leaf := state.PeerCertificates[0]
	if len(leaf.DNSNames) > 0 {
		return relay.Printable(strings.Join(leaf.DNSNames[:min(len(leaf.DNSNames), maxNames)], ", "))
	}
	return relay.Printable(leaf.Subject.CommonName)
}
