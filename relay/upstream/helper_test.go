package upstream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
	"github.com/relayd/relayd/relay/upstream"
	"github.com/relayd/relayd/store"
)

// The topology of these tests: one Deliverer with the real reply rules, and
// scripted servers on loopback that it reaches without TLS unless a test says so.

// signIn is the beginning of every connection of account "jane".
const signIn = `
	S: 220 mx.example
	C: EHLO relay.example
	S: 250-mx.example
	S: 250-PIPELINING
	S: 250 AUTH PLAIN
	C: AUTH PLAIN AGphbmVAYS5leGFtcGxlAHNlY3JldA==
	S: 235 welcome
`

// chunking is the same with CHUNKING.
var chunking = strings.Replace(signIn, "S: 250-PIPELINING", "S: 250-PIPELINING\n\tS: 250-CHUNKING", 1)

// envelope is the flight for these recipients up to DATA.
func envelope(to ...string) string {
	s := "C: MAIL FROM:<jane@a.example>\n"
	for _, a := range to {
		s += "C: RCPT TO:<" + a + ">\n"
	}
	return s + "C: DATA\n"
}

const content = `
	C: Subject: x
	C:
	C: hi
	C: .
`

const bye = `
	C: QUIT
	S: 221 bye
	end
`

// accepted is one whole message for one recipient.
var accepted = envelope("r1@b.example") + "S: 250 ok\nS: 250 ok\nS: 354 go\n" + content + "S: 250 2.0.0 queued\n"

// accounts is the directory of a test.
type accounts struct {
	mu     sync.Mutex
	list   map[string]*relay.Credentials
	err    error // of Credentials
	broken error // of Get
}

func (a *accounts) Credentials(_ context.Context, id string, _ relay.Resource) (*relay.Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return nil, a.err
	}
	c := a.list[id]
	if c == nil {
		return nil, fmt.Errorf("account %s: %w", id, store.ErrNotFound)
	}
	clone := *c
	return &clone, nil
}

// Get gives the account alone, as the directory does.
func (a *accounts) Get(_ context.Context, id string) (*relay.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil {
		return nil, a.broken
	}
	c := a.list[id]
	if c == nil {
		return nil, fmt.Errorf("account %s: %w", id, store.ErrNotFound)
	}
	return c.Account.Clone(), nil
}

func (a *accounts) change(id string, f func(*relay.Credentials)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.list[id])
}

// account makes credentials for an account at a scripted server.
func account(id string, s *smtpwiretest.Server) *relay.Credentials {
	return &relay.Credentials{
		Account: relay.Account{
			ID: id, Version: 1, Address: relay.Address{Local: id, Domain: "a.example"},
			Settings: relay.Settings{Provider: relay.ProviderIMAP, SMTP: relay.Server{Host: "127.0.0.1", Port: s.Port, TLS: relay.TLSNone}},
		},
		Password: "secret",
	}
}

// meter counts connections.
type meter struct {
	mu           sync.Mutex
	made, reused int
}

func (m *meter) UpstreamConnected(bool, time.Duration) { m.mu.Lock(); m.made++; m.mu.Unlock() }
func (m *meter) UpstreamReused()                       { m.mu.Lock(); m.reused++; m.mu.Unlock() }

func (m *meter) counts() (made, reused int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made, m.reused
}

type world struct {
	*upstream.Deliverer
	accounts *accounts
	meter    *meter
}

func newWorldFor(b *testing.B, list ...*relay.Credentials) *world {
	b.Helper()
	return newWorld(b, func(o *upstream.Options) { o.MaxMessages = 1 << 30 }, list...)
}

// theRules are the real ones, read once: that takes its time under the race detector.
var theRules = sync.OnceValues(provider.New)

func newWorld(t testing.TB, change func(*upstream.Options), list ...*relay.Credentials) *world {
	t.Helper()
	rules, err := theRules()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{accounts: &accounts{list: make(map[string]*relay.Credentials)}, meter: &meter{}}
	for _, c := range list {
		w.accounts.list[c.Account.ID] = c
	}
	o := upstream.Options{
		Dialer: &net.Dialer{}, Accounts: w.accounts, Credentials: w.accounts, Classifier: rules, Hello: "relay.example", Metrics: w.meter,
		AllowPlain: netip.Addr.IsLoopback,
	}
	if change != nil {
		change(&o)
	}
	w.Deliverer = upstream.New(o)
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// janes is a world with the account jane at a server that plays the scripts.
func janes(t *testing.T, change func(*upstream.Options), scripts ...string) *world {
	t.Helper()
	return newWorld(t, change, account("jane", smtpwiretest.Serve(t, nil, scripts...)))
}

type body string

func (b body) Size() int64       { return int64(len(b)) }
func (b body) Reader() io.Reader { return bytes.NewReader([]byte(b)) }

// delivery is a message of jane's for n recipients, r1 to rn.
func delivery(n int) *relay.Delivery {
	d := &relay.Delivery{
		Message:   &relay.Message{ID: relay.NewID(time.Now())},
		Route:     relay.Route{Kind: relay.RouteAccount, Account: "jane"},
		Body:      body("Subject: x\r\n\r\nhi\r\n"),
		BeforeDot: func(context.Context, []int) error { return nil },
	}
	d.Message.From = relay.Address{Local: "jane", Domain: "a.example"}
	d.Message.Envelope.ReturnPath = relay.Address{Local: "crm", Domain: "a.example"}
	for i := 1; i <= n; i++ {
		d.Recipients = append(d.Recipients, i-1)
		d.Message.Envelope.Recipients = append(d.Message.Envelope.Recipients,
			relay.Recipient{Address: relay.Address{Local: fmt.Sprintf("r%d", i), Domain: "b.example"}})
	}
	return d
}

// deliveryOf is the same of another account.
func deliveryOf(name string, n int) *relay.Delivery {
	d := delivery(n)
	d.Route.Account, d.Message.From.Local = name, name
	return d
}

// summary writes an attempt so that a table can hold it: each recipient's outcome
// and rule, then the trouble.
func summary(t *testing.T, del *relay.Delivery, a relay.Attempt) string {
	t.Helper()
	var words []string
	if len(a.Results) != len(del.Recipients) || a.Started.IsZero() || a.Ended.Before(a.Started) {
		t.Errorf("not every recipient has one result: %+v", a)
	}
	for i, r := range a.Results {
		if r.Recipient != del.Recipients[i] {
			t.Errorf("result %d is for recipient %d", i, r.Recipient)
		}
		words = append(words, strings.TrimSpace(r.Outcome.String()+" "+r.Rule))
	}
	if a.Trouble != nil {
		kind := map[relay.TroubleKind]string{relay.TroublePark: "park", relay.TroubleSlow: "slow", relay.TroubleAborted: "aborted"}
		words = append(words, kind[a.Trouble.Kind]+" "+a.Trouble.Rule)
	}
	return strings.Join(words, " | ")
}

func (w *world) check(t *testing.T, del *relay.Delivery, want string) relay.Attempt {
	t.Helper()
	a := w.Deliver(t.Context(), del)
	if got := summary(t, del, a); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	return a
}

var errNo = errors.New("no")
