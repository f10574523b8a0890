package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// errPlain means that TLS mode "none" is not permitted towards an address.
var errPlain = errors.New("a connection without TLS is not permitted to this address")

// connectSMTP reaches the server for sending, up to the sign-in.
func (s *Service) connectSMTP(ctx context.Context, c *relay.Credentials) (*smtpwire.Client, *trouble) {
	server := c.Account.SMTP
	conn, err := s.dial(ctx, server)
	if err != nil {
		return nil, s.troubleOfSMTP(c, err, false)
	}
	clear := server.TLS == relay.TLSNone
	if clear && !s.plainAllowed(conn) {
		conn.Close() //nolint:errcheck // nothing was said
		return nil, &trouble{side: sending, server: server, where: relay.AtConnect, dialed: true, reply: relay.Local("address refused", errPlain.Error())}
	}
	t := s.o.StepTimeout
	client := smtpwire.NewClient(conn, smtpwire.ClientOptions{
		Hello:          s.o.Hello,
		AllowClearAuth: clear,
		Timeouts: smtpwire.ClientTimeouts{Greeting: t, Command: t, Handshake: t, Mail: t, Rcpt: t, DataStart: t, DataBlock: t,
			DataEnd: 2 * t},
	})
	if err := s.secureSMTP(ctx, client, server); err != nil {
		client.Close() //nolint:errcheck // it is given up
		return nil, s.troubleOfSMTP(c, err, true)
	}
	return client, nil
}

// secureSMTP greets and secures, by the TLS mode.
func (s *Service) secureSMTP(ctx context.Context, client *smtpwire.Client, server relay.Server) error {
	config := tlsconf.Client(server.Host, s.o.Roots)
	if server.TLS == relay.TLSImplicit {
		if err := client.ImplicitTLS(ctx, config); err != nil {
			return err
		}
	}
	if err := client.Greet(ctx); err != nil {
		return err
	}
	if err := client.Hello(ctx); err != nil {
		return err
	}
	if server.TLS != relay.TLSStartTLS {
		return nil
	}
	if err := client.StartTLS(ctx, config); err != nil {
		return err
	}
	return client.Hello(ctx) // RFC 3207 §4.2: what was learned in clear does not count
}

func (s *Service) dial(ctx context.Context, server relay.Server) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.StepTimeout)
	defer cancel()
	return s.o.Dialer.DialContext(ctx, "tcp", net.JoinHostPort(server.Host, strconv.Itoa(server.Port)))
}

func (s *Service) plainAllowed(conn net.Conn) bool {
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	return err == nil && s.o.PlainAllowed != nil && s.o.PlainAllowed(addr.Addr().Unmap())
}

// authSMTP signs in to the server for sending.
func (s *Service) authSMTP(ctx context.Context, client *smtpwire.Client, c *relay.Credentials) *trouble {
	if err := client.Auth(ctx, smtpwire.MechanismsFor(c)...); err != nil {
		return s.troubleOfSMTP(c, err, true)
	}
	return nil
}

// openIMAP reaches the server for reading and signs in to it.
func (s *Service) openIMAP(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, *trouble) {
	box, err := mailbox.Open(ctx, mailbox.Options{
		Dialer: s.o.Dialer, Server: c.Account.IMAP, Login: c.IMAPLogin(), Password: c.Password, Token: c.Token,
		Roots: s.o.Roots, PlainAllowed: s.o.PlainAllowed,
		ConnectTimeout: s.o.StepTimeout, OperationTimeout: s.o.StepTimeout,
	})
	if err != nil {
		return nil, s.troubleOfIMAP(c, err)
	}
	return box, nil
}

// enterSMTP reaches the server for sending and signs in to it, with another token if
// the one in c is refused.
func (s *Service) enterSMTP(ctx context.Context, c *relay.Credentials) (*smtpwire.Client, *trouble) {
	for again := true; ; again = false {
		client, t := s.connectSMTP(ctx, c)
		if t != nil {
			return nil, t
		}
		if t = s.authSMTP(ctx, client, c); t == nil {
			return client, nil
		}
		client.Close() //nolint:errcheck // it is given up
		if !again || !s.renewed(ctx, c, t) {
			return nil, t
		}
	}
}

// enterIMAP is enterSMTP for the server for reading.
func (s *Service) enterIMAP(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, *trouble) {
	box, t := s.openIMAP(ctx, c)
	if s.renewed(ctx, c, t) {
		box, t = s.openIMAP(ctx, c)
	}
	return box, t
}

// enterWeb is enterSMTP for an API; again says whether another token may be asked for.
// A sign-in that may only send is no trouble.
func (s *Service) enterWeb(ctx context.Context, c *relay.Credentials, way relay.Way, again bool) (webmail.Client, webmail.About, *trouble) {
	for ; ; again = false {
		client, err := s.o.Web.Open(c, way)
		if err != nil {
			return nil, webmail.About{}, s.troubleOfWeb(c, way, err)
		}
		about, err := client.Check(ctx)
		if err == nil || errors.Is(err, webmail.ErrNotPermitted) {
			return client, about, nil
		}
		client.Close() //nolint:errcheck // it is given up
		if t := s.troubleOfWeb(c, way, err); !again || !s.renewed(ctx, c, t) {
			return nil, about, t
		}
	}
}

// signInBySMTP is one sign-in to the server for sending.
func (s *Service) signInBySMTP(ctx context.Context, c *relay.Credentials) *problem {
	client, t := s.enterSMTP(ctx, c)
	if t != nil {
		return t.explain()
	}
	client.Quit(ctx) //nolint:errcheck // it closes in any case
	return nil
}

// signInByIMAP is one sign-in to the server for reading.
func (s *Service) signInByIMAP(ctx context.Context, c *relay.Credentials) *problem {
	box, t := s.enterIMAP(ctx, c)
	if t != nil {
		return t.explain()
	}
	box.Close(ctx)
	return nil
}

// signInByWeb is one sign-in to an API.
func (s *Service) signInByWeb(ctx context.Context, c *relay.Credentials, way relay.Way) *problem {
	if s.o.Web == nil {
		return &problem{field: "ways", message: "This relayd cannot reach " + nameOf(way) + "."}
	}
	client, _, t := s.enterWeb(ctx, c, way, true)
	if t != nil {
		return t.explain()
	}
	client.Close() //nolint:errcheck // it is over
	return nil
}

// describeTLS names the connection's protection and the certificate.
func describeTLS(state *tls.ConnectionState) string {
	if state == nil {
		return "without TLS"
	}
	text := tls.VersionName(state.Version)
	if name := certificateName(state.PeerCertificates); name != "" {
		text += ", certificate for " + name
	}
	return text
}

// certificateOf names the certificate of a connection; nothing in clear.
func certificateOf(state *tls.ConnectionState) string {
	if state == nil {
		return ""
	}
	return certificateName(state.PeerCertificates)
}

// maxNames is how many names of a certificate are shown.
const maxNames = 4

func certificateName(chain []*x509.Certificate) string {
	if len(chain) == 0 {
		return ""
	}
	if names := chain[0].DNSNames; len(names) > 0 {
		return strings.Join(names[:min(len(names), maxNames)], ", ")
	}
	return chain[0].Subject.CommonName
}
