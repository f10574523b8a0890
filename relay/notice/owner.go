package notice

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// owed reports whether the owner of an account is to be told of its trouble.
func (s *Service) owed(a *relay.Account) bool {
	return a.State == relay.AccountParked && !covers(a.Told.Owner, a.StateSince) && s.o.OwnerMends(a.StateRule)
}

// covers reports whether who was told then knows of a trouble since that moment.
func covers(told, since time.Time) bool { return !told.IsZero() && !told.Before(since) }

// tellOwner makes the notice to the owner, if one is owed. The order of writing is
// that of the package's comment.
func (s *Service) tellOwner(ctx context.Context, id string) error {
	a, err := s.o.Accounts.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read account %s: %w", id, err)
	}
	if !s.owed(a) {
		return nil
	}
	trouble := a.ID + "\x00" + strconv.FormatInt(a.StateSince.UnixNano(), 10)
	l, err := s.ownerLetter(ctx, a, trouble)
	if err != nil {
		return fmt.Errorf("write to the owner of account %s: %w", id, err)
	}
	if err := s.put(ctx, l); err != nil {
		return err
	}
	since := a.StateSince
	return s.note(ctx, id, func(a *relay.Account) bool {
		if a.State != relay.AccountParked || !a.StateSince.Equal(since) || covers(a.Told.Owner, since) {
			return false
		}
		a.Told.Owner = later(time.Now().UTC(), since) // a clock that was set back must not send it again
		return true
	})
}

// ownerLetter gathers what the notice says. trouble names this trouble of the account.
func (s *Service) ownerLetter(ctx context.Context, a *relay.Account, trouble string) (*letter, error) {
	to, err := s.ownerAddresses(ctx, a)
	if err != nil {
		return nil, err
	}
	policy, err := s.policy(ctx, a.Organisation)
	if err != nil {
		return nil, err
	}
	w := ownerWords{Host: s.o.Hostname, Account: a, Policy: policy, Waiting: s.waiting(ctx, a.ID)}
	if s.o.BaseURL != "" {
		token, link, err := s.links.makeOnce(ctx, a.StateSince, "mend\x00"+trouble,
			relay.Link{Purpose: relay.LinkMend, Organisation: a.Organisation, Account: a.ID}, s.o.MendLifetime)
		if err != nil {
			return nil, err
		}
		w.URL, w.Until = s.url(token), link.Expires
	}
	return &letter{
		kind: KindOwner, id: derive(s.names, a.StateSince, "owner\x00"+trouble),
		organisation: a.Organisation, account: a.ID, to: to, subject: w.subject(), pieces: w.pieces(),
	}, nil
}

// ownerAddresses is the account's own address and, where its user has another
// primary one, that as well.
func (s *Service) ownerAddresses(ctx context.Context, a *relay.Account) ([]relay.Address, error) {
	to := []relay.Address{a.Address}
	if a.User == "" {
		return to, nil // a shared mailbox
	}
	user, err := s.o.Users.Get(ctx, a.User)
	if errors.Is(err, store.ErrNotFound) {
		return to, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read user %s: %w", a.User, err)
	}
	if !user.Address.IsZero() && !user.Address.Equal(a.Address) {
		to = append(to, user.Address)
	}
	return to, nil
}

func (s *Service) policy(ctx context.Context, organisation string) (relay.Policy, error) {
	if organisation == "" {
		return relay.Policy{}, nil
	}
	org, err := s.o.Organisations.Get(ctx, organisation)
	if errors.Is(err, store.ErrNotFound) {
		return relay.Policy{}, nil
	}
	if err != nil {
		return relay.Policy{}, fmt.Errorf("read organisation %s: %w", organisation, err)
	}
	return org.Policy, nil
}

// waiting is how many messages wait for an account, or -1 if that cannot be told. A
// notice without the number is better than none.
func (s *Service) waiting(ctx context.Context, account string) int {
	if s.o.Waiting == nil {
		return -1
	}
	n, err := s.o.Waiting.Waiting(ctx, account)
	if err != nil {
		s.o.Observer.Fault("notice.waiting", relay.ID{}, fmt.Errorf("count what waits for account %s: %w", account, err))
		return -1
	}
	return n
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
