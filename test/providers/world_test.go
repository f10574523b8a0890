package providers

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// The people of every world. Their mailboxes are at the provider.
const (
	jane  = "jane@acme.example"
	john  = "john@acme.example"
	boss  = "boss@acme.example" // the administrator, whose mailbox is elsewhere
	bob   = "bob@world.example" // somebody whom they write to
	world = "localhost. A 127.0.0.1\nmail.example. A 127.0.0.1\nmx.example. A 127.0.0.1\n" +
		"acme.example. MX 10 mx.example.\nworld.example. MX 10 mx.example.\n"
)

// How people sign in at the provider, where they do so with a password: in the form
// of an app password, which every personality takes.
const (
	oldPassword = "canaryoldsinging"
	newPassword = "canarynewsinging"
)

// The application that the administrator registered at the provider.
const (
	clientID     = "relayd-client"
	clientSecret = "Canary-Client-5f1c2e"
)

// scene is one test's world: a provider, the world's mail server and names, and a
// relayd with its organisation.
type scene struct {
	*evidence
	t        *testing.T
	provider *simulator.Simulator
	mx       *simulator.MX
	in       *programtest.Installation
	p        *programtest.Process
	public   string // where people reach the pages
	roots    *x509.CertPool
	org      string // id of the organisation
	letters  int
}

// setting changes a world before it begins.
type setting func(o *simulator.Options, config map[string]string)

// with gives a key of the configuration another value.
func with(key, value string) setting {
	return func(_ *simulator.Options, config map[string]string) { config[key] = value }
}

// newScene makes a world in which relayd runs, and the administrator has made the
// organisation and its submitter. policy may be nil.
func newScene(t *testing.T, how simulator.Personality, policy map[string]any, settings ...setting) *scene {
	t.Helper()
	s := &scene{t: t, evidence: &evidence{}}
	t.Cleanup(func() { s.search(t) }) // the last thing of all: when the log is complete
	dns, err := simulator.StartDNS(t.Context(), "127.0.0.1", world)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dns.Close)
	if s.mx, err = simulator.StartMX(t.Context(), simulator.MXOptions{Names: []string{"mx.example"}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.mx.Close)
	port := ownPort(t)
	s.public = fmt.Sprintf("https://localhost:%d", port)
	o := simulator.Options{Personality: how, Forward: s.mx.Take}
	for _, address := range []string{jane, john} {
		o.Accounts = append(o.Accounts, simulator.Account{Address: address, Password: oldPassword})
	}
	o.OAuthClients = []simulator.OAuthClient{{
		ID: clientID, Secret: clientSecret, AppOnly: true, RedirectURIs: []string{s.public + "/oauth/callback", s.public + "/oauth/admin"},
	}}
	config := map[string]string{
		"log":      "{format: json, level: debug}",
		"accounts": "{settings_database: '', verify_timeout: 30s}",
		"sent":     "{retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s], idle_timeout: 1s}",
		"dns":      fmt.Sprintf("{servers: ['%s']}", dns.Addr()),
		"direct":   fmt.Sprintf("{port: %d}", portOf(s.mx.Addr())),
	}
	for _, set := range settings {
		set(&o, config)
	}
	if s.provider, err = simulator.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.provider.Close)
	s.hide(oldPassword, newPassword, clientSecret)
	s.configure(config, port)
	s.in = programtest.New(t, programtest.Options{Binary: binary, Bare: true, Config: config})
	s.start()
	s.organise(policy)
	return s
}

// ports counts the ports that were taken for pages.
var ports atomic.Int32

