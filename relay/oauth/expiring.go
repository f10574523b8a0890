package oauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relayd/relayd/relay"
)

// Expiry is one entry of the expiry calendar.
type Expiry struct {
	Kind    ExpiryKind
	At      time.Time // zero for ExpiryEnded: it is over already
	App     string    // id of the application
	Name    string    // its name
	Account string    // id; empty for ExpirySecret
	// Organisation of the account or, for ExpirySecret, of the application.
	Organisation string
	Address      string // of the account
	Reason       string // for ExpiryEnded: the vendor's words
}

// ExpiryKind is what ends.
type ExpiryKind string

// The kinds.
const (
	ExpiryIdle    ExpiryKind = "consent_idle"    // a consent ends because nobody used it
	ExpiryTesting ExpiryKind = "consent_testing" // one of an application in testing (Google: 7 days)
	ExpiryEnded   ExpiryKind = "consent_ended"   // it has ended: somebody must consent anew
	ExpirySecret  ExpiryKind = "client_secret"   //nolint:gosec // the name of a kind
)

// Expiring tells what ends or has ended, for an organisation; the empty one is all of
// them. The nearest comes first. Consents that end for want of use are told within
// Options.Horizon only: as long as relayd keeps them alive their end moves on.
func (s *Service) Expiring(ctx context.Context, organisation string) ([]Expiry, error) {
	apps, err := s.allApps(ctx)
	if err != nil {
		return nil, err
	}
	limit := time.Now().Add(s.o.Horizon)
	var out []Expiry
	for _, app := range apps {
		if organisation != "" && app.Organisation != organisation {
			continue
		}
		if !app.SecretExpires.IsZero() {
			out = append(out, Expiry{Kind: ExpirySecret, At: app.SecretExpires, App: app.ID, Name: app.Name, Organisation: app.Organisation})
		}
	}
	after := ""
	for {
		page, err := s.o.Grants.List(ctx, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("list the consents: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, g := range page {
			e, ok := s.expiry(g, apps[g.App], limit)
			if !ok {
				continue
			}
			if ok, err = s.concerns(ctx, &e, organisation); err != nil {
				return nil, err
			}
			if ok {
				out = append(out, e)
			}
		}
		after = page[len(page)-1].ID
	}
	slices.SortStableFunc(out, func(a, b Expiry) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Account, b.Account)
	})
	return out, nil
}

func (s *Service) allApps(ctx context.Context) (map[string]*relay.App, error) {
	apps := map[string]*relay.App{}
	after := ""
	for {
		page, err := s.o.Apps.List(ctx, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("list the applications: %w", err)
		}
		if len(page) == 0 {
			return apps, nil
		}
		for _, app := range page {
			apps[app.ID] = app
		}
		after = page[len(page)-1].ID
	}
}

// expiry is what comes first for a consent; for want of use only if it comes before limit.
func (s *Service) expiry(g *relay.Grant, app *relay.App, limit time.Time) (Expiry, bool) {
	e := Expiry{App: g.App, Account: accountOf(g), Address: g.Address}
	if app == nil {
		return e, false
	}
	e.Name = app.Name
	v := s.vendors[app.Vendor]
	switch {
	case g.Ended != "":
		e.Kind, e.Reason = ExpiryEnded, g.Ended
		return e, true
	case v == nil:
		return e, false
	case app.Testing && v.Testing > 0:
		e.Kind, e.At = ExpiryTesting, g.Obtained.Add(v.Testing)
	case v.Idle > 0:
		e.Kind, e.At = ExpiryIdle, g.Used.Add(v.Idle)
		return e, e.At.Before(limit)
	default:
		return e, false
	}
	return e, true
}

// concerns reports whether the entry is of an account of the organisation. A consent
// without an account is of one that is not made yet, or no more: nobody's concern.
func (s *Service) concerns(ctx context.Context, e *Expiry, organisation string) (bool, error) {
	a, err := s.o.Accounts.Get(ctx, e.Account)
	if isNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, errors.Join(fmt.Errorf("read account %s", e.Account), err)
	}
	e.Address, e.Organisation = a.Address.String(), a.Organisation
	return organisation == "" || a.Organisation == organisation, nil
}
