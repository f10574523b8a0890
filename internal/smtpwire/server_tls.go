package smtpwire

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// startTLSCommand obeys STARTTLS. It exists only in phaseClear. Octets behind it
// in the same segment were refused before (attack row P1), and a handshake that
// fails ends the connection: nothing goes on in clear (row P2).
func (c *ServerConn) startTLSCommand(ctx context.Context, args string) verdict {
	if args != "" {
		return noArgument("STARTTLS") // RFC 3207 §4
	}
	c.say(relay.Enhanced{}, 220, "Go ahead")
	if err := c.wire.flush(); err != nil {
		return verdict{silent: true, end: true, why: fmt.Errorf("write reply: %w", err)}
	}
	if err := c.startTLS(ctx); err != nil {
		return verdict{silent: true, end: true, why: fmt.Errorf("TLS handshake: %w", err)}
	}
	// RFC 3207 §4.2: what the client said in clear is forgotten.
	c.client.Hello, c.extended = "", false
	c.phase = phaseLogin
	return verdict{silent: true}
}

// startTLS leads the handshake within its time.
func (c *ServerConn) startTLS(ctx context.Context) error {
	if err := c.wire.nc.SetDeadline(time.Now().Add(c.opts.Handshake)); err != nil {
		return err
	}
	conn := tls.Server(c.wire.nc, c.opts.TLS)
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	c.wire.use(conn)
	state := conn.ConnectionState()
	c.client.TLS = tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
	return nil
}
