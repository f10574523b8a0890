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

// The places to which sealed passwords are bound.
const (
	sealKind      = "account"
	sealField     = "password"
	sealCandidate = "candidate.password"
)

// errNoTokens means that the program was built without OAuth.
var errNoTokens = errors.New("there is nobody to ask for access tokens")

// Credentials gives an account as it is now, and its password or an access token for
// r. It returns store.ErrNotFound if there is no such account, and a
// *relay.TokenError if no token can be had.
func (s *Service) Credentials(ctx context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	a, err := s.o.Accounts.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read account %s: %w", id, err)
	}
	return s.credentials(ctx, a, r)
}

// Renew gives credentials with another access token than that of c, which a server
// refused: the token may have been taken back before its time.
func (s *Service) Renew(ctx context.Context, c *relay.Credentials) (*relay.Credentials, error) {
	if !c.Bearer() || s.o.Tokens == nil {
		return nil, errNoTokens
	}
	token, app, err := s.o.Tokens.Renew(ctx, &c.Account, c.Resource, c.Token)
	if err != nil {
		return nil, fmt.Errorf("renew the access token of account %s: %w", c.Account.ID, err)
	}
	renewed := *c
	renewed.Token, renewed.App = token, app
	return &renewed, nil
}

// renewed replaces the token in c if a server refused it for what another one can mend,
// and reports whether there is another one. Consent that is tried beside the one in
// force has none: its tokens are as new as the consent.
func (s *Service) renewed(ctx context.Context, c *relay.Credentials, t *trouble) bool {
	if t == nil || !t.bearer || t.where != relay.AtAuth || t.class.OtherTransport {
		return false
	}
	if kind, _ := t.local(); kind != "" {
		return false // no server refused anything
	}
	another, err := s.Renew(ctx, c)
	if err != nil {
		return false // what the server said stands
	}
	*c = *another
	return true
}

// credentials opens what is in a record.
func (s *Service) credentials(ctx context.Context, a *relay.Account, r relay.Resource) (*relay.Credentials, error) {
	return s.open(ctx, a, a, sealField, r)
}

// candidateCredentials opens the settings that are tried beside those in force.
func (s *Service) candidateCredentials(ctx context.Context, a *relay.Account, r relay.Resource) (*relay.Credentials, error) {
	return s.open(ctx, a, candidateOf(a), sealCandidate, r)
}

// open opens a stored record as it is, or as it will be. field is where the password is
// sealed.
func (s *Service) open(ctx context.Context, stored, a *relay.Account, field string, r relay.Resource) (c *relay.Credentials, err error) {
	c = &relay.Credentials{Resource: r, Account: *a.Clone()}
	strip(&c.Account)
	if a.SignIn == relay.SignInPassword {
		password, err := s.o.Sealer.Unseal(sealKind, a.ID, field, a.Password)
		if err != nil {
			return nil, fmt.Errorf("open the password of account %s: %w", a.ID, err)
		}
		c.Password = relay.Secret(password)
		return c, nil
	}
	if s.o.Tokens == nil {
		return nil, fmt.Errorf("account %s: %w", a.ID, errNoTokens)
	}
	stored = stored.Clone()
	strip(stored)
	if field == sealCandidate {
		c.Token, c.App, err = s.o.Tokens.CandidateToken(ctx, stored, r)
	} else {
		c.Token, c.App, err = s.o.Tokens.Token(ctx, stored, r)
	}
	if err != nil {
		return nil, fmt.Errorf("access token of account %s: %w", a.ID, err)
	}
	if err := s.mayHaveToken(c); err != nil {
		return nil, fmt.Errorf("access token of account %s: %w", a.ID, err)
	}
	return c, nil
}

// mayHaveToken refuses to give a token to servers that are not those of its vendor.
func (s *Service) mayHaveToken(c *relay.Credentials) error {
	if c.Resource != relay.ResourceMail || s.o.TokenHost == nil {
		return nil
	}
	for field, host := range map[string]string{"smtp.host": c.Account.SMTP.Host, "imap.host": c.Account.IMAP.Host} {
		if host != "" && !s.o.TokenHost(c.App, host) {
			return fieldError(field, "An access token goes only to the mail servers of the provider that gave it, and %s is none of them. "+
				"If it is one, name it with the OAuth application (endpoints.mail).", host)
		}
	}
	return nil
}

// candidateOf is the account as it will be once its candidate is proved.
func candidateOf(a *relay.Account) *relay.Account {
	next := a.Clone()
	next.Settings, next.Password = next.Candidate.Settings, next.Candidate.Password
	next.Candidate, next.Down = nil, nil
	next.Version++
	return next
}

// Delete removes an account and its consents. A verification that runs is cancelled:
// it would sign in with what is no longer ours.
func (s *Service) Delete(ctx context.Context, id string) error {
	s.Cancel(id)
	if err := s.o.Accounts.Delete(ctx, id); err != nil {
		return fmt.Errorf("delete account %s: %w", id, err)
	}
	s.o.Parked(id)
	if s.o.Gone != nil {
		s.o.Gone(id)
	}
	if s.o.Tokens == nil {
		return nil
	}
	if err := s.o.Tokens.Forget(ctx, id); err != nil {
		return fmt.Errorf("forget the consent of account %s: %w", id, err)
	}
	return nil
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
		if err == nil {
			strip(a)
			return a, changed, nil
		}
		if !errors.Is(err, store.ErrStale) {
			break
		}
	}
	return nil, false, fmt.Errorf("change account %s: %w", id, err)
}
