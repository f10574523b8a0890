package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/maillog"
	"github.com/relayd/relayd/internal/metrics"
	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay/accept"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/admin/pages"
	"github.com/relayd/relayd/relay/auth"
	"github.com/relayd/relayd/relay/direct"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/relay/oauth"
	"github.com/relayd/relayd/relay/ownership"
	"github.com/relayd/relayd/relay/provider"
	"github.com/relayd/relayd/relay/provider/discover"
	"github.com/relayd/relayd/relay/queue"
	"github.com/relayd/relayd/relay/report"
	"github.com/relayd/relayd/relay/route"
	"github.com/relayd/relayd/relay/sent"
	"github.com/relayd/relayd/relay/smtpd"
	"github.com/relayd/relayd/relay/upstream"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store/embedded"
)

// program is relayd, assembled from one configuration. The steps stand in the
// order in which a message meets them.
type program struct {
	cfg      *config.Config
	hostname string
	files    [sha256.Size]byte // fingerprint of the files that cfg names
	out      *slog.Logger
	mail     *maillog.Log
	metrics  *metrics.Metrics

	guard     *netguard.Guard
	resolver  *resolver.Resolver
	roots     *x509.CertPool
	data      *safeio.Root // the directory of everything
	box       *secretbox.Box
	directory *embedded.Directory
	spool     *embedded.Queue
	rules     *provider.Rules
	presets   *provider.Presets
	keeper    *tlsconf.Keeper
	ledger    ledger.Ledger  // what every account sends
	books     *ledger.Keeper // the ledger on the disk

	smtpd     *smtpd.Server
	auth      *auth.Authenticator
	accept    *accept.Acceptor
	conductor *queue.Conductor
	route     *route.Router
	upstream  *upstream.Deliverer
	direct    *direct.Deliverer
	sent      *sent.Filer
	report    *report.Reporter
	accounts  *account.Service
	tokens    *oauth.Service
	web       *webmail.Opener
	discover  *discover.Discoverer
	notices   *notice.Service
	webhooks  *webhook.Service
	ownership *ownership.Service
	pages     *pages.Pages
	admin     *admin.Server
}

