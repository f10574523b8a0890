package account

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Service keeps the accounts. Its methods may be called concurrently.
type Service struct {
	o       Options
	kick    chan struct{} // a parked account may be due at once
	workers chan struct{}

	ctx     context.Context // of the verifications; ends with Close
	cancel  context.CancelCauseFunc
	running sync.WaitGroup

	mu       sync.Mutex
	progress map[string]*progress
}

// New makes a Service. Run does what happens without a person; Close ends it.
func New(o Options) *Service {
	o.fill()
	s := &Service{o: o, kick: make(chan struct{}, 1), workers: make(chan struct{}, o.Workers), progress: map[string]*progress{}}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// errClosing ends the verifications that still run at the end of the program.
var errClosing = errors.New("relayd is shutting down")

// Close breaks off running verifications and waits for them.
func (s *Service) Close() {
	s.mu.Lock()
	s.cancel(errClosing)
	s.mu.Unlock()
	s.running.Wait()
}

// The place to which a sealed password is bound.
const (
	sealKind  = "account"
	sealField = "password"
)

// Credentials gives an account as it is now, and its password. It returns
// store.ErrNotFound if there is no such account.
func (s *Service) Credentials(ctx context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	a, err := s.o.Accounts.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	password, err := s.o.Sealer.Unseal(sealKind, a.ID, sealField, a.Password)
	if err != nil {
		return nil, fmt.Errorf("open the password of account %s: %w", id, err)
	}
	a.Password = nil
	return &relay.Credentials{Account: *a, Password: relay.Secret(password), Resource: r}, nil
}

// maxRaces is how often a change is tried again because somebody else changed the
// record in between.
const maxRaces = 16

// update changes an account, whoever else changes it at the same time. change
// reports whether anything is to be written. The record that is returned has no
// password.
func (s *Service) update(ctx context.Context, id string, change func(*relay.Account) bool) (a *relay.Account, changed bool, err error) {
	for range maxRaces {
		a, err = s.o.Accounts.Get(ctx, id)
		if err != nil {
			return nil, false, fmt.Errorf("read account %s: %w", id, err)
		}
		if changed = change(a); changed {
			err = s.o.Accounts.Put(ctx, a)
		}
		a.Password = nil
		if err == nil {
			return a, changed, nil
		}
		if !errors.Is(err, store.ErrStale) {
			break
		}
	}
	return nil, false, fmt.Errorf("change account %s: %w", id, err)
}
