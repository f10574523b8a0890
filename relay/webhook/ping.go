package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// ErrBusy means that as many tests run as may at one time. It may work later.
var ErrBusy = errors.New("other webhooks are being tried at this moment")

// Tried is what came of Test.
type Tried struct {
	Taken   bool // the endpoint answered 2xx
	Status  int  // 0 if no answer came
	Message string
}

// Test sends a ping to a webhook, once and now, also to one that is switched off, and
// tells in plain words what came of it. The error is store.ErrNotFound, another one
// of the directory, or ErrBusy.
func (s *Service) Test(ctx context.Context, id string) (*Tried, error) {
	select {
	case s.tests <- struct{}{}:
		defer func() { <-s.tests }()
	default:
		return nil, ErrBusy
	}
	w, err := s.o.Webhooks.Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read webhook %s: %w", id, err)
	}
	now := time.Now()
	text, err := encode(ping, now, pingData{Webhook: w.ID, Organisation: w.Organisation})
	if err != nil {
		return nil, fmt.Errorf("write a ping: %w", err)
	}
	r := s.call(ctx, w, "msg_"+relay.NewID(now).String(), text)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.o.Observer.WebhookCalled(w.ID, ping, r.status, 1, r.err)
	tried := &Tried{Taken: r.err == nil, Status: r.status}
	if tried.Taken {
		tried.Message = fmt.Sprintf("The endpoint answered %d: the webhook works.", r.status)
	} else {
		tried.Message = "The ping was not taken: " + r.words() + "."
	}
	if w.Disabled {
		tried.Message += " The webhook is switched off, so no events are sent to it."
	}
	return tried, nil
}
