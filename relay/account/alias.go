package account

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// maxAliases is how many more addresses one account may have.
const maxAliases = 50

// AddAlias names another address of the account. Nothing is sent as it before
// VerifyAlias has proved it.
func (s *Service) AddAlias(ctx context.Context, id string, address relay.Address) error {
	var refused error
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		switch {
		case a.Address.Equal(address) || indexOfAlias(a, address) >= 0:
			return false
		case len(a.Aliases) >= maxAliases:
			refused = fieldError("alias", "An account has at most %d more addresses.", maxAliases)
			return false
		}
		a.Aliases = append(a.Aliases, relay.Alias{Address: address})
		return true
	})
	if err == nil {
		err = refused
	}
	return err
}

// RemoveAlias takes an address from the account: from then on nothing is sent as it.
func (s *Service) RemoveAlias(ctx context.Context, id string, address relay.Address) error {
	_, _, err := s.update(ctx, id, func(a *relay.Account) bool {
		at := indexOfAlias(a, address)
		if at < 0 {
			return false
		}
		a.Aliases = slices.Delete(a.Aliases, at, at+1)
		return true
	})
	return err
}

// VerifyAlias starts to prove that an account that works may send as one of its
// aliases, and that mail to it arrives in the account's mailbox: a mail from the alias
// to the alias. It returns what Verify returns.
func (s *Service) VerifyAlias(ctx context.Context, id string, address relay.Address, by string) error {
	a, err := s.o.Accounts.Get(ctx, id)
	if err != nil {
		return fmt.Errorf("read account %s: %w", id, err)
	}
	switch {
	case indexOfAlias(a, address) < 0:
		return fieldError("alias", "%s is no address of this account: add it first.", address)
	case !a.State.Usable():
		return fieldError("alias", "The account itself must be verified before its other addresses.")
	}
	v := &verification{s: s, by: by, stored: a, account: a, alias: &address}
	return s.begin(v, v.plan())
}

// aliasProved notes the proof.
func (v *verification) aliasProved(ctx context.Context) {
	_, changed, err := v.s.update(context.WithoutCancel(ctx), v.account.ID, func(a *relay.Account) bool {
		at := indexOfAlias(a, *v.alias)
		if at < 0 || !v.isSame(a) {
			return false
		}
		a.Aliases[at].ProvedAt, a.Aliases[at].KeepsFrom, a.Aliases[at].Lapsed = time.Now(), v.card.KeepsFrom, false
		return true
	})
	switch {
	case err != nil:
		v.notWritten(err)
	case !changed:
		v.failed(ctx, &problem{field: "alias", message: "The account was changed during the verification: start it again."})
	default:
		v.p.end(relay.VerificationDone, "", fmt.Sprintf("The account may send as %s.", v.alias))
	}
}

func indexOfAlias(a *relay.Account, address relay.Address) int {
	return slices.IndexFunc(a.Aliases, func(alias relay.Alias) bool { return alias.Address.Equal(address) })
}
