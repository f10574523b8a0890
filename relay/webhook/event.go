package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// pageSize is how many records are read in one step.
const pageSize = 200

// ping is the type of what Test sends.
const ping = "ping"

// body is what a call carries. Its names are part of the interface to programs: a
// change is noted in CHANGELOG.md.
type body struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // RFC 3339, UTC
	Data      any    `json:"data"`
}

type eventData struct {
	Account      string `json:"account"`
	Organisation string `json:"organisation"`
	Address      string `json:"address"`
	State        string `json:"state"`
	Rule         string `json:"rule"`
	Reason       string `json:"reason"`
	By           string `json:"by"`
}

type pingData struct {
	Webhook      string `json:"webhook"`
	Organisation string `json:"organisation"`
}

func encode(kind string, at time.Time, data any) ([]byte, error) {
	return json.Marshal(body{Type: kind, Timestamp: at.UTC().Format(time.RFC3339Nano), Data: data})
}

func bodyOf(e *relay.AccountEvent) ([]byte, error) {
	return encode(string(e.Kind), e.At, eventData{
		Account: e.Account, Organisation: e.Organisation, Address: e.Address.String(), State: string(e.State),
		Rule: relay.Printable(e.Rule), Reason: relay.Printable(e.Reason), By: relay.Printable(e.By),
	})
}

// typeOf reads the type of a body that was kept.
func typeOf(text []byte) string {
	var b struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(text, &b) != nil {
		return "unreadable"
	}
	return relay.Printable(b.Type)
}

// callID follows from webhook and body: the same event again is the same call.
func callID(webhook string, at time.Time, text []byte) string {
	sum := sha256.Sum256(append([]byte(webhook+"\x00"), text...))
	id := relay.NewID(at)
	copy(id[6:], sum[:])
	return "msg_" + id.String()
}

// wants reports whether a webhook is to hear of an event.
func wants(w *relay.Webhook, e *relay.AccountEvent) bool {
	return !w.Disabled && (w.Organisation == "" || w.Organisation == e.Organisation) &&
		(len(w.Events) == 0 || slices.Contains(w.Events, e.Kind))
}

// Emit keeps one call for every webhook that wants the event. It returns nil when all
// of them are durable; after an error some may be, and the same event can be emitted
// again: what waits already is not doubled. It writes to the directory, so that
// whoever must not wait uses Tell.
func (s *Service) Emit(ctx context.Context, e relay.AccountEvent) error {
	now := time.Now()
	if e.At.IsZero() {
		e.At = now
	}
	text, err := bodyOf(&e)
	if err != nil {
		return fmt.Errorf("write the event %s: %w", e.Kind, err)
	}
	var errs []error
	for after := ""; ; {
		page, err := s.o.Webhooks.List(ctx, after, pageSize)
		if err != nil {
			return errors.Join(append(errs, fmt.Errorf("read the webhooks: %w", err))...)
		}
		for _, w := range page {
			after = w.ID
			if wants(w, &e) {
				errs = append(errs, s.keep(ctx, &relay.WebhookCall{
					ID: callID(w.ID, e.At, text), Webhook: w.ID, Body: text, Created: now, Next: now,
				}))
			}
		}
		if len(page) < pageSize {
			return errors.Join(errs...)
		}
	}
}

// keep makes a call durable, then lets its lane know of it.
func (s *Service) keep(ctx context.Context, c *relay.WebhookCall) error {
	err := s.o.Calls.Put(ctx, c)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("keep an event for webhook %s: %w", c.Webhook, err)
	}
	s.admit(ctx, c)
	return nil
}

// admit puts a call into its lane. If too many wait then, the oldest of the fullest
// lane goes: a dead webhook must not push out what others wait for.
func (s *Service) admit(ctx context.Context, c *relay.WebhookCall) {
	dropped := s.lanes.add(&item{
		id: c.ID, webhook: c.Webhook, event: typeOf(c.Body), created: c.Created, next: c.Next, attempts: c.Attempts,
	})
	if dropped != nil {
		s.drop(ctx, dropped, fmt.Sprintf("more than %d calls wait", s.o.MaxWaiting))
	}
}

// drop removes a call that is in no lane any more. If that fails it comes back with
// the next start.
func (s *Service) drop(ctx context.Context, i *item, reason string) {
	s.o.Observer.WebhookDropped(i.webhook, i.event, reason)
	if err := s.o.Calls.Delete(ctx, i.id); err != nil && !errors.Is(err, store.ErrNotFound) {
		s.fault(fmt.Errorf("remove call %s: %w", i.id, err))
	}
}

func (s *Service) fault(err error) { s.o.Observer.Fault("webhook", relay.ID{}, err) }
