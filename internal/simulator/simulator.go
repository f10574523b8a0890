package simulator

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-smtp"
)

// Simulator is a running provider.
type Simulator struct {
	options   Options
	authority *authority
	faults    faults
	servers   *servers
	mail      *smtp.Server
	mailboxes *imapserver.Server
	tls       *tls.Config

	submission, submissions, imap, imaps net.Addr

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
	s := &Simulator{options: o, authority: ca, servers: newServers(), change: make(chan struct{})}
	for _, a := range o.Accounts {
		if err := s.AddAccount(a); err != nil {
			return nil, err
		}
	}
	names := append([]string{"localhost", o.Host, "mail.example"}, o.Names...)
	if s.tls, err = ca.serverConfig(names); err != nil {
		return nil, err
	}
	s.build()
	if err := s.listen(ctx); err != nil {
		s.Close()
		return nil, err
	}
	s.servers.closeWith(ctx, s.Close)
	return s, nil
}

func (s *Simulator) build() {
	s.mail = smtp.NewServer(smtp.BackendFunc(s.newSubmission))
	s.mail.Domain = "mail.example"
	s.mail.TLSConfig = s.tls
	s.mail.MaxMessageBytes = s.options.MessageSize
	s.mail.MaxRecipients = maxRecipients
	s.mail.ReadTimeout, s.mail.WriteTimeout = ioTimeout, ioTimeout
	s.mail.EnableSMTPUTF8, s.mail.EnableDSN = true, true
	s.mail.ErrorLog = logger{s.options.Logger}
	s.mailboxes = imapserver.New(&imapserver.Options{
		NewSession: s.newIMAPSession,
		Caps:       s.imapCaps(),
		TLSConfig:  s.tls,
		Logger:     logger{s.options.Logger},
	})
}

const (
	ioTimeout     = 5 * time.Minute // RFC 5321 §4.5.3.2.7
	maxRecipients = 100             // RFC 5321 §4.5.3.1.8
)

// listen opens the four ports.
func (s *Simulator) listen(ctx context.Context) error {
	for _, l := range []struct {
		port  int
		tls   bool
		addr  *net.Addr
		serve func(net.Listener) error
	}{
		{s.options.Ports.Submission, false, &s.submission, s.mail.Serve},
		{s.options.Ports.Submissions, true, &s.submissions, s.mail.Serve},
		{s.options.Ports.IMAP, false, &s.imap, s.mailboxes.Serve},
		{s.options.Ports.IMAPS, true, &s.imaps, s.mailboxes.Serve},
	} {
		address := net.JoinHostPort(s.options.Host, strconv.Itoa(l.port))
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return fmt.Errorf("listen on %s: %w", address, err)
		}
		*l.addr = listener.Addr()
		if l.tls {
			listener = tls.NewListener(listener, s.tls)
		}
		s.servers.serve(listener, l.serve)
	}
	return nil
}

// Close ends the provider: its ports are closed and its connections broken off. It
// may be called again.
func (s *Simulator) Close() {
	s.servers.close(func() {
		s.mail.Close()      //nolint:errcheck // it only tells that it was closed before
		s.mailboxes.Close() //nolint:errcheck // as above
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

// Roots holds the authority that a client has to trust.
func (s *Simulator) Roots() *x509.CertPool { return s.authority.roots() }

// RootPEM is that authority as a file would hold it.
func (s *Simulator) RootPEM() []byte { return s.authority.pem() }

// AddAccount makes another account, with its mailbox.
func (s *Simulator) AddAccount(a Account) error {
	u, err := newUser(a, s.options.Personality)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.users, func(other *user) bool { return sameAddress(other.account.Address, a.Address) }) {
		return fmt.Errorf("account %s is there already", a.Address)
	}
	s.users = append(s.users, u)
	return nil
}

// SetPassword changes an account's password for everything that signs in from now
// on.
func (s *Simulator) SetPassword(address, password string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if sameAddress(u.account.Address, address) {
			u.setPassword(password)
			return nil
		}
	}
	return fmt.Errorf("there is no account %s", address)
}

// Inject makes something go wrong.
func (s *Simulator) Inject(f Fault) { s.faults.inject(f) }

// ClearFaults takes back every fault.
func (s *Simulator) ClearFaults() { s.faults.clear() }

// Outbox gives all mail that was submitted, oldest first.
func (s *Simulator) Outbox() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outbox)
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

// post delivers submitted mail: a copy into Sent where that is the provider's way,
// then to the INBOXes of its own addresses, then everything else to the world.
func (s *Simulator) post(ctx context.Context, sender *user, m Mail) error {
	defer s.changed()
	m.Content = s.options.Personality.rewrite(m.Content)
	trace := fmt.Sprintf("Received: from [127.0.0.1] by mail.example with ESMTPSA; %s\r\n", m.At.Format(time.RFC1123Z))
	posted := append([]byte(trace), m.Content...)
	var away []string
	var errs []error
	if name, ok := sender.sentFolder(); ok && s.options.Personality.FilesSent {
		errs = append(errs, sender.put(name, m.Content, m.At, imap.FlagSeen))
	}
	for _, to := range m.To {
		if u := s.byAddress(to); u != nil {
			errs = append(errs, u.put("INBOX", append([]byte("Return-Path: <"+m.From+">\r\n"), posted...), m.At))
		} else {
			away = append(away, to)
		}
	}
	s.mu.Lock()
	s.outbox = append(s.outbox, m)
	s.mu.Unlock()
	if len(away) > 0 && s.options.Forward != nil {
		onward := m
		onward.To, onward.Content = away, posted
		errs = append(errs, s.options.Forward(ctx, onward))
	}
	return errors.Join(errs...)
}

func (s *Simulator) byLogin(login string) *user {
	return s.find(func(u *user) bool { return strings.EqualFold(u.account.Login, login) })
}

func (s *Simulator) byAddress(address string) *user {
	return s.find(func(u *user) bool { return u.has(address) })
}

// owns reports whether the domain of an address is one of the provider's.
func (s *Simulator) owns(address string) bool {
	return s.find(func(u *user) bool { return strings.EqualFold(domain(u.account.Address), domain(address)) }) != nil
}

func (s *Simulator) find(match func(*user) bool) *user {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if match(u) {
			return u
		}
	}
	return nil
}

func domain(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

func sameAddress(a, b string) bool { return strings.EqualFold(a, b) }
