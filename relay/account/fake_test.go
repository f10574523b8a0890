package account_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/store"
)

// Jane's account at the simulated provider.
const (
	janeMail = "jane@acme.example"
	password = relay.Secret("correct horse")
)

func jane() relay.Address { return relay.Address{Local: "jane", Domain: "acme.example"} }

// table is the directory's table of accounts.
type table struct {
	mu      sync.Mutex
	records map[string]relay.Account
	writes  []relay.Account
	broken  error
}

func (t *table) Get(_ context.Context, id string) (*relay.Account, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, found := t.records[id]
	if !found {
		return nil, store.ErrNotFound
	}
	return a.Clone(), nil
}

func (t *table) Put(_ context.Context, a *relay.Account) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	old, found := t.records[a.ID]
	switch {
	case t.broken != nil:
		return t.broken
	case a.Revision == 0 && found:
		return store.ErrExists
	case a.Revision != old.Revision:
		return store.ErrStale
	}
	a.Revision++
	t.records[a.ID] = *a.Clone()
	t.writes = append(t.writes, *a.Clone())
	return nil
}

func (t *table) Delete(_ context.Context, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, found := t.records[id]; !found {
		return store.ErrNotFound
	}
	delete(t.records, id)
	return nil
}

func (t *table) List(_ context.Context, after string, limit int) ([]*relay.Account, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var page []*relay.Account
	for id, a := range t.records {
		if id > after {
			page = append(page, &a)
		}
	}
	slices.SortFunc(page, func(a, b *relay.Account) int { return bytes.Compare([]byte(a.ID), []byte(b.ID)) })
	return page[:min(limit, len(page))], nil
}

func (t *table) change(id string, change func(*relay.Account)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.records[id]
	change(&a)
	a.Revision++
	t.records[id] = a
}

// sealer binds a text to its place in a way that a test can see.
type sealer struct{}

func (sealer) Seal(kind, id, field string, plain []byte) []byte {
	return fmt.Appendf(nil, "sealed %s/%s/%s:%x", kind, id, field, plain)
}

func (sealer) Unseal(kind, id, field string, sealed []byte) ([]byte, error) {
	var plain []byte
	rest, found := bytes.CutPrefix(sealed, fmt.Appendf(nil, "sealed %s/%s/%s:", kind, id, field))
	if !found {
		return nil, errors.New("it was sealed for another place")
	}
	_, err := fmt.Sscanf(string(rest), "%x", &plain)
	return plain, err
}

// rules hold the account for an hour after a refused sign-in.
type rules struct{}

func (rules) Classify(a relay.Answer) relay.Class {
	if a.Where == relay.AtAuth && a.Reply.Code == 535 {
		return relay.Class{Rule: "auth.password_wrong", Action: relay.ActionHoldAccount, Pause: time.Hour, Hint: "The provider's own hint."}
	}
	return relay.Class{Rule: "default", Action: relay.ActionRetry}
}

// diary is an observer.
type diary struct {
	mu    sync.Mutex
	lines []string
	added chan struct{}
}

func newDiary() *diary { return &diary{added: make(chan struct{}, 100)} }

func (d *diary) add(line string) {
	d.mu.Lock()
	d.lines = append(d.lines, line)
	d.mu.Unlock()
	d.added <- struct{}{}
}

func (d *diary) AccountVerified(a *relay.Account, by string) { d.add("verified " + a.ID + " by " + by) }
func (d *diary) AccountNotVerified(a *relay.Account, by, field, _ string) {
	d.add("not verified " + a.ID + " by " + by + " field " + field)
}
func (d *diary) AccountParked(a *relay.Account, rule string, _ time.Time) {
	d.add("parked " + a.ID + " " + rule)
}
func (d *diary) AccountDegraded(a *relay.Account)           { d.add("degraded " + a.ID) }
func (d *diary) AccountRestored(a *relay.Account, _ string) { d.add("restored " + a.ID) }
func (d *diary) AccountStepDown(a *relay.Account, r relay.Rung) {
	d.add("step down " + a.ID + " from " + string(r.Way))
}
func (d *diary) CredentialUsed(a *relay.Account, purpose, _ string) {
	d.add("used " + a.ID + " to " + purpose)
}

func (d *diary) has(line string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.lines, line)
}

// await waits until the diary has the line.
func (d *diary) await(t *testing.T, line string) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for !d.has(line) {
		select {
		case <-d.added:
		case <-timeout:
			t.Fatalf("%q did not happen: %v", line, d.lines)
		}
	}
}

// world is a provider with Jane's mailbox, and the Service.
type world struct {
	t        *testing.T
	provider *simulator.Simulator
	service  *account.Service
	options  account.Options
	table    *table
	diary    *diary
	parked   chan string
}

func newWorld(t *testing.T, p simulator.Personality, change ...func(*account.Options)) *world {
	t.Helper()
	provider, err := simulator.Start(t.Context(), simulator.Options{Personality: p,
		Accounts: []simulator.Account{{Address: janeMail, Login: "jane", Password: password.Reveal()}, {Address: "john@acme.example", Password: "x"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(provider.Close)
	w := &world{t: t, provider: provider, table: &table{records: map[string]relay.Account{}}, diary: newDiary(), parked: make(chan string, 10)}
	w.options = account.Options{
		Accounts: w.table, Sealer: sealer{}, Classifier: rules{}, Dialer: &net.Dialer{}, Observer: w.diary,
		Parked: func(id string) { w.parked <- id },
		Hello:  "relayd.example", Roots: provider.Roots(), PlainAllowed: func(netip.Addr) bool { return false },
		Look: 5 * time.Millisecond, StepTimeout: 2 * time.Second,
		LoopPatience: 5 * time.Second, LoopPause: 2 * time.Millisecond, SentPatience: 20 * time.Millisecond,
	}
	for _, c := range change {
		c(&w.options)
	}
	w.service = account.New(w.options)
	t.Cleanup(w.service.Close)
	return w
}

func (w *world) record() *relay.Account {
	return &relay.Account{
		ID: "a1", Organisation: "acme", User: "u1", Address: jane(),
		Settings: relay.Settings{
			SMTP: w.server(w.provider.SubmissionAddr(), relay.TLSStartTLS),
			IMAP: w.server(w.provider.IMAPSAddr(), relay.TLSImplicit),
		},
	}
}

func (w *world) server(addr net.Addr, mode relay.TLSMode) relay.Server {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		w.t.Fatal(err)
	}
	return relay.Server{Host: host, Port: n, TLS: mode, Login: "jane"}
}

func (w *world) save(a *relay.Account, p relay.Secret) {
	w.t.Helper()
	if err := w.service.Save(w.t.Context(), a, p); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stored() relay.Account {
	w.t.Helper()
	a, err := w.table.Get(w.t.Context(), "a1")
	if err != nil {
		w.t.Fatal(err)
	}
	return *a
}

// verify proves the account and gives the end of it.
func (w *world) verify() relay.Verification {
	w.t.Helper()
	if err := w.service.Verify(w.t.Context(), "a1", "ops"); err != nil {
		w.t.Fatal(err)
	}
	return w.ended()
}

// ended waits for the verification that runs, and gives the end of it.
func (w *world) ended() relay.Verification {
	var last relay.Verification
	for v := range w.service.Watch(w.t.Context(), "a1") {
		last = v
	}
	return last
}

// run runs the service until the test ends.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.service.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	})
}

func (w *world) messages(folder string) []simulator.Message {
	w.t.Helper()
	found, err := w.provider.Messages(w.t.Context(), janeMail, folder)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}
