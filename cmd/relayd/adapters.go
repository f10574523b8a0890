package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/metrics"
	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/direct"
	"github.com/relayd/relayd/relay/queue"
	"github.com/relayd/relayd/store"
)

// The adapters join steps that must not know each other: each gives one step the
// interface that it declared, out of what another one offers.

// observers passes every event on to each of them.
type observers []queue.Observer

func (all observers) Attempted(m *relay.Message, r relay.Route, a *relay.Attempt) {
	for _, o := range all {
		o.Attempted(m, r, a)
	}
}

func (all observers) Held(m *relay.Message, h *relay.Hold) {
	for _, o := range all {
		o.Held(m, h)
	}
}

func (all observers) Released(m *relay.Message, by string) {
	for _, o := range all {
		o.Released(m, by)
	}
}

func (all observers) Copied(m *relay.Message, k *relay.Copy) {
	for _, o := range all {
		o.Copied(m, k)
	}
}

func (all observers) Reported(m *relay.Message, kind relay.ReportKind, id relay.ID) {
	for _, o := range all {
		o.Reported(m, kind, id)
	}
}

func (all observers) Cancelled(m *relay.Message, by string) {
	for _, o := range all {
		o.Cancelled(m, by)
	}
}

func (all observers) Done(m *relay.Message, s *relay.State) {
	for _, o := range all {
		o.Done(m, s)
	}
}

func (all observers) Fault(step string, id relay.ID, err error) {
	for _, o := range all {
		o.Fault(step, id, err)
	}
}

// accountNews is what the conductor needs of the accounts: to park one, and to hear
// of changes.
type accountNews struct {
	*account.Service
	ended     <-chan struct{} // when the program is: ends the waiting of Changed
	directory store.Directory
}

// Changed watches everything that can change a route.
func (p accountNews) Changed() <-chan struct{} {
	accounts := p.directory.Changed(store.KindAccount, "")
	users := p.directory.Changed(store.KindUser, "")
	organisations := p.directory.Changed(store.KindOrganisation, "")
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		select {
		case <-accounts:
		case <-users:
		case <-organisations:
		case <-p.ended:
		}
	}()
	return changed
}

// control gives the API the conductor's controls, with refusals in its own words.
type control struct{ *queue.Conductor }

func (c control) Hold(ctx context.Context, id relay.ID, by, reason string) error {
	return conflict(c.Conductor.Hold(ctx, id, by, reason))
}

func (c control) Release(ctx context.Context, id relay.ID, by string) error {
	return conflict(c.Conductor.Release(ctx, id, by))
}

func (c control) Retry(ctx context.Context, id relay.ID, by string) error {
	err := c.Conductor.Retry(ctx, id, by)
	if errors.Is(err, queue.ErrHeld) {
		return &admin.Conflict{Message: "The message is held, so it is not tried: release it, or mend what it is held for.", Cause: err}
	}
	return conflict(err)
}

func (c control) Cancel(ctx context.Context, id relay.ID, by string) error {
	return conflict(c.Conductor.Cancel(ctx, id, by))
}

func conflict(err error) error {
	for _, refusal := range []error{queue.ErrHeld, queue.ErrNotHeld, queue.ErrSettled} {
		if errors.Is(err, refusal) {
			return &admin.Conflict{Message: refusal.Error(), Cause: err}
		}
	}
	return err
}

// The place of a DKIM key among the sealed secrets.
const (
	sealedKey     = "key"
	sealedPrivate = "private"
)

// keyMaker makes DKIM keys for the API.
type keyMaker struct{ box *secretbox.Box }

func (k keyMaker) Generate(_ context.Context, key *relay.Key) error {
	private, err := direct.GenerateKey(key.Algorithm)
	if err != nil {
		return err
	}
	key.Private = k.box.Seal(sealedKey, key.ID, sealedPrivate, private)
	return nil
}

func (k keyMaker) Record(_ context.Context, key *relay.Key) (name, value string, err error) {
	private, err := k.box.Unseal(sealedKey, key.ID, sealedPrivate, key.Private)
	if err != nil {
		return "", "", fmt.Errorf("unseal the DKIM key %s: %w", key.ID, err)
	}
	return direct.DNSRecord(key.Domain, key.Selector, key.Algorithm, private)
}

// signingKeys gives the direct route the keys of the directory.
type signingKeys struct {
	box       *secretbox.Box
	directory store.Directory
}

func (s signingKeys) Keys(ctx context.Context, domain string) ([]direct.SigningKey, error) {
	records, err := s.directory.KeysOf(ctx, domain)
	if err != nil {
		return nil, err
	}
	keys := make([]direct.SigningKey, 0, len(records))
	for i := range records {
		r := &records[i]
		private, err := s.box.Unseal(sealedKey, r.ID, sealedPrivate, r.Private)
		if err != nil {
			return nil, fmt.Errorf("unseal the DKIM key %s of %s: %w", r.ID, domain, err)
		}
		keys = append(keys, direct.SigningKey{
			ID: r.ID, Revision: r.Revision, Domain: r.Domain, Selector: r.Selector,
			Algorithm: r.Algorithm, Created: r.Created, Private: relay.Secret(private),
		})
	}
	return keys, nil
}

// upstreamMetrics counts connections of the account route.
type upstreamMetrics struct{ *metrics.Metrics }

func (m upstreamMetrics) UpstreamConnected(bool, time.Duration) {
	m.Connection(relay.RouteAccount, false)
}

func (m upstreamMetrics) UpstreamReused() { m.Connection(relay.RouteAccount, true) }
