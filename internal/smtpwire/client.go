package smtpwire

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// ClientTimeouts bounds each wait of a Client. A zero field is its default.
type ClientTimeouts struct {
	Greeting  time.Duration // the 220 of a new connection
	Command   time.Duration // EHLO, STARTTLS, AUTH and RSET
	Handshake time.Duration // TLS
	Mail      time.Duration
	Rcpt      time.Duration
	DataStart time.Duration // the 354
	DataBlock time.Duration // each write of content
	DataEnd   time.Duration // the answer to the final dot
	Quit      time.Duration
}

// The defaults of ClientTimeouts.
const (
	DefaultGreetingTimeout  = 5 * time.Minute  // RFC 5321 §4.5.3.2.1
	DefaultCommandTimeout   = 5 * time.Minute  // RFC 5321 names none; as for MAIL
	DefaultHandshakeTimeout = time.Minute      // four round trips and a slow key
	DefaultMailTimeout      = 5 * time.Minute  // RFC 5321 §4.5.3.2.2
	DefaultRcptTimeout      = 5 * time.Minute  // RFC 5321 §4.5.3.2.3
	DefaultDataStartTimeout = 2 * time.Minute  // RFC 5321 §4.5.3.2.4
	DefaultDataBlockTimeout = 3 * time.Minute  // RFC 5321 §4.5.3.2.5
	DefaultDataEndTimeout   = 10 * time.Minute // RFC 5321 §4.5.3.2.6
	DefaultQuitTimeout      = 5 * time.Second  // nothing depends on it
)

func (t ClientTimeouts) withDefaults() ClientTimeouts {
	for _, f := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&t.Greeting, DefaultGreetingTimeout}, {&t.Command, DefaultCommandTimeout},
		{&t.Handshake, DefaultHandshakeTimeout}, {&t.Mail, DefaultMailTimeout},
		{&t.Rcpt, DefaultRcptTimeout}, {&t.DataStart, DefaultDataStartTimeout},
		{&t.DataBlock, DefaultDataBlockTimeout}, {&t.DataEnd, DefaultDataEndTimeout},
		{&t.Quit, DefaultQuitTimeout},
	} {
		if *f.field <= 0 {
			*f.field = f.fallback
		}
	}
	return t
}

// ClientOptions are the options of a Client.
type ClientOptions struct {
	Hello    string // our name in EHLO: a domain or an address literal; needed
	Timeouts ClientTimeouts
	Limits   ReplyLimits

	// AllowClearAuth permits a sign-in without TLS: for TLS mode none, in networks
	// that the operator lists.
	AllowClearAuth bool

	// OneFlight is the largest message that goes out together with its envelope,
	// before the answers to MAIL and RCPT are known, to a peer with PIPELINING and
	// CHUNKING: it saves one round trip. 0 is DefaultOneFlight, negative is never.
	OneFlight int
	// OneFlightIdle is how long the peer may have been silent before that. Behind a
	// longer silence the connection may be dead, and a complete message written
	// into it would have an unknown outcome. 0 is DefaultOneFlightIdle.
	OneFlightIdle time.Duration
}

// The defaults of ClientOptions.
const (
	// DefaultOneFlight is small enough for the buffers of both kernels, so that
	// the write never waits for a peer that waits for us (RFC 2920 §3.1), and for
	// the waste to be small when every recipient is refused.
	DefaultOneFlight     = 48 << 10
	DefaultOneFlightIdle = time.Second
)

// Client speaks SMTP to a server, over a connection that the caller has dialled.
// Its methods follow the dialogue: Greet (or ImplicitTLS first), Hello, StartTLS
// and Hello again, Auth, then Send any number of times, Quit. Each takes a
// context that ends it at once. Errors are *ClientError. A Client is not safe for
// concurrent use, except for Close.
type Client struct {
	opts   ClientOptions
	wire   clientWire
	ext    Extensions
	banner string
	out    []byte // commands, and content behind them
	in     []byte // content on its way to out
	broken *ClientError
}

