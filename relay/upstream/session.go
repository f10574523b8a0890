package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// session is one signed-in connection.
type session struct {
	client  *smtpwire.Client
	account string
	version uint64
	epoch   int // of its lane
	peer    relay.Peer

	made      time.Time
	idleSince time.Time
	messages  int // sent so far
	most      int // messages that it may send
}

// stale reports whether the connection is too old to be given another message.
func (s *session) stale(o Options, now time.Time) bool {
	return now.Sub(s.idleSince) >= o.IdleTimeout || now.Sub(s.made) >= o.MaxAge
}

// quit takes leave of the server.
func (s *session) quit() {
	_ = s.client.Quit(context.Background()) // bounded by its own timeout; nothing depends on the answer
}

// peerError is a failure to connect, with what is known about the peer.
type peerError struct {
	*smtpwire.ClientError
	peer relay.Peer
}

func (e *peerError) Unwrap() error { return e.ClientError }

// connect dials, secures and signs in.
func (d *Deliverer) connect(ctx context.Context, cred *relay.Credentials) (*session, error) {
	start := time.Now()
	server := cred.Account.SMTP
	peer := relay.Peer{Host: server.Host}
	conn, err := d.o.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(server.Host, strconv.Itoa(server.Port)))
	if err != nil {
		return nil, &peerError{smtpwire.DialError(err), peer}
	}
	peer.Addr = conn.RemoteAddr().String()
	client := smtpwire.NewClient(conn, smtpwire.ClientOptions{
		Hello: d.o.Hello, Timeouts: d.o.Timeouts, Limits: d.o.Limits, OneFlight: d.o.OneFlight,
		AllowClearAuth: server.TLS == relay.TLSNone,
	})
	err = d.secure(ctx, client, server, conn.RemoteAddr())
	peer.TLS = client.TLSText()
	if err == nil {
		err = client.Auth(ctx, smtpwire.MechanismsFor(cred)...)
	}
	if err != nil {
		_ = client.Close()
		return nil, &peerError{asClientError(err), peer}
	}
	d.o.Metrics.UpstreamConnected(peer.TLS != "", time.Since(start))
	now := time.Now()
	return &session{
		client: client, account: cred.Account.ID, version: cred.Account.Version,
		peer: peer, made: now, idleSince: now,
	}, nil
}

// secure takes the connection to where AUTH may follow.
func (d *Deliverer) secure(ctx context.Context, c *smtpwire.Client, server relay.Server, at net.Addr) error {
	cfg := &tls.Config{ServerName: server.Host, RootCAs: d.o.Roots, MinVersion: tls.VersionTLS12}
	switch server.TLS {
	case relay.TLSImplicit:
		return inOrder(
			func() error { return c.ImplicitTLS(ctx, cfg) },
			func() error { return c.Greet(ctx) },
			func() error { return c.Hello(ctx) },
		)
	case relay.TLSNone:
		if !d.plainAllowed(at) {
			return &smtpwire.ClientError{
				Where: relay.AtConnect,
				Reply: relay.Local("address refused", "without encryption only networks that the operator lists are reached"),
			}
		}
		return inOrder(
			func() error { return c.Greet(ctx) },
			func() error { return c.Hello(ctx) },
		)
	}
	// Anything else is STARTTLS, required: a mode that nobody knows must not end in
	// clear.
	return inOrder(
		func() error { return c.Greet(ctx) },
		func() error { return c.Hello(ctx) },
		func() error { return c.StartTLS(ctx, cfg) },
		func() error { return c.Hello(ctx) },
	)
}

func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deliverer) plainAllowed(at net.Addr) bool {
	a, err := netip.ParseAddrPort(at.String())
	return err == nil && d.o.AllowPlain(a.Addr().Unmap())
}

func asClientError(err error) *smtpwire.ClientError {
	var e *smtpwire.ClientError
	if errors.As(err, &e) {
		return e
	}
	return smtpwire.DialError(err)
}
