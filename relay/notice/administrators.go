package notice

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/relayd/relayd/relay"
)

// perOrganisation is the least time between two mails to the administrators of one.
const perOrganisation = 24 * time.Hour

// maxAdministrators is how many get the mail.
const maxAdministrators = 50

// trouble is one parked account, as far as it is listed.
type trouble struct {
	account string
	address relay.Address
	reason  string
	since   time.Time
	told    time.Time // its administrators
}

// troubles is what is wrong in one organisation.
type troubles struct {
	parked []trouble
	last   time.Time // the last mail to the administrators, of any of its accounts
}

// gather adds an account to those of its organisation. What a working account was told
// of counts as well, as long as its record keeps that: it says when the last mail was.
// Run remembers it besides, so that only a restart right after all listed accounts were
// mended can make the next mail come before its day is over.
func gather(orgs map[string]*troubles, a *relay.Account) {
	if a.Organisation == "" || (a.State != relay.AccountParked && a.Told.Administrator.IsZero()) {
		return
	}
	t := orgs[a.Organisation]
	if t == nil {
		t = &troubles{}
		orgs[a.Organisation] = t
	}
	t.last = later(t.last, a.Told.Administrator)
	if a.State == relay.AccountParked {
		t.parked = append(t.parked, trouble{a.ID, a.Address, a.StateReason, a.StateSince, a.Told.Administrator})
	}
}

// plan gives the moment of the next mail and what it lists; a zero moment if none is
// due. It follows from its arguments alone:
//   - the moment is when the first account that nobody was told of has been in
//     trouble for tellAfter, or a day after the last mail if that is later;
//   - the mail lists every account that was in trouble at that moment.
//
// So a program that stopped between the mail and the notes about it plans the same
// mail again, which the queue knows. Accounts that the last mail listed and whose
// note is missing are given as unnoted: they belong to that mail.
func plan(t *troubles, tellAfter time.Duration, now time.Time) (at time.Time, listed, unnoted []trouble) {
	var first time.Time
	for _, p := range t.parked {
		switch {
		case covers(p.told, p.since):
			continue
		case covers(t.last, p.since):
			unnoted = append(unnoted, p)
			continue
		}
		if due := p.since.Add(tellAfter); first.IsZero() || due.Before(first) {
			first = due
		}
	}
	if first.IsZero() {
		return time.Time{}, nil, unnoted
	}
	if !t.last.IsZero() {
		first = later(first, t.last.Add(perOrganisation))
	}
	if first.After(now) {
		return time.Time{}, nil, unnoted
	}
	for _, p := range t.parked {
		if !p.since.After(first) {
			listed = append(listed, p)
		}
	}
	slices.SortFunc(listed, func(a, b trouble) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.account, b.account))
	})
	return first.UTC(), listed, unnoted
}

// tellAdministrators makes the mails that are due, organisation by organisation.
func (s *Service) tellAdministrators(ctx context.Context, orgs map[string]*troubles) error {
	var faults failures
	var all map[string][]relay.Address // administrators, read when the first are needed
	for id, t := range orgs {
		t.last = later(t.last, s.told[id])
		policy, err := s.policy(ctx, id)
		if err != nil {
			faults.add(err)
			continue
		}
		tellAfter := policy.TellAfter
		if tellAfter <= 0 {
			tellAfter = relay.DefaultTellAfter
		}
		at, listed, unnoted := plan(t, tellAfter, time.Now())
		for _, p := range unnoted {
			faults.add(s.noteAdministrators(ctx, p, t.last))
		}
		if at.IsZero() {
			continue
		}
		if all == nil {
			if all, err = s.administrators(ctx); err != nil {
				faults.add(err)
				break
			}
		}
		if to := all[id]; len(to) > 0 {
			faults.add(s.tellOrganisation(ctx, id, to, at, listed))
		}
	}
	return faults.err()
}

// tellOrganisation makes one mail, then notes it in each account.
func (s *Service) tellOrganisation(ctx context.Context, id string, to []relay.Address, at time.Time, listed []trouble) error {
	w := administratorWords{Host: s.o.Hostname, BaseURL: s.o.BaseURL, Listed: listed}
	l := &letter{
		kind: KindAdministrators, id: derive(s.names, at, "administrators\x00"+id+"\x00"+strconv.FormatInt(at.UnixNano(), 10)),
		organisation: id, to: to, subject: w.subject(), pieces: w.pieces(),
	}
	if err := s.put(ctx, l); err != nil {
		return err
	}
	s.told[id] = at
	var faults failures
	for _, p := range listed {
		if !covers(p.told, p.since) {
			faults.add(s.noteAdministrators(ctx, p, at))
		}
	}
	return faults.err()
}

func (s *Service) noteAdministrators(ctx context.Context, p trouble, at time.Time) error {
	return s.note(ctx, p.account, func(a *relay.Account) bool {
		if a.State != relay.AccountParked || !a.StateSince.Equal(p.since) || covers(a.Told.Administrator, p.since) {
			return false
		}
		a.Told.Administrator = at
		return true
	})
}

// administrators gives the addresses of the administrators, by organisation.
func (s *Service) administrators(ctx context.Context) (map[string][]relay.Address, error) {
	found := map[string][]relay.Address{}
	for after := ""; ; {
		page, err := s.o.Users.List(ctx, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("read the users: %w", err)
		}
		for _, u := range page {
			after = u.ID
			if u.Administrator && u.Organisation != "" && !u.Address.IsZero() && len(found[u.Organisation]) < maxAdministrators {
				found[u.Organisation] = append(found[u.Organisation], u.Address)
			}
		}
		if len(page) < pageSize {
			return found, nil
		}
	}
}