// NewClient makes a Client of a connection on which nothing was read or written.
func NewClient(conn net.Conn, o ClientOptions) *Client {
	o.Timeouts = o.Timeouts.withDefaults()
	o.Limits = o.Limits.withDefaults()
	if o.OneFlight == 0 {
		o.OneFlight = DefaultOneFlight
	}
	if o.OneFlightIdle == 0 {
		o.OneFlightIdle = DefaultOneFlightIdle
	}
	c := &Client{opts: o}
	c.wire.use(conn, o.Limits)
	return c
}

// Extensions is what the server offered in answer to the last Hello.
func (c *Client) Extensions() Extensions { return c.ext }

// Banner is the name by which the server greeted; empty if it gave none.
func (c *Client) Banner() string { return c.banner }

// Usable reports whether the connection can take another command.
func (c *Client) Usable() bool { return c.broken == nil }

// TLS gives the state of the TLS connection; nil in clear.
func (c *Client) TLS() *tls.ConnectionState {
	t, ok := c.wire.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// TLSText names the TLS version and cipher suite; empty in clear.
func (c *Client) TLSText() string {
	state := c.TLS()
	if state == nil {
		return ""
	}
	return tls.VersionName(state.Version) + " " + tls.CipherSuiteName(state.CipherSuite)
}

// Greet waits for the greeting.
func (c *Client) Greet(ctx context.Context) error {
	release, err := c.begin(ctx, relay.AtConnect)
	if err != nil {
		return err
	}
	defer release()
	reply, err := c.reply(relay.AtConnect, c.opts.Timeouts.Greeting)
	if err != nil {
		return err
	}
	if reply.Code != 220 { // RFC 5321 §4.3.2
		return c.breakWith(refused(relay.AtConnect, reply))
	}
	if words := strings.Fields(reply.Lines[0]); len(words) > 0 {
		c.banner = relay.Printable(words[0])
	}
	return nil
}

// Hello introduces us and learns what the server offers: by EHLO, or by HELO if
// the server does not know EHLO (RFC 5321 §3.2).
func (c *Client) Hello(ctx context.Context) error {
	release, err := c.begin(ctx, relay.AtConnect)
	if err != nil {
		return err
	}
	defer release()
	c.ext = Extensions{}
	reply, err := c.command(relay.AtConnect, c.opts.Timeouts.Command, "EHLO "+c.opts.Hello)
	if err != nil {
		return err
	}
	switch reply.Code {
	case 250:
		c.ext = parseExtensions(reply.Lines)
		return nil
	case 500, 502, 504, 550:
		reply, err = c.command(relay.AtConnect, c.opts.Timeouts.Command, "HELO "+c.opts.Hello)
		if err != nil {
			return err
		}
	}
	if reply.Code != 250 {
		return c.breakWith(refused(relay.AtConnect, reply))
	}
	return nil
}

// Reset gives up a transaction.
func (c *Client) Reset(ctx context.Context) error {
	release, err := c.begin(ctx, relay.AtMail)
	if err != nil {
		return err
	}
	defer release()
	reply, err := c.command(relay.AtMail, c.opts.Timeouts.Command, "RSET")
	if err == nil && reply.Code != 250 {
		err = c.breakWith(refused(relay.AtMail, reply))
	}
	return err
}

// Quit takes leave and closes the connection. It waits for the answer, so that
// the server sees an orderly end, but not for long.
func (c *Client) Quit(ctx context.Context) error {
	defer c.Close() //nolint:errcheck // the other side may have closed first
	release, err := c.begin(ctx, relay.AtMail)
	if err != nil {
		return err
	}
	defer release()
	_, err = c.command(relay.AtMail, c.opts.Timeouts.Quit, "QUIT")
	return err
}

// Close closes the connection at once. It may be called at any time.
func (c *Client) Close() error { return c.wire.close() }
