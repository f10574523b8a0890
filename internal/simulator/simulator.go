package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"

	"github.com/relayd/relayd/internal/simulator/exchange"
	"github.com/relayd/relayd/internal/simulator/fault"
	"github.com/relayd/relayd/internal/simulator/oauthsim"
)

// Simulator is a running provider.
type Simulator struct {
	options   Options
	authority *authority
	faults    fault.List
	servers   *servers
	life      context.Context // ends with the provider
	end       context.CancelFunc
	mail      *smtp.Server
	mailboxes *imapserver.Server // with STARTTLS
	secured   *imapserver.Server // with implicit TLS
	inside    *imapserver.Server // behind the door
	door      *door
	oauth     *oauthsim.Server
	exchange  *exchange.Server // nil where the personality has none
	mux       *http.ServeMux
	web       *http.Server
	tls       *tls.Config

	submission, submissions, imap, imaps, https net.Addr

	smtpAuthOff atomic.Bool

	mu     sync.Mutex
	users  []*user
	outbox []Mail
	change chan struct{} // closed and replaced at every change
}

// Start runs a provider until ctx ends or Close is called.
func Start(ctx context.Context, o Options) (*Simulator, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, err
	}
	s := &Simulator{options: o, authority: ca, servers: newServers(), door: newDoor(), change: make(chan struct{})}
	s.life, s.end = context.WithCancel(ctx)
	if err := s.build(); err != nil {
		s.end()
		return nil, err
	}
	if err := s.listen(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.servers.closeWith(ctx, s.Close)
	return s, nil
}

func (s *Simulator) build() (err error) {
	for _, a := range s.options.Accounts {
		if err := s.AddAccount(a); err != nil {
			return err
		}
	}
	names := append([]string{"localhost", s.options.Host, "mail.example"}, s.options.Names...)
	if s.tls, err = s.authority.serverConfig(names); err != nil {
		return err
	}
	s.smtpAuthOff.Store(s.options.Personality.SMTPAuthOff)
	s.mail = smtp.NewServer(smtp.BackendFunc(s.newSubmission))
	s.mail.Domain = "mail.example"
	s.mail.TLSConfig = s.tls
	s.mail.MaxMessageBytes = s.options.MessageSize
	s.mail.MaxRecipients = s.options.Personality.Recipients
	s.mail.MaxLineLength = maxLine
	s.mail.ReadTimeout, s.mail.WriteTimeout = ioTimeout, ioTimeout
	s.mail.EnableSMTPUTF8, s.mail.EnableDSN = true, true
	s.mail.ErrorLog = logger{s.options.Logger}
	s.mailboxes = s.imapServer(s.tls, false)
	s.secured = s.imapServer(nil, false)
	s.inside = s.imapServer(nil, true)
	return s.buildWeb()
}

const (
	ioTimeout = 5 * time.Minute // RFC 5321 §4.5.3.2.7
	maxLine   = 12288           // RFC 4954 §4: what AUTH may need
)

// listen opens the ports, and the door.
func (s *Simulator) listen(ctx context.Context) error {
	s.servers.serve(s.door, s.inside.Serve)
	for _, l := range []struct {
		port  int
		tls   *tls.Config
		addr  *net.Addr
		serve func(net.Listener) error
	}{
		{s.options.Ports.Submission, nil, &s.submission, s.mail.Serve},
		{s.options.Ports.Submissions, s.tls, &s.submissions, s.mail.Serve},
		{s.options.Ports.IMAP, nil, &s.imap, s.mailboxes.Serve},
		{s.options.Ports.IMAPS, s.tls, &s.imaps, s.serveIMAPS},
		{s.options.Ports.HTTPS, webTLS(s.tls), &s.https, s.web.Serve},
	} {
		address := net.JoinHostPort(s.options.Host, strconv.Itoa(l.port))
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		*l.addr = listener.Addr()
		if l.tls != nil {
			listener = tls.NewListener(listener, l.tls)
		}
		s.servers.serve(listener, l.serve)
	}
	return nil
}

func (s *Simulator) serveIMAPS(l net.Listener) error {
	if extra := s.options.Personality.Capabilities; len(extra) > 0 {
		l = &announcing{Listener: l, extra: extra}
	}
	return s.secured.Serve(l)
}

// Close ends the provider: its ports are closed and its connections broken off. It
// may be called again.
func (s *Simulator) Close() {
	s.servers.close(func() {
		s.end()
		for _, server := range []interface{ Close() error }{s.mail, s.mailboxes, s.secured, s.inside, s.web} {
			server.Close() //nolint:errcheck // it only tells that it was closed before
		}
	})
}

// SubmissionAddr is submission with STARTTLS.
func (s *Simulator) SubmissionAddr() net.Addr { return s.submission }

// SubmissionsAddr is submission with implicit TLS.
func (s *Simulator) SubmissionsAddr() net.Addr { return s.submissions }

// IMAPAddr is IMAP with STARTTLS.
func (s *Simulator) IMAPAddr() net.Addr { return s.imap }

// IMAPSAddr is IMAP with implicit TLS.
func (s *Simulator) IMAPSAddr() net.Addr { return s.imaps }

// HTTPSAddr is where OAuth, Graph, the Gmail API, EWS and the simulator's own
// administration are.
func (s *Simulator) HTTPSAddr() net.Addr { return s.https }

// Roots holds the authority that a client has to trust.
func (s *Simulator) Roots() *x509.CertPool { return s.authority.roots() }

// RootPEM is that authority as a file would hold it.
func (s *Simulator) RootPEM() []byte { return s.authority.pem() }

// Inject makes something go wrong.
func (s *Simulator) Inject(f Fault) { s.faults.Inject(f) }

// ClearFaults takes back every fault.
func (s *Simulator) ClearFaults() { s.faults.Clear() }

// Faults gives those that are still to come.
func (s *Simulator) Faults() []Fault { return s.faults.All() }

// Strike gives the fault that is due at a place, for handlers that were mounted on
// the HTTPS server.
func (s *Simulator) Strike(ctx context.Context, at Place, who ...string) (Fault, bool) {
	return s.faults.Strike(ctx, at, who...)
}

// Outbox gives all mail that was submitted, oldest first.
func (s *Simulator) Outbox() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outbox)
}

// ClearOutbox forgets what was submitted.
func (s *Simulator) ClearOutbox() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outbox = nil
}

// Changed returns a channel that is closed when mail is next submitted or stored.
func (s *Simulator) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.change
}

func (s *Simulator) changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.change)
	s.change = make(chan struct{})
}
