package simulator

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator/fault"
)

// MXOptions describe a receiving mail server.
type MXOptions struct {
	Host    string   // loopback address to listen on; empty means 127.0.0.1
	Port    int      // 0 takes a free one
	Names   []string // of its certificate; the first is its own name; empty means mx.example
	NoTLS   bool     // offers no STARTTLS
	Domains []string // whose mail it takes; empty means any
	Logger  *slog.Logger
}

// MX is a receiving mail server without accounts. It keeps what it is given.
type MX struct {
	options MXOptions
	faults  fault.List
	servers *servers
	server  *smtp.Server
	root    *authority
	addr    net.Addr
	life    context.Context // ends with the server
	end     context.CancelFunc

	mu     sync.Mutex
	mail   []Mail
	change chan struct{}
}

// StartMX runs a receiving mail server until ctx ends or Close is called.
func StartMX(ctx context.Context, o MXOptions) (*MX, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if err := loopback(o.Host); err != nil {
		return nil, err
	}
	if len(o.Names) == 0 {
		o.Names = []string{"mx.example"}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	m := &MX{options: o, root: ca, servers: newServers(), change: make(chan struct{})}
	if err := m.build(); err != nil {
		return nil, err
	}
	m.life, m.end = context.WithCancel(ctx)
	address := net.JoinHostPort(o.Host, strconv.Itoa(o.Port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		m.end()
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	m.addr = listener.Addr()
	m.servers.serve(listener, m.server.Serve)
	m.servers.closeWith(ctx, m.Close)
	return m, nil
}

func (m *MX) build() error {
	m.server = smtp.NewServer(smtp.BackendFunc(m.newDelivery))
	m.server.Domain = m.options.Names[0]
	m.server.MaxMessageBytes, m.server.MaxRecipients = DefaultMessageSize, 100 // RFC 5321 §4.5.3.1.8
	m.server.ReadTimeout, m.server.WriteTimeout = ioTimeout, ioTimeout
	m.server.EnableSMTPUTF8 = true
	m.server.ErrorLog = logger{m.options.Logger}
	if m.options.NoTLS {
		return nil
	}
	config, err := m.root.serverConfig(append(slices.Clone(m.options.Names), m.options.Host))
	m.server.TLSConfig = config
	return err
}

// Close ends the server.
func (m *MX) Close() {
	m.servers.close(func() {
		m.end()
		m.server.Close() //nolint:errcheck // it only tells that it was closed before
	})
}

// Addr is where it listens.
func (m *MX) Addr() net.Addr { return m.addr }

// RootPEM is the authority of its certificate.
func (m *MX) RootPEM() []byte { return m.root.pem() }

// Inject makes something go wrong, at AtMail, AtRcpt or AtMXDelivery.
func (m *MX) Inject(f Fault) { m.faults.Inject(f) }

// ClearFaults takes back every fault.
func (m *MX) ClearFaults() { m.faults.Clear() }

// Received gives all mail that came, oldest first.
func (m *MX) Received() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mail)
}

// Changed returns a channel that is closed when mail next comes.
func (m *MX) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.change
}

// Take is a delivery without SMTP; a Simulator's Forward can use it.
func (m *MX) Take(_ context.Context, mail Mail) error {
	m.keep(mail)
	return nil
}

func (m *MX) keep(mail Mail) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail = append(m.mail, mail)
	close(m.change)
	m.change = make(chan struct{})
}

// newDelivery starts the session of a connection.
func (m *MX) newDelivery(c *smtp.Conn) (smtp.Session, error) { return &delivery{mx: m, conn: c}, nil }

// delivery is one connection of a sending server.
type delivery struct {
	mx   *MX
	conn *smtp.Conn
	from string
	to   []string
}

// Mail takes any sender.
func (d *delivery) Mail(from string, _ *smtp.MailOptions) error {
	if fault, hit := d.mx.faults.Strike(d.mx.life, AtMail, from); hit {
		return hangup(d.conn, fault)
	}
	d.from = from
	return nil
}

// Rcpt takes the recipients of its domains.
func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	if fault, hit := d.mx.faults.Strike(d.mx.life, AtRcpt, to); hit {
		return hangup(d.conn, fault)
	}
	own := func(name string) bool { return strings.EqualFold(name, domain(to)) }
	if len(d.mx.options.Domains) > 0 && !slices.ContainsFunc(d.mx.options.Domains, own) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "Relaying denied"}
	}
	d.to = append(d.to, to)
	return nil
}

// Data keeps the message.
func (d *delivery) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		d.conn.Conn().Close() //nolint:errcheck // what follows a broken message must not be read as commands
		return err
	}
	if fault, hit := d.mx.faults.Strike(d.mx.life, AtMXDelivery, append([]string{d.from}, d.to...)...); hit {
		return hangup(d.conn, fault)
	}
	_, secured := d.conn.TLSConnectionState()
	d.mx.keep(Mail{At: time.Now(), From: d.from, To: d.to, Content: content, TLS: secured})
	return nil
}

// Reset forgets the transaction.
func (d *delivery) Reset() { d.from, d.to = "", nil }

// Logout ends the session.
func (d *delivery) Logout() error { return nil }
