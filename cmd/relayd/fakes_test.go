package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/ownership"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/embedded"
)

// startAdmin runs the real admin API over a real directory; what it steers is in
// memory. It gives the environment that leads the command line to it.
func startAdmin(t *testing.T) (environ []string, q *memoryQueue, url string) {
	t.Helper()
	data := t.TempDir()
	dir, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(data, "directory.db")})
	if err != nil {
		t.Fatal(err)
	}
	q = &memoryQueue{}
	box, err := secretbox.Open(filepath.Join(data, "secret.key"))
	if err != nil {
		t.Fatal(err)
	}
	accounts := &memoryAccounts{dir: dir, runs: map[string]int{}, Service: account.New(account.Options{Accounts: dir.Accounts(), Sealer: box})}
	s, err := admin.New(admin.Options{
		Address: "127.0.0.1:0", Socket: filepath.Join(data, "admin.sock"),
		Directory: dir, Queue: q, Conductor: q, Accounts: accounts, Verifier: accounts,
		Explainer: memoryExplainer{}, Passwords: memoryPasswords{}, Keys: memoryKeys{}, Log: slog.New(slog.DiscardHandler), Sealer: appSealer{box},
		Ownership: owners{ownership.New(ownership.Options{
			Claims: dir.DomainClaims(), Organisations: dir.Organisations(), Resolver: memoryZone{}, NewID: claimID,
		})},
		Mender: &memoryMender{accounts: accounts, looks: map[string]int{}}, Scout: memoryScout{}, Webhooks: memoryHooks{dir},
		Checks: []admin.Check{{Name: "queue", Check: q.ready}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	url = "http://" + s.Addr().String()
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return []string{"RELAYD_DATA_DIR=" + data}, q, url
}

// memoryQueue holds one message.
type memoryQueue struct {
	mu     sync.Mutex
	record store.Record
	events []relay.Event
	fault  error
}

func (q *memoryQueue) ready(context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fault
}

func (q *memoryQueue) List(_ context.Context, f store.Filter) (store.Page, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fits := q.record.Message != nil && (!f.Held || q.record.State.Hold != nil) && (f.From == "" || f.From == q.record.Message.From.Key())
	if !fits {
		return store.Page{}, nil
	}
	return store.Page{Records: []store.Record{q.record}}, nil
}

func (q *memoryQueue) Timeline(_ context.Context, id relay.ID) (*store.Record, []relay.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.record.Message == nil || q.record.Message.ID != id {
		return nil, nil, store.ErrNotFound
	}
	r := q.record
	return &r, q.events, nil
}

func (*memoryQueue) Usage() store.Usage { return store.Usage{Messages: 2, Bytes: 3 << 20} }

func (q *memoryQueue) Hold(_ context.Context, _ relay.ID, by, reason string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.record.State.Hold = &relay.Hold{Reason: reason, By: by, Since: time.Now()}
	q.events = append(q.events, relay.Event{At: time.Now(), Kind: relay.EventHeld, By: by, Detail: reason})
	return nil
}

func (q *memoryQueue) Release(context.Context, relay.ID, string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.record.State.Hold == nil {
		return &admin.Conflict{Message: "The message is not held."}
	}
	q.record.State.Hold = nil
	return nil
}

func (*memoryQueue) Retry(context.Context, relay.ID, string) error { return nil }

func (q *memoryQueue) Cancel(context.Context, relay.ID, string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.record.State.Recipients[0] = relay.RecipientState{Outcome: relay.Cancelled, Reported: true}
	return nil
}

func (*memoryQueue) Waits(context.Context, *relay.Message, *relay.State) []relay.Wait { return nil }

// memoryAccounts takes one step of a verification at each look. The password
// "wrong" makes it fail.
type memoryAccounts struct {
	*account.Service // for what these tests do not look at
	dir              store.Directory
	mu               sync.Mutex
	bad              bool
	runs             map[string]int
}

func (*memoryAccounts) Mended(context.Context, string) error { return nil }

func (m *memoryAccounts) Save(ctx context.Context, a *relay.Account, password relay.Secret) error {
	if password != "" {
		m.mu.Lock()
		m.bad = password == "wrong"
		m.mu.Unlock()
		a.Password = []byte("sealed")
	} else if a.SMTP.Host == "new.example.com" {
		return &relay.FieldError{Field: "password", Message: "The password is needed again."}
	}
	return m.dir.Accounts().Put(ctx, a)
}

func (m *memoryAccounts) Verify(_ context.Context, id, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[id] = 0
	return nil
}

func (m *memoryAccounts) Progress(id string) (relay.Verification, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[id]++
	v := relay.Verification{Account: id, State: relay.VerificationRunning, Started: time.Now()}
	v.Steps = []relay.VerificationStep{
		{Name: "smtp.connect", Label: "Connect to the outgoing server", State: relay.VerificationDone, Detail: "smtp.example.com"},
		{Name: "smtp.auth", Label: "Sign in to the outgoing server", State: relay.VerificationRunning},
		{Name: "sent.append", Label: "Try to file a copy in Sent", State: relay.VerificationWaiting},
	}
	if m.runs[id] < 3 {
		return v, true
	}
	v.State, v.Steps[1].State, v.Ended = relay.VerificationDone, relay.VerificationDone, time.Now()
	v.Steps[2].State, v.Steps[2].Detail = relay.VerificationSkipped, "the provider files it"
	if m.bad {
		v.State, v.Steps[1].State, v.Steps[2].State = relay.VerificationFailed, relay.VerificationFailed, relay.VerificationWaiting
		v.Field, v.Message = "password", "The server refused the name or the password."
	}
	return v, true
}

func (m *memoryAccounts) VerifyAlias(ctx context.Context, id string, _ relay.Address, by string) error {
	return m.Verify(ctx, id, by)
}

func (*memoryAccounts) Cancel(string) {}

// memoryZone is a DNS that publishes nothing.
type memoryZone struct{}

func (memoryZone) TXT(context.Context, string) ([]string, error) { return nil, nil }

type memoryExplainer struct{}

func (memoryExplainer) Explain(_ context.Context, login string, from relay.Address, _ []relay.Address) (relay.Explanation, error) {
	if from.Local == "mallory" {
		return relay.Explanation{Refusal: "550 5.7.1 " + login + " may not send as " + from.String()}, nil
	}
	return relay.Explanation{Allowed: true, Route: relay.Route{Kind: relay.RouteDirect, Rule: "no_account"}, Steps: []string{"no account"}}, nil
}

type memoryPasswords struct{}

func (memoryPasswords) NewPassword() (relay.Secret, []byte) { return "rlp_shown_once", []byte("hash") }

type memoryKeys struct{}

func (memoryKeys) Generate(_ context.Context, k *relay.Key) error {
	k.Private = []byte("private")
	return nil
}

func (memoryKeys) Record(_ context.Context, k *relay.Key) (name, value string, err error) {
	return k.Selector + "._domainkey." + k.Domain + ".", `"v=DKIM1; k=rsa; p=AAAA" "BBBB"`, nil
}
