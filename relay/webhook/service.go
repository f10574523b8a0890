package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

const (
	maxTold    = 1024            // events that wait to be kept
	maxTests   = 4               // of Test at one time
	maxRaces   = 16              // tries to change a record that others change as well
	storePause = time.Minute     // after the directory could not be asked
	drainTime  = 5 * time.Second // at the end, for what was told and is not kept yet
)

// Service calls webhooks. Its methods may be called concurrently.
type Service struct {
	o      Options
	lanes  *lanes
	told   chan relay.AccountEvent
	tests  chan struct{}
	secure http.RoundTripper
	plain  http.RoundTripper
}

// New makes a Service. Run makes the calls.
func New(o Options) *Service {
	o.fill()
	s := &Service{
		o: o, lanes: newLanes(o.Workers, o.MaxWaiting),
		told: make(chan relay.AccountEvent, maxTold), tests: make(chan struct{}, maxTests),
	}
	s.secure, s.plain = s.transport(s.dial), s.transport(s.dialPlain)
	return s
}

// Tell takes an event and returns at once: Run keeps it. It is for whoever must not
// wait for the directory. An event for which there is no room is lost, which the
// Observer is told.
func (s *Service) Tell(e relay.AccountEvent) {
	if e.At.IsZero() {
		e.At = time.Now()
	}
	select {
	case s.told <- e:
	default:
		s.o.Observer.WebhookLost(string(e.Kind), e.Account, fmt.Errorf("%d events wait to be kept", maxTold))
	}
}

// Run makes the calls until ctx ends, beginning with those that were kept before. It
// returns nil then; a call that is under way is broken off, and made again after the
// next start.
func (s *Service) Run(ctx context.Context) error {
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() { s.keepTold(ctx) })
	working.Go(func() { s.load(ctx) })
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		i, wait := s.lanes.next(time.Now())
		if i != nil {
			working.Go(func() { s.lanes.release(i, s.attempt(ctx, i)) })
			continue
		}
		if wait == 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-s.lanes.wake:
		case <-timer.C:
		}
	}
	return nil
}

// keepTold keeps what Tell took. At the end it keeps what is there.
func (s *Service) keepTold(ctx context.Context) {
	for {
		select {
		case e := <-s.told:
			s.keepOne(context.WithoutCancel(ctx), e)
		case <-ctx.Done():
			s.drain(context.WithoutCancel(ctx))
			return
		}
	}
}

func (s *Service) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for {
		select {
		case e := <-s.told:
			s.keepOne(ctx, e)
		default:
			return
		}
	}
}

func (s *Service) keepOne(ctx context.Context, e relay.AccountEvent) {
	if err := s.Emit(ctx, e); err != nil {
		s.o.Observer.WebhookLost(string(e.Kind), e.Account, err)
		return
	}
	s.o.Kept(ctx, e)
}

// load takes in what was kept before. A directory that does not answer is asked
// again.
func (s *Service) load(ctx context.Context) {
	timer := time.NewTimer(storePause)
	defer timer.Stop()
	for after := ""; ctx.Err() == nil; {
		page, err := s.o.Calls.List(ctx, after, pageSize)
		if err != nil {
			if ctx.Err() == nil {
				s.fault(fmt.Errorf("read the calls that wait: %w", err))
			}
			timer.Reset(storePause)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			continue
		}
		for _, c := range page {
			after = c.ID
			s.admit(ctx, c)
		}
		if len(page) < pageSize {
			return
		}
	}
}

// attempt makes one call, and says whether it is to be made again.
func (s *Service) attempt(ctx context.Context, i *item) (again bool) {
	if i.done {
		return s.remove(ctx, i)
	}
	c, w, err := s.read(ctx, i)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			s.fault(err)
		}
		return s.later(i)
	case c == nil:
		return false
	case w == nil:
		s.drop(ctx, i, "the webhook was deleted")
		return false
	case w.Disabled:
		s.drop(ctx, i, "the webhook is switched off")
		return false
	}
	r := s.call(ctx, w, c.ID, c.Body)
	if ctx.Err() != nil && r.err != nil {
		return true // broken off: it counts as no attempt
	}
	i.attempts = max(i.attempts, c.Attempts) + 1
	s.o.Observer.WebhookCalled(w.ID, i.event, r.status, i.attempts, r.err)
	switch {
	case r.err == nil:
		return s.remove(ctx, i)
	case r.status == http.StatusGone:
		return s.gone(ctx, w, i)
	}
	return s.retry(ctx, i, c, r)
}

// read gives the call and its webhook as they are now; what is gone is nil.
func (s *Service) read(ctx context.Context, i *item) (*relay.WebhookCall, *relay.Webhook, error) {
	c, err := s.o.Calls.Get(ctx, i.id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read call %s: %w", i.id, err)
	}
	w, err := s.o.Webhooks.Get(ctx, c.Webhook)
	if errors.Is(err, store.ErrNotFound) {
		return c, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read webhook %s: %w", c.Webhook, err)
	}
	return c, w, nil
}

// later waits for the directory. It counts as no attempt.
func (s *Service) later(i *item) bool {
	i.next = time.Now().Add(storePause)
	return true
}

// remove ends a call that was taken. As long as its record cannot be removed that is
// tried again, and the call is not made: after a restart it would be, with its id.
func (s *Service) remove(ctx context.Context, i *item) (again bool) {
	i.done = true
	if err := s.o.Calls.Delete(context.WithoutCancel(ctx), i.id); err != nil && !errors.Is(err, store.ErrNotFound) {
		if ctx.Err() == nil {
			s.fault(fmt.Errorf("remove call %s: %w", i.id, err))
		}
		return s.later(i)
	}
	return false
}

// retry plans the next attempt, or gives the call up.
func (s *Service) retry(ctx context.Context, i *item, c *relay.WebhookCall, r result) (again bool) {
	pauses := Retries()
	if i.attempts > len(pauses) {
		s.o.Observer.WebhookGivenUp(i.webhook, i.event, i.attempts)
		return s.remove(ctx, i)
	}
	i.next = time.Now().Add(pauses[i.attempts-1])
	c.Attempts, c.Next, c.Answer = i.attempts, i.next.UTC(), r.words()
	// What cannot be kept holds until the next start; then the call is made earlier.
	if err := s.o.Calls.Put(ctx, c); err != nil && ctx.Err() == nil {
		s.fault(fmt.Errorf("keep the outcome of call %s: %w", i.id, err))
	}
	return true
}

// gone switches off a webhook that answered 410, if it still is what was called. The
// other calls that wait for it are dropped when their turn comes.
func (s *Service) gone(ctx context.Context, called *relay.Webhook, i *item) (again bool) {
	for range maxRaces {
		w, err := s.o.Webhooks.Get(ctx, called.ID)
		if err == nil && w.URL == called.URL && !w.Disabled {
			w.Disabled = true
			if err = s.o.Webhooks.Put(ctx, w); err == nil {
				s.o.Observer.WebhookDisabled(w.ID)
			}
		}
		switch {
		case err == nil, errors.Is(err, store.ErrNotFound):
			return s.remove(ctx, i)
		case errors.Is(err, store.ErrStale):
			continue
		}
		if ctx.Err() == nil {
			s.fault(fmt.Errorf("switch off webhook %s: %w", called.ID, err))
		}
		break
	}
	return s.later(i) // it is called again, and says so again
}