// ownPort gives a port for the pages, whose address has to be known before relayd runs
// and stay the same over restarts. It is below those that systems give to connections,
// which nobody could keep free.
func ownPort(t *testing.T) int {
	t.Helper()
	const first, many = 20_000, 10_000
	for range many {
		port := first + (os.Getpid()*100+int(ports.Add(1)))%many
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatal("no port is free")
	return 0
}

// configure writes what relayd must know of its world.
func (s *scene) configure(config map[string]string, port int) {
	s.t.Helper()
	authority := relaytest.NewAuthority(s.t)
	s.roots = authority.Roots()
	certificate, key := relaytest.WriteCertificate(s.t, authority.Issue("localhost"))
	roots := filepath.Join(s.t.TempDir(), "provider.pem")
	if err := os.WriteFile(roots, s.provider.RootPEM(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var ports []string
	for _, a := range []net.Addr{s.provider.SubmissionAddr(), s.provider.IMAPSAddr(), s.provider.HTTPSAddr()} {
		ports = append(ports, fmt.Sprint(portOf(a)))
	}
	config["admin"] = fmt.Sprintf("{address: '127.0.0.1:%d', certificate: '%s', key: '%s', public_url: '%s'}", port, certificate, key, s.public)
	config["network"] = fmt.Sprintf("{allow: [127.0.0.0/8], ports: [%s]}", strings.Join(ports, ", "))
	if config["upstream"] == "" {
		config["upstream"] = "{idle_timeout: 1s, roots_file: 'ROOTS'}"
	}
	config["upstream"] = strings.ReplaceAll(config["upstream"], "ROOTS", roots)
}

func portOf(a net.Addr) int {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return 0
	}
	return tcp.Port
}

// start starts relayd, again if it ran before.
func (s *scene) start() {
	s.t.Helper()
	s.p = s.in.Start()
	p := s.p
	s.logs = append(s.logs, p.Log)
	s.t.Cleanup(func() {
		if p == s.p {
			s.askEverything()
		}
	})
}

// restart kills relayd and starts it again.
func (s *scene) restart() {
	s.t.Helper()
	s.p.Kill()
	s.start()
}

// letter writes the next letter of somebody.
func (s *scene) letter(from string, to ...string) *programtest.Letter {
	s.letters++
	l := programtest.NewLetter(fmt.Sprintf("letter-%d", s.letters), address(from), bob, uint64(s.letters), 400) //nolint:gosec // a small number
	if len(to) > 0 {
		l.To = to
	}
	return l
}

// send submits the next letter of somebody, and gives its id and Message-ID.
func (s *scene) send(from string, to ...string) (id, headerID string) {
	s.t.Helper()
	l := s.letter(from, to...)
	session, err := programtest.Dial(s.t.Context(), s.p.Addr())
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	if id, err = session.Submit(l); err != nil {
		s.t.Fatalf("submit %s: %v", l.HeaderID, err)
	}
	return id, l.HeaderID
}

func address(text string) relay.Address {
	local, domain, _ := strings.Cut(text, "@")
	return relay.Address{Local: local, Domain: domain}
}

// soon waits until a condition holds.
func (s *scene) soon(what string, holds func() bool) {
	s.t.Helper()
	deadline := time.Now().Add(programtest.Patience)
	for !holds() {
		if time.Now().After(deadline) {
			s.t.Fatalf("this does not come: %s", what)
		}
		s.wait(50 * time.Millisecond)
	}
}

// wait lets time pass.
func (s *scene) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.t.Context().Done():
	case <-timer.C:
	}
}

// drained waits until nothing waits any more, and does not wait for clocks.
func (s *scene) drained() {
	s.t.Helper()
	s.soon("an empty queue", func() bool {
		waiting, err := s.in.Hurry(s.t.Context())
		return err == nil && waiting == 0
	})
}

// sent gives what the provider took and is not relayd's own trial mail.
func (s *scene) sent() []simulator.Mail {
	return slices.DeleteFunc(s.provider.Outbox(), func(m simulator.Mail) bool { return isTrial(m.Content) })
}

// arrivals gives the Message-IDs of what came to the world's mail server from an
// address, in order.
func (s *scene) arrivals(from string) []string {
	var ids []string
	for _, m := range s.mx.Received() {
		if fields := header(m.Content); strings.Contains(fields.Get("From"), from) {
			ids = append(ids, fields.Get("Message-ID"))
		}
	}
	return ids
}

// copies gives the Message-IDs in a folder at the provider, without trial mail.
func (s *scene) copies(address, folder string) []string {
	s.t.Helper()
	found, err := s.provider.Messages(s.t.Context(), address, folder)
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for i := range found {
		if !isTrial(found[i].Content) {
			ids = append(ids, header(found[i].Content).Get("Message-ID"))
		}
	}
	return ids
}

// isTrial recognises the mail by which relayd proves an account.
func isTrial(content []byte) bool { return header(content).Get("Auto-Submitted") == "auto-generated" }

func header(content []byte) mail.Header {
	m, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return mail.Header{}
	}
	return m.Header
}

// same reports an error unless two lists are the same.
func (s *scene) same(what string, got, want []string) {
	s.t.Helper()
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: %q, want %q", what, got, want)
	}
}
