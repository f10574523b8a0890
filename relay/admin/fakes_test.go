package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// fakeQueue is a queue and its conductor in memory.
type fakeQueue struct {
	mu       sync.Mutex
	messages []*fakeMessage // oldest first
	fault    error          // what every method returns instead of working
}

type fakeMessage struct {
	record store.Record
	events []relay.Event
}

func (q *fakeQueue) add(m *relay.Message, s *relay.State, events ...relay.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages = append(q.messages, &fakeMessage{store.Record{Message: m, State: s}, events})
}

func (q *fakeQueue) find(id relay.ID) (*fakeMessage, error) {
	for _, m := range q.messages {
		if m.record.Message.ID == id {
			return m, q.fault
		}
	}
	return nil, errors.Join(store.ErrNotFound, q.fault)
}

// List ignores Filter.Organisation on purpose: an engine that forgets it must not
// become a leak.
func (q *fakeQueue) List(_ context.Context, f store.Filter) (store.Page, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var page store.Page
	for _, m := range slices.Backward(q.messages) {
		if !fits(&m.record, f) {
			continue
		}
		if len(page.Records) == f.Limit {
			page.More = true
			break
		}
		page.Records = append(page.Records, m.record)
	}
	return page, q.fault
}

func fits(r *store.Record, f store.Filter) bool {
	id := r.Message.ID
	return (f.After.IsZero() || bytes.Compare(id[:], f.After[:]) < 0) &&
		(!f.Held || r.State.Hold != nil) && (!f.Waiting || r.Retired.IsZero()) &&
		(f.From == "" || f.From == r.Message.From.Key()) && (f.Submitter == "" || f.Submitter == r.Message.Submitter) &&
		(f.Outcome == nil || *f.Outcome == r.State.Recipients[0].Outcome)
}

func (q *fakeQueue) Timeline(_ context.Context, id relay.ID) (*store.Record, []relay.Event, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, err := q.find(id)
	if err != nil {
		return nil, nil, err
	}
	record := m.record
	return &record, slices.Clone(m.events), nil
}

func (q *fakeQueue) Usage() store.Usage { return store.Usage{Messages: 3, Bytes: 4096} }

func (q *fakeQueue) change(id relay.ID, kind relay.EventKind, by string, do func(*relay.State) error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, err := q.find(id)
	if err != nil {
		return err
	}
	s := m.record.State.Clone()
	if err := do(s); err != nil {
		return err
	}
	m.record.State = s
	m.events = append(m.events, relay.Event{At: time.Now(), Kind: kind, By: by})
	return nil
}

func (q *fakeQueue) Hold(_ context.Context, id relay.ID, by, reason string) error {
	return q.change(id, relay.EventHeld, by, func(s *relay.State) error {
		s.Hold = &relay.Hold{Reason: reason, Rule: "operator", By: by, Since: time.Now()}
		return nil
	})
}

func (q *fakeQueue) Release(_ context.Context, id relay.ID, by string) error {
	return q.change(id, relay.EventReleased, by, func(s *relay.State) error {
		if s.Hold == nil {
			return &Conflict{Message: "The message is not held."}
		}
		s.Hold = nil
		return nil
	})
}

func (q *fakeQueue) Retry(_ context.Context, id relay.ID, by string) error {
	return q.change(id, relay.EventRetry, by, func(*relay.State) error { return nil })
}

func (q *fakeQueue) Cancel(_ context.Context, id relay.ID, by string) error {
	return q.change(id, relay.EventCancelled, by, func(s *relay.State) error {
		for i := range s.Recipients {
			s.Recipients[i].Outcome = relay.Cancelled
			s.Recipients[i].Reported = true
		}
		return nil
	})
}

// Waits lets every message wait for its turn.
func (*fakeQueue) Waits(context.Context, *relay.Message, *relay.State) []relay.Wait {
	return []relay.Wait{{Lane: "account:a1", Reason: "sending rests: too many sign-ins", Until: time.UnixMilli(1_800_000_000_000)}}
}

// fakeAccounts seals passwords by writing something else, and verifies at once.
type fakeAccounts struct {
	dir    store.Directory
	mu     sync.Mutex
	saved  map[string]relay.Secret // the passwords that arrived, by account
	proofs map[string]relay.Verification
	mended []string // applications
	fault  error
}

func newFakeAccounts(dir store.Directory) *fakeAccounts {
	return &fakeAccounts{dir: dir, saved: map[string]relay.Secret{}, proofs: map[string]relay.Verification{}}
}

func (f *fakeAccounts) Mended(_ context.Context, app string) error {
	f.mended = append(f.mended, app)
	return nil
}

func (f *fakeAccounts) Save(ctx context.Context, a *relay.Account, password relay.Secret) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		return f.fault
	}
	if password != "" {
		f.saved[a.ID] = password
		a.Password = []byte("sealed:" + a.ID)
	}
	return f.dir.Accounts().Put(ctx, a)
}

func (f *fakeAccounts) Verify(_ context.Context, id, by string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v, ok := f.proofs[id]; ok && v.Ended.IsZero() {
		return fmt.Errorf("verify %s: %w", id, store.ErrInUse)
	}
	f.proofs[id] = relay.Verification{
		Account: id, State: relay.VerificationRunning, Started: time.Now(), Message: "asked by " + by,
		Steps: []relay.VerificationStep{{Name: "smtp.connect", Label: "Connect", State: relay.VerificationDone, Detail: "mail.example"}},
	}
	return nil
}

func (f *fakeAccounts) Progress(id string) (relay.Verification, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := f.proofs[id]
	return v, ok
}

func (f *fakeAccounts) Cancel(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v, ok := f.proofs[id]; ok && v.Ended.IsZero() {
		v.State, v.Ended = relay.VerificationCancelled, time.Now()
		f.proofs[id] = v
	}
}

type fakeExplainer struct{ dir store.Directory }

func (f fakeExplainer) Explain(ctx context.Context, login string, from relay.Address, rcpts []relay.Address) (relay.Explanation, error) {
	var user, account string
	if u, err := f.dir.UserByAddress(ctx, from); err == nil {
		user = u.ID
	}
	if a, err := f.dir.AccountByAddress(ctx, from); err == nil {
		account = a.ID
	}
	return relay.Explanation{
		User: user, Account: account,
		Allowed: true, Route: relay.Route{Kind: relay.RouteDirect, Rule: "no_user", Reason: "nobody has " + from.String()},
		Lanes: []string{"destination " + rcpts[0].Domain}, Steps: []string{login + " may send as " + from.String()},
	}, nil
}

// fakePasswords counts, so that every password is another one.
type fakePasswords struct {
	mu sync.Mutex
	n  int
}

func (f *fakePasswords) NewPassword() (relay.Secret, []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	p := fmt.Sprintf("rlp_canary_password_%d", f.n)
	return relay.Secret(p), []byte("hash-canary-of-" + p)
}

type fakeKeys struct{}

func (fakeKeys) Generate(_ context.Context, k *relay.Key) error {
	k.Private = []byte("private-canary-" + k.ID)
	return nil
}

func (fakeKeys) Record(_ context.Context, k *relay.Key) (name, value string, err error) {
	return k.Selector + "._domainkey." + k.Domain + ".", `"v=DKIM1; p=AAAA"`, nil
}
