package admin

import (
	"context"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// webhooks serves where organisations hear of events. Each secret is shown in the one
// answer that made it.
type webhooks struct {
	*desk
	maker Webhooks
}

func (s webhooks) register(a huma.API) {
	list(s.desk, a, "webhook", "/webhooks", "List webhooks", s.list)
	create(s.desk, a, "webhook", "/webhooks", "Make a webhook; the answer shows its secret once", s.create)
	get(s.desk, a, "webhook", "/webhooks/{id}", "Show a webhook", s.get)
	put(s.desk, a, "webhook", "/webhooks/{id}", "Change a webhook", s.put)
	remove(s.desk, a, "webhook", "/webhooks/{id}", "Delete a webhook", s.remove)
	act(s.desk, a, "rotate-webhook-secret", "/webhooks/{id}/secret",
		"Replace the secret of a webhook; the answer shows the new one once, the old one ends", s.rotate)
	act(s.desk, a, "test-webhook", "/webhooks/{id}/test", "Send a ping to a webhook", s.test)
}

func webhookOwner(w *relay.Webhook) string { return w.Organisation }

func viewWebhook(w *relay.Webhook) api.Webhook {
	return api.Webhook{
		ID: w.ID, Organisation: w.Organisation, URL: w.URL, Events: texts(words(w.Events)),
		Disabled: w.Disabled, Created: w.Created.UTC(), Revision: w.Revision,
	}
}

type listWebhooks struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
}

func (s webhooks) list(ctx context.Context, in *listWebhooks) (*listed[api.Webhook], error) {
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.Webhooks(), in.Paging, func(r *relay.Webhook) string { return r.ID },
		func(r *relay.Webhook) bool {
			return who.reaches(r.Organisation) && (in.Organisation == "" || in.Organisation == r.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.Webhook]{Body: api.List[api.Webhook]{Items: views(recs, viewWebhook), Next: next}}, nil
}

func (s webhooks) create(ctx context.Context, in *creation[api.WebhookInput]) (*made[api.WebhookSecret], error) {
	rec := &relay.Webhook{ID: newID("hook", s.now()), Organisation: in.Body.Organisation, Created: s.now().UTC()}
	if !callerOf(ctx).reaches(rec.Organisation) {
		return nil, wrong("organisation", "Name your organisation: a webhook without one is the operator's.")
	}
	if err := s.apply(rec, in.Body); err != nil {
		return nil, err
	}
	secret, err := s.seal(rec)
	if err != nil {
		return nil, err
	}
	if err := s.dir.Webhooks().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.WebhookSecret]{
		ETag: etag(rec.Revision), Location: api.Prefix + "/webhooks/" + rec.ID,
		Body: api.WebhookSecret{Webhook: viewWebhook(rec), Secret: secret.Reveal()},
	}, nil
}

func (s webhooks) get(ctx context.Context, in *byID) (*shown[api.Webhook], error) {
	rec, err := find(ctx, s.dir.Webhooks(), in.ID, webhookOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.Webhook]{ETag: etag(rec.Revision), Body: viewWebhook(rec)}, nil
}

func (s webhooks) put(ctx context.Context, in *change[api.WebhookInput]) (*shown[api.Webhook], error) {
	rec, err := find(ctx, s.dir.Webhooks(), in.ID, webhookOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if in.Body.Organisation != "" && in.Body.Organisation != rec.Organisation {
		return nil, wrong("organisation", "A webhook cannot be given to another organisation. Make a new one.")
	}
	if err := s.apply(rec, in.Body); err != nil {
		return nil, err
	}
	if err := s.dir.Webhooks().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.Webhook]{ETag: etag(rec.Revision), Body: viewWebhook(rec)}, nil
}

func (s webhooks) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Webhooks(), in.ID, webhookOwner); err != nil {
		return nil, err
	}
	return nil, s.dir.Webhooks().Delete(ctx, in.ID)
}

func (s webhooks) rotate(ctx context.Context, in *byID) (*shown[api.WebhookSecret], error) {
	rec, err := find(ctx, s.dir.Webhooks(), in.ID, webhookOwner)
	if err != nil {
		return nil, err
	}
	secret, err := s.seal(rec)
	if err != nil {
		return nil, err
	}
	if err := s.dir.Webhooks().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.WebhookSecret]{
		ETag: etag(rec.Revision), Body: api.WebhookSecret{Webhook: viewWebhook(rec), Secret: secret.Reveal()},
	}, nil
}

type trial struct{ Body api.WebhookTrial }

func (s webhooks) test(ctx context.Context, in *byID) (*trial, error) {
	if _, err := find(ctx, s.dir.Webhooks(), in.ID, webhookOwner); err != nil {
		return nil, err
	}
	tried, err := s.maker.Test(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &trial{Body: tried}, nil
}

// seal gives the webhook a fresh secret.
func (s webhooks) seal(rec *relay.Webhook) (relay.Secret, error) {
	secret, sealed, err := s.maker.NewSecret(rec.ID)
	rec.Secret = sealed
	return secret, err
}

// apply checks the input and writes it into rec.
func (s webhooks) apply(rec *relay.Webhook, in api.WebhookInput) error {
	if err := s.maker.CheckURL(in.URL); err != nil {
		return err
	}
	known := s.maker.Events()
	rec.Events = nil
	for _, e := range in.Events {
		if !slices.Contains(known, e) {
			return wrong("events", "There is no event %q; they are %s.", relay.Printable(e), strings.Join(known, ", "))
		}
		rec.Events = append(rec.Events, relay.AccountEventKind(e))
	}
	rec.URL, rec.Disabled = in.URL, in.Disabled
	return nil
}
