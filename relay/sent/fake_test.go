package sent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
	"github.com/relayd/relayd/store"
)

const jane = "jane@acme.example"

// world is a provider with Jane's mailbox, and a Filer that files into it.
type world struct {
	t        *testing.T
	provider *simulator.Simulator
	filer    *sent.Filer
	options  sent.Options
	accounts *accounts
	dialer   *countingDialer
}

func newWorld(t *testing.T, p simulator.Personality, change ...func(*sent.Options)) *world {
	t.Helper()
	provider, err := simulator.Start(t.Context(), simulator.Options{Personality: p,
		Accounts: []simulator.Account{{Address: jane, Password: "secret"}, {Address: "john@acme.example", Password: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	w := &world{t: t, provider: provider, dialer: &countingDialer{}, accounts: &accounts{list: map[string]relay.Account{}}}
	w.account("jane", jane)
	w.options = sent.Options{
		Accounts: w.accounts, Credentials: w.accounts, Learner: w.accounts, Classifier: rules{}, Dialer: w.dialer, Health: w.accounts, Roots: provider.Roots(),
		ConnectTimeout: 5 * time.Second, OperationTimeout: 5 * time.Second,
	}
	for _, c := range change {
		c(&w.options)
	}
	w.restart()
	return w
}

// restart is a crash and a new start: nothing that was in memory remains.
func (w *world) restart() {
	if w.filer != nil {
		w.filer.Close()
	}
	w.filer = sent.New(w.options)
	w.t.Cleanup(w.filer.Close)
}

func (w *world) account(id, address string) {
	addr := w.provider.IMAPSAddr().(*net.TCPAddr)
	local, domain, _ := bytes.Cut([]byte(address), []byte("@"))
	w.accounts.set(relay.Account{ID: id, Address: relay.Address{Local: string(local), Domain: string(domain)},
		Settings: relay.Settings{
			Provider: relay.ProviderIMAP, IMAP: relay.Server{Host: addr.IP.String(), Port: addr.Port, TLS: relay.TLSImplicit},
		},
		State: relay.AccountVerified, Version: 1})
}

func (w *world) inSent(folder string) []simulator.Message {
	w.t.Helper()
	found, err := w.provider.Messages(w.t.Context(), jane, folder)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) file(f *relay.Filing) relay.Filed { return w.filer.File(w.t.Context(), f) }

// accounts is the directory of the tests, and hears of the accounts' health.
type accounts struct {
	mu     sync.Mutex
	list   map[string]relay.Account
	health []string
	token  error // no credentials are given
}

func (a *accounts) set(account relay.Account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list[account.ID] = account
}

func (a *accounts) change(id string, change func(*relay.Account)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account := a.list[id]
	change(&account)
	a.list[id] = account
}

func (a *accounts) Credentials(_ context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	account, found := a.list[id]
	if !found {
		return nil, store.ErrNotFound
	}
	if a.token != nil {
		return nil, a.token
	}
	return &relay.Credentials{Account: account, Password: "secret", Resource: r}, nil
}

func (a *accounts) Get(_ context.Context, id string) (*relay.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account, found := a.list[id]; found {
		return &account, nil
	}
	return nil, store.ErrNotFound
}

func (a *accounts) Learn(_ context.Context, id string, filesSent bool) error {
	a.change(id, func(account *relay.Account) { account.Card.FilesSent = filesSent })
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health = append(a.health, fmt.Sprintf("learn %s %v", id, filesSent))
	return nil
}

func (a *accounts) Degrade(_ context.Context, id string, t relay.Trouble) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health = append(a.health, "degrade "+id+" "+t.Rule)
	return nil
}

func (a *accounts) Recover(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.health = append(a.health, "recover "+id)
	return nil
}

func (a *accounts) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.health)
}

// rules is a small set of reply rules.
type rules struct{}

func (rules) Classify(a relay.Answer) relay.Class {
	byCode := map[string]relay.Class{
		"AUTHENTICATIONFAILED": {Rule: "copy.login", Action: relay.ActionHoldAccount, Pause: time.Hour, Hint: "Sign in again."},
		"OVERQUOTA":            {Rule: "copy.full", Action: relay.ActionHoldAccount, Pause: 6 * time.Hour, Hint: "The mailbox is full."},
		"UNAVAILABLE":          {Rule: "copy.busy", Action: relay.ActionSlow, Pause: 5 * time.Minute, Hint: "Busy."},
		"TOOBIG":               {Rule: "copy.too_big", Action: relay.ActionFailMessage, Hint: "Too large."},
	}
	if a.Where == relay.AtToken {
		return relay.Class{Rule: "token.grant", Action: relay.ActionHoldAccount, Pause: time.Hour, Hint: "Connect again."}
	}
	if class, known := byCode[a.IMAPCode]; known {
		return class
	}
	if a.IMAP == "" {
		return relay.Class{Rule: "copy.unknown", Action: relay.ActionUnknown, Pause: 2 * time.Minute}
	}
	return relay.Class{Rule: "default.imap", Action: relay.ActionRetry}
}

// countingDialer counts connections.
type countingDialer struct {
	mu    sync.Mutex
	dials int
	open  map[net.Conn]bool
	most  int
}

func (d *countingDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dials++
	if d.open == nil {
		d.open = map[net.Conn]bool{}
	}
	counted := &countedConn{Conn: conn, d: d}
	d.open[counted] = true
	d.most = max(d.most, len(d.open))
	return counted, nil
}

func (d *countingDialer) counts() (dials, most, open int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dials, d.most, len(d.open)
}

// cut breaks every connection off, as a server that ends idle ones does.
func (d *countingDialer) cut() {
	d.mu.Lock()
	conns := slices.Collect(maps.Keys(d.open))
	d.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

type countedConn struct {
	net.Conn
	d *countingDialer
}

func (c *countedConn) Close() error {
	c.d.mu.Lock()
	delete(c.d.open, c)
	c.d.mu.Unlock()
	return c.Conn.Close()
}

// content is a spooled message.
type content string

func (c content) Size() int64       { return int64(len(c)) }
func (c content) Reader() io.Reader { return bytes.NewReader([]byte(c)) }

// message makes the filing of message number n of Jane.
func message(n int, sentAt time.Time) *relay.Filing {
	id := relay.NewID(sentAt)
	headerID := "<" + strconv.Itoa(n) + "@acme.example>"
	return &relay.Filing{
		Account: "jane",
		Sent:    sentAt,
		Message: &relay.Message{ID: id, From: relay.Address{Local: "jane", Domain: "acme.example"}, HeaderID: headerID, Accepted: sentAt, Bcc: []string{"boss@acme.example"}},
		Body: content("Received: from [127.0.0.1]\r\n\tby relayd.example with ESMTPSA id " + id.String() + ";\r\n\tSat, 21 Nov 2026 10:00:00 +0000\r\n" +
			"From: jane@acme.example\r\nMessage-ID: " + headerID + "\r\n\r\nHello.\r\n"),
	}
}

// filedContent is what must lie in Sent.
func filedContent(f *relay.Filing) string {
	return "Bcc: boss@acme.example\r\nFrom: jane@acme.example\r\nMessage-ID: " + f.Message.HeaderID + "\r\n\r\nHello.\r\n"
}
