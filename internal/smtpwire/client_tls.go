package smtpwire

import (
	"context"
	"crypto/tls"

	"github.com/relayd/relayd/relay"
)

// ImplicitTLS secures the connection from its first octet (RFC 8314 §3.3). It
// comes before Greet. cfg needs its ServerName.
func (c *Client) ImplicitTLS(ctx context.Context, cfg *tls.Config) error {
	release, err := c.begin(ctx, relay.AtTLS)
	if err != nil {
		return err
	}
	defer release()
	return c.handshake(cfg)
}

// StartTLS secures the connection by STARTTLS (RFC 3207). Everything that was
// learned before is forgotten: the caller says Hello again. On any failure the
// connection cannot go on, least of all in clear. cfg needs its ServerName.
func (c *Client) StartTLS(ctx context.Context, cfg *tls.Config) error {
	release, err := c.begin(ctx, relay.AtTLS)
	if err != nil {
		return err
	}
	defer release()
	if !c.ext.StartTLS {
		return c.breakWith(&ClientError{Where: relay.AtTLS, Reply: relay.Local("starttls missing", "")})
	}
	reply, err := c.command(relay.AtTLS, c.opts.Timeouts.Command, "STARTTLS")
	if err != nil {
		return err
	}
	if reply.Code != 220 {
		return c.breakWith(refused(relay.AtTLS, reply))
	}
	// Whatever lies behind the 220 was sent in clear, perhaps by somebody in
	// between, and would be read as the server's word (CVE-2021-38371).
	if c.wire.r.Buffered() > 0 {
		return c.breakWith(protocol(relay.AtTLS, "text behind the answer to STARTTLS"))
	}
	// RFC 3207 §4.2: the client must forget what it learned in clear.
	c.ext = Extensions{}
	return c.handshake(cfg)
}

func (c *Client) handshake(cfg *tls.Config) error {
	conn := tls.Client(c.wire.raw, cfg)
	err := c.wire.arm(c.wire.raw.SetDeadline, c.opts.Timeouts.Handshake)
	if err == nil {
		err = c.wire.cause(conn.HandshakeContext(context.Background())) // the caller's context breaks the wire itself
	}
	if err != nil {
		return c.breakWith(failed(relay.AtTLS, err))
	}
	c.wire.use(conn, c.opts.Limits)
	return nil
}
