package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// messages serves the queue: what waits, what became of every message, and the
// four things that a person may do to one that waits.
type messages struct {
	*desk
	queue     Queue
	conductor Conductor
}

func (m messages) register(a huma.API) {
	list(m.desk, a, "message", "/messages", "List messages, the newest first", m.list)
	get(m.desk, a, "message", "/messages/{id}", "Show a message with its timeline", m.get)
	act(m.desk, a, "hold-message", "/messages/{id}/hold", "Hold a message until it is released", m.hold)
	act(m.desk, a, "release-message", "/messages/{id}/release", "Release a held message", m.release)
	act(m.desk, a, "retry-message", "/messages/{id}/retry", "Try a message again now", m.retry)
	act(m.desk, a, "cancel-message", "/messages/{id}/cancel", "End a message for all recipients that still wait, without a report", m.cancel)
	get(m.desk, a, "queue", "/queue", "Show how much waits", m.usage)
}

type listMessages struct {
	Paging
	Outcome   string `query:"outcome" enum:"pending,deferred,unknown,held,delivered,failed,cancelled" doc:"Some recipient stands so"`
	Held      bool   `query:"held" doc:"Held as a whole"`
	Waiting   bool   `query:"waiting" doc:"Something is left to do"`
	Submitter string `query:"submitter" maxLength:"64" doc:"The id of the submitter"`
	From      string `query:"from" maxLength:"320" doc:"The mailbox of the From field"`
	Recipient string `query:"recipient" maxLength:"320" doc:"Some recipient"`
	MessageID string `query:"message_id" maxLength:"998" doc:"The Message-ID field with its angle brackets"`
	Account   string `query:"account" maxLength:"64" doc:"The id of the account of the route"`
}

func (m messages) list(ctx context.Context, in *listMessages) (*listed[api.Message], error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	f.Organisation = who.Organisation
	page, err := m.queue.List(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &listed[api.Message]{Body: api.List[api.Message]{Items: make([]api.Message, 0, len(page.Records))}}
	for i := range page.Records {
		// The filter has done it; this makes an engine's mistake no leak.
		if r := &page.Records[i]; who.reaches(r.Message.Organisation) {
			out.Body.Items = append(out.Body.Items, viewMessage(r, m.waits(ctx, r)))
		}
	}
	if n := len(page.Records); page.More && n > 0 {
		out.Body.Next = page.Records[n-1].Message.ID.String()
	}
	return out, nil
}

// filter turns the query into the queue's filter.
func (in *listMessages) filter() (store.Filter, error) {
	f := store.Filter{
		Held: in.Held, Waiting: in.Waiting, Submitter: in.Submitter,
		HeaderID: in.MessageID, Account: in.Account, Limit: in.Limit,
	}
	if in.Outcome != "" {
		var o relay.Outcome
		if err := o.UnmarshalText([]byte(in.Outcome)); err != nil {
			return f, err
		}
		f.Outcome = &o
	}
	for _, a := range []struct {
		name, typed string
		key         *string
	}{{"from", in.From, &f.From}, {"recipient", in.Recipient, &f.Recipient}} {
		if a.typed == "" {
			continue
		}
		address, err := mailaddr.Parse(a.typed)
		if err != nil {
			return f, wrongQuery(a.name, "That is not an e-mail address.")
		}
		*a.key = address.Key()
	}
	if in.Cursor != "" {
		after, err := relay.ParseID(in.Cursor)
		if err != nil {
			return f, wrongQuery("cursor", "That is not a cursor of this list.")
		}
		f.After = after
	}
	return f, nil
}

// wrongQuery refuses one parameter of the query.
func wrongQuery(name, message string) error {
	return problem(http.StatusUnprocessableEntity, message, &huma.ErrorDetail{Location: "query." + name, Message: message})
}

// detail is the answer with one message.
type detail struct {
	Body api.MessageDetail
}

func (m messages) get(ctx context.Context, in *byID) (*detail, error) {
	record, events, err := m.reach(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &detail{Body: viewDetail(record, m.waits(ctx, record), events)}, nil
}

// waits tells what stands in the way of a message.
func (m messages) waits(ctx context.Context, r *store.Record) []relay.Wait {
	if status(r) != "waiting" {
		return nil
	}
	return m.conductor.Waits(ctx, r.Message, r.State)
}

// reach gets a message within the caller's reach. A text that is no id at all is
// not found as well.
func (m messages) reach(ctx context.Context, typed string) (*store.Record, []relay.Event, error) {
	id, err := relay.ParseID(typed)
	if err != nil {
		return nil, nil, store.ErrNotFound
	}
	record, events, err := m.queue.Timeline(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if !callerOf(ctx).reaches(record.Message.Organisation) {
		return nil, nil, store.ErrNotFound
	}
	return record, events, nil
}

type holdInput struct {
	ID   string `path:"id" maxLength:"64"`
	Body api.HoldInput
}

func (m messages) hold(ctx context.Context, in *holdInput) (*detail, error) {
	if err := plainText("reason", in.Body.Reason); err != nil {
		return nil, err
	}
	return m.steer(ctx, in.ID, func(id relay.ID, by string) error {
		return m.conductor.Hold(ctx, id, by, in.Body.Reason)
	})
}

func (m messages) release(ctx context.Context, in *byID) (*detail, error) {
	return m.steer(ctx, in.ID, func(id relay.ID, by string) error { return m.conductor.Release(ctx, id, by) })
}

func (m messages) retry(ctx context.Context, in *byID) (*detail, error) {
	return m.steer(ctx, in.ID, func(id relay.ID, by string) error { return m.conductor.Retry(ctx, id, by) })
}

func (m messages) cancel(ctx context.Context, in *byID) (*detail, error) {
	return m.steer(ctx, in.ID, func(id relay.ID, by string) error { return m.conductor.Cancel(ctx, id, by) })
}

// steer lets the conductor change a waiting message and answers with how it
// stands then.
func (m messages) steer(ctx context.Context, typed string, do func(relay.ID, string) error) (*detail, error) {
	record, _, err := m.reach(ctx, typed)
	if err != nil {
		return nil, err
	}
	if !record.Retired.IsZero() {
		return nil, settled()
	}
	err = do(record.Message.ID, callerOf(ctx).Name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, settled()
	case errors.Is(err, store.ErrStale):
		return nil, &Conflict{Message: "The message changed at this very moment. Look at it and try again."}
	case err != nil:
		return nil, err
	}
	return m.get(ctx, &byID{ID: typed})
}

// settled refuses to change a message that exists no longer but in its history.
func settled() error {
	return &Conflict{Message: "Nothing is left to do for this message, so it cannot be changed any more."}
}

type usage struct {
	Body api.Usage
}

func (m messages) usage(ctx context.Context, _ *struct{}) (*usage, error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	u := m.queue.Usage()
	return &usage{Body: api.Usage{Messages: u.Messages, Bytes: u.Bytes}}, nil
}