// assemble builds the program and opens its data. Nothing listens and nothing is
// sent before run. ctx ends the waiting of parts that have no end of their own.
func assemble(ctx context.Context, cfg *config.Config, out *slog.Logger) (*program, error) {
	p := &program{cfg: cfg, out: out, mail: maillog.New(out), metrics: metrics.New(build().Version)}
	steps := []func(context.Context) error{
		p.openGround, p.openData, p.buildAccounts, p.buildRoutes, p.buildConductor, p.buildNotices, p.buildEntrance, p.buildPages, p.buildAdmin,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

// openGround makes what every step stands on: our name, the guarded network, names,
// trust.
func (p *program) openGround(context.Context) (err error) {
	if p.hostname, err = hostname(p.cfg.Hostname); err != nil {
		return err
	}
	if p.rules, err = provider.New(); err != nil {
		return fmt.Errorf("read the reply rules: %w", err)
	}
	p.files = fingerprint(p.cfg)
	if p.roots, err = trusted(p.cfg.Upstream.RootsFile); err != nil {
		return err
	}
	dns := p.cfg.DNS
	servers := resolver.New(resolver.Options{Dialer: refuseAll{}, Servers: dns.Servers}).Servers()
	only, err := endpoints(servers)
	if err != nil {
		return fmt.Errorf("dns.servers: %w", err)
	}
	p.resolver = resolver.New(resolver.Options{
		Dialer: netguard.New(netguard.Options{Only: only}), Servers: servers, Timeout: dns.Timeout, Rounds: dns.Rounds,
	})
	p.guard = netguard.New(p.networkRules())
	return nil
}

// networkRules are the rules of outgoing connections.
func (p *program) networkRules() netguard.Options {
	o := netguard.Options{
		Allow: p.cfg.Network.Allow, Plain: p.cfg.Network.Plain, Ports: p.cfg.Network.Ports,
		Timeout: p.cfg.Upstream.ConnectTimeout,
		Refused: func(asked, reason string) {
			p.mail.DialRefused(asked, reason)
			p.metrics.DialRefused()
		},
	}
	if port := uint16(p.cfg.Direct.Port); port != 25 { //nolint:gosec // the configuration allows 1 to 65535
		o.Ports = append(o.Ports[:len(o.Ports):len(o.Ports)], port)
	}
	if len(p.cfg.DNS.Servers) > 0 {
		o.Resolver = p.resolver
	}
	return o
}

// own is where relayd itself listens, once it does: never dialled.
func (p *program) own() []netip.AddrPort {
	var own []netip.AddrPort
	for _, l := range p.cfg.Listeners {
		own = append(own, addrPort(p.smtpd.Addr(l.Name)))
	}
	if a := p.admin.Addr(); a != nil {
		own = append(own, addrPort(a))
	}
	return own
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}

// openData opens what is on the disk: the key, the directory, the queue, the ledger,
// the certificate.
func (p *program) openData(ctx context.Context) (err error) {
	dir := p.cfg.DataDir
	if p.data, err = safeio.OpenRoot(dir); err != nil {
		return fmt.Errorf("open data_dir: %w", err)
	}
	key, directory := filepath.Join(dir, "secret.key"), filepath.Join(dir, "directory.db")
	if err := keyOf(key, directory); err != nil {
		return err
	}
	if p.box, err = secretbox.Open(key); err != nil {
		return err
	}
	if p.directory, err = embedded.OpenDirectory(embedded.DirectoryOptions{Path: directory}); err != nil {
		return err
	}
	if err := p.box.Check(ctx, p.directory); err != nil {
		return err
	}
	started := time.Now()
	if p.spool, err = embedded.OpenQueue(p.queueOptions()); err != nil {
		return err
	}
	usage := p.spool.Usage()
	p.mail.Replayed(usage.Messages, usage.Bytes, time.Since(started))
	p.books, err = ledger.NewKeeper(ledger.KeeperOptions{Ledger: &p.ledger, FS: p.data, Name: "ledger", Log: p.out})
	if err != nil {
		return err
	}
	p.keeper, err = tlsconf.Open(tlsconf.Options{
		CertFile: p.cfg.TLS.Certificate, KeyFile: p.cfg.TLS.Key, Dir: filepath.Join(dir, "tls"),
		Hosts: []string{p.hostname, "localhost", "127.0.0.1", "::1"}, Log: p.out,
	})
	return err
}

// keyOf refuses to make a new key beside a directory that was sealed with another.
func keyOf(key, directory string) error {
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		return nil // secretbox tells of any other trouble
	}
	if _, err := os.Stat(directory); err != nil {
		return nil //nolint:nilerr // a first start, or OpenDirectory tells
	}
	return fmt.Errorf("the key file %s is missing, but %s was sealed with it: put back the key file that belongs to it", key, directory)
}

func (p *program) queueOptions() embedded.QueueOptions {
	s := p.cfg.Spool
	o := embedded.QueueOptions{
		Dir: filepath.Join(p.cfg.DataDir, "queue"), InlineBody: int(s.InlineSize),
		MaxMessages: int64(s.MaxMessages), MaxBytes: int64(s.MaxBytes), MinFree: int64(s.MinFreeDisk),
		Retention: s.KeepHistory, Log: p.out,
	}
	if o.MinFree == 0 {
		o.MinFree = -1 // the operator leaves nothing free; 0 would be the default
	}
	o.Journal.SegmentSize = int64(s.SegmentSize)
	o.Journal.Flushed = p.metrics.Flushed
	return o
}

// close ends what was opened, in the opposite order. It may be called on a program
// that was only half assembled.
func (p *program) close() error {
	var errs []error
	if p.sent != nil {
		p.sent.Close()
	}
	if p.tokens != nil {
		p.tokens.Close()
	}
	if p.direct != nil {
		errs = append(errs, p.direct.Close())
	}
	if p.spool != nil {
		errs = append(errs, p.spool.Close())
	}
	if p.directory != nil {
		errs = append(errs, p.directory.Close())
	}
	if p.data != nil {
		errs = append(errs, p.data.Close())
	}
	return errors.Join(errs...)
}

// hostname is our name on the wire.
func hostname(configured string) (string, error) {
	name := configured
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil {
			return "", fmt.Errorf("ask the machine's name: %w; set hostname in the configuration", err)
		}
	}
	domain, err := mailaddr.ParseDomain(name)
	if err != nil {
		return "", fmt.Errorf("hostname %q cannot be used in mail: %w; set hostname in the configuration", name, err)
	}
	return domain, nil
}

// trusted is the system's authorities, and those of the file if one is named.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil is the system's own pool for crypto/tls
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	data, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("upstream.roots_file: %w", err)
	}
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("upstream.roots_file %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

func endpoints(texts []string) ([]netip.AddrPort, error) {
	out := make([]netip.AddrPort, 0, len(texts))
	for _, text := range texts {
		ap, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, err
		}
		out = append(out, ap)
	}
	return out, nil
}

// refuseAll dials nothing: a resolver that only tells its servers needs no network.
type refuseAll struct{}

func (refuseAll) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, netguard.ErrRefused
}
