package smtpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/smtpwire/wiretest"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// journal notes what the fakes were told, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
	heard chan struct{} // gets a value with each line
}

func newJournal() *journal { return &journal{heard: make(chan struct{}, 10000)} }

func (j *journal) note(format string, args ...any) {
	j.mu.Lock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
	j.mu.Unlock()
	j.heard <- struct{}{}
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// await returns when the journal holds want.
func (j *journal) await(t *testing.T, want string) {
	t.Helper()
	late := time.After(wiretest.Patience)
	for !strings.Contains(j.text(), want) {
		select {
		case <-j.heard:
		case <-late:
			t.Fatalf("there is no %q in:\n%s", want, j.text())
		}
	}
}

// fakeAuth knows the login "app" with the password "secret".
type fakeAuth struct{ *journal }

func (a fakeAuth) Password(_ context.Context, c relay.Client, login string, password relay.Secret) (*relay.Submitter, error) {
	switch {
	case login == "app" && password.Reveal() == "secret":
		return &relay.Submitter{ID: "s1", Login: login}, nil
	case login == "leaver" && password.Reveal() == "secret":
		return &relay.Submitter{ID: "gone", Login: login}, nil
	case login == "fault":
		return nil, errors.New("open /var/lib/relayd: disk on fire")
	case login == "unknown":
		return nil, fmt.Errorf("look up: %w", store.ErrUnknown)
	}
	return nil, relay.Refuse(535, relay.Enhanced{5, 7, 8}, "Authentication credentials invalid")
}

func (a fakeAuth) Current(_ context.Context, s *relay.Submitter) error {
	if s.ID == "gone" {
		return &relay.Error{Code: 421, Enhanced: relay.Enhanced{4, 7, 0}, Public: "Sign in again", Cause: errors.New("disabled"), Close: true}
	}
	return nil
}

func (a fakeAuth) BySubmitterID(_ context.Context, _ relay.Client, id string) (*relay.Submitter, error) {
	if id == "printer" {
		return &relay.Submitter{ID: id}, nil
	}
	return nil, relay.Refuse(535, relay.Enhanced{5, 7, 8}, "Authentication credentials invalid")
}

// fakeAcceptor decides by the local part of the sender.
type fakeAcceptor struct {
	*journal
	holding chan struct{} // for "slow": closed to let it go on
}

var fakeID = relay.ID{9, 8, 7}

func (a *fakeAcceptor) Sender(_ context.Context, s *relay.Submitter, from relay.Address) error {
	if from.Local == "ceo" {
		return relay.Refuse(550, relay.Enhanced{5, 7, 1}, "You may not send as %s", from)
	}
	a.note("sender %s as %s", from, s.ID)
	return nil
}

func (a *fakeAcceptor) Room(_ context.Context, size int64) error {
	if size == 4242 {
		return relay.Refuse(452, relay.Enhanced{4, 3, 1}, "Insufficient storage")
	}
	return nil
}

func (a *fakeAcceptor) Accept(ctx context.Context, sub *relay.Submission, content io.Reader) (relay.ID, error) {
	body, err := io.ReadAll(content)
	if err != nil {
		return relay.ID{}, fmt.Errorf("spool: %w", err)
	}
	switch sub.Envelope.ReturnPath.Local {
	case "slow":
		a.note("holding")
		select {
		case <-a.holding:
		case <-ctx.Done():
			return relay.ID{}, ctx.Err()
		}
	case "flush":
		return relay.ID{}, relay.Fault(fmt.Errorf("spool: %w", store.ErrUnknown))
	case "fault":
		return relay.ID{}, errors.New("write /var/spool/relayd: input/output error")
	}
	a.note("accept %s %s %q from %s to %v: %q", sub.Submitter.ID, sub.Protocol, sub.Client.Hello, sub.Envelope.ReturnPath, sub.Envelope.Recipients, body)
	return fakeID, nil
}

func (a *fakeAcceptor) Acknowledged(id relay.ID) { a.note("acknowledged %s", id) }

// fakeObserver writes everything into the journal.
type fakeObserver struct{ *journal }

func (o fakeObserver) ConnectionOpened(l string) { o.note("opened %s", l) }
func (o fakeObserver) ConnectionClosed(c relay.Client, n int64, why error) {
	o.note("closed %s: %v", c.Listener, why)
}
func (o fakeObserver) ConnectionRefused(l string, from netip.AddrPort, reason string) {
	o.note("refused at %s: %s", l, reason)
}
func (o fakeObserver) SignedIn(_ relay.Client, submitter, login string) {
	o.note("signed in %s %s", submitter, login)
}
func (o fakeObserver) SignInFailed(_ relay.Client, login string, why error) {
	o.note("sign-in failed %q: %v", login, why)
}
func (o fakeObserver) Refused(_ relay.Client, submitter string, from relay.Address, err *relay.Error) {
	o.note("refused %q %s: %v", submitter, from, err)
}
func (o fakeObserver) Accepted(_ *relay.Submission, id relay.ID, size int64, _ time.Duration) {
	o.note("accepted %s of %d octets", id, size)
}

// world is a running Server with its fakes.
type world struct {
	*journal
	t        *testing.T
	server   *Server
	acceptor *fakeAcceptor
	keeper   *tlsconf.Keeper
	stop     context.CancelFunc
	done     chan error
}

func start(t *testing.T, change func(*Options)) *world {
	t.Helper()
	keeper, err := tlsconf.Open(tlsconf.Options{Dir: t.TempDir(), Hosts: []string{"relay.example"}})
	if err != nil {
		t.Fatal(err)
	}
	j := newJournal()
	w := &world{journal: j, t: t, acceptor: &fakeAcceptor{journal: j, holding: make(chan struct{})}, keeper: keeper, done: make(chan error, 1)}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	o := Options{
		Hostname: "relay.example", TLS: keeper.Server(), Authenticator: fakeAuth{j}, Acceptor: w.acceptor, Observer: fakeObserver{j},
		Listeners: []Listener{
			{Name: "submission", Address: "127.0.0.1:0", Mode: smtpwire.ModeStartTLS},
			{Name: "submissions", Address: "127.0.0.1:0", Mode: smtpwire.ModeImplicit},
			{Name: "devices", Address: "127.0.0.1:0", Mode: smtpwire.ModePlain, Networks: loopback, Submitter: "printer"},
			{Name: "gone", Address: "127.0.0.1:0", Mode: smtpwire.ModePlain, Networks: loopback, Submitter: "nobody"},
			{Name: "elsewhere", Address: "127.0.0.1:0", Mode: smtpwire.ModeStartTLS, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		},
	}
	if change != nil {
		change(&o)
	}
	if w.server, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	go func() { w.done <- w.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := w.wait(); err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	return w
}

// wait gives what Run returned.
func (w *world) wait() error {
	select {
	case err := <-w.done:
		w.done <- err
		return err
	case <-time.After(wiretest.Patience):
		return errors.New("Run did not end")
	}
}

func (w *world) dial(listener string) *wiretest.Client {
	w.t.Helper()
	return wiretest.Dial(w.t, w.server.Addr(listener).String())
}

// issued gives the certificate that a new client is shown.
func (w *world) issued() []byte {
	w.t.Helper()
	conn, err := tls.Dial("tcp", w.server.Addr("submissions").String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a look at it
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Raw
}
