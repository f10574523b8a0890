package admin

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func (f *fakeAccounts) Delete(ctx context.Context, id string) error {
	f.Cancel(id)
	return f.dir.Accounts().Delete(ctx, id)
}

func (f *fakeAccounts) change(ctx context.Context, id string, do func(*relay.Account)) error {
	a, err := f.dir.Accounts().Get(ctx, id)
	if err != nil {
		return err
	}
	do(a)
	return f.dir.Accounts().Put(ctx, a)
}

func (f *fakeAccounts) AddAlias(ctx context.Context, id string, address relay.Address) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Aliases = append(a.Aliases, relay.Alias{Address: address}) })
}

func (f *fakeAccounts) RemoveAlias(ctx context.Context, id string, _ relay.Address) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Aliases = nil })
}

func (f *fakeAccounts) Bind(ctx context.Context, id string, b relay.Binding) error {
	return f.change(ctx, id, func(a *relay.Account) { a.Binding = b })
}

func (f *fakeAccounts) VerifyAlias(ctx context.Context, id string, address relay.Address, by string) error {
	if !strings.HasPrefix(address.Local, "sales") {
		return &relay.FieldError{Field: "alias", Message: "It is no address of this account."}
	}
	return f.Verify(ctx, id, by)
}

// fakeVault seals by writing something else.
type fakeVault struct{}

func (fakeVault) Seal(kind, id, field string, _ []byte) []byte {
	return fmt.Appendf(nil, "sealed %s/%s/%s", kind, id, field)
}

// fakeOwnership proves every claim whose domain is not "taken.example".
type fakeOwnership struct{ dir store.Directory }

var claims atomic.Int64

func (f fakeOwnership) Claim(ctx context.Context, organisation, domain string) (*relay.DomainClaim, error) {
	if !strings.Contains(domain, ".") {
		return nil, &relay.FieldError{Field: "domain", Message: "It is not a domain."}
	}
	c := &relay.DomainClaim{ID: fmt.Sprintf("claim_%d", claims.Add(1)), Organisation: organisation, Domain: domain, Token: "abc", Created: time.Now()}
	return c, f.dir.DomainClaims().Put(ctx, c)
}

func (f fakeOwnership) Check(ctx context.Context, id string) (*relay.DomainClaim, error) {
	c, err := f.dir.DomainClaims().Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Domain == "taken.example" {
		return c, &Conflict{Message: "The domain belongs to another organisation."}
	}
	c.Proved = time.Now()
	return c, f.dir.DomainClaims().Put(ctx, c)
}

func (fakeOwnership) Record(c *relay.DomainClaim) (name, value string) {
	return "_challenge." + c.Domain, "token=" + c.Token
}
