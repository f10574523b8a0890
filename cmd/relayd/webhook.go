package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

func newWebhook(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("webhook", "Programs that are told what happens to accounts"))
	c.AddCommand(
		r.webhookCreate(),
		r.webhookList(),
		r.command("show WEBHOOK", "Show a webhook, named by its URL or id", exactly("the webhook"), r.webhookShow),
		r.webhookUpdate(),
		r.command("rotate WEBHOOK", "Replace the secret; the new one is shown once, the old one ends", exactly("the webhook"), r.webhookRotate),
		r.command("test WEBHOOK", "Send a ping, and tell what came of it", exactly("the webhook"), r.webhookTest),
		r.command("delete WEBHOOK", "Delete a webhook", exactly("the webhook"), r.webhookDelete),
	)
	return c
}

// everyEvent is how --event says that nothing is left out.
const everyEvent = "all"

const eventHelp = "an event that it is told of, such as account.parked; may be repeated; all means every one"

// eventsOf reads --event.
func eventsOf(typed []string) []string {
	if slices.Contains(typed, everyEvent) {
		return nil
	}
	return typed
}

func (r *remote) webhookCreate() *cobra.Command {
	var in api.WebhookInput
	var events []string
	var organisation string
	c := r.command("create URL", "Make a webhook; its secret is shown once", exactly("the URL"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			in.Organisation, in.URL, in.Events = id, args[0], eventsOf(events)
			h, err := client.CreateWebhook(ctx, in)
			if err != nil {
				return err
			}
			return r.webhookSecret(h)
		})
	c.Flags().StringSliceVar(&events, "event", nil, eventHelp+" (default: all)")
	c.Flags().StringVar(&organisation, "organisation", "", "whose events it is told of (default: those of every organisation)")
	c.Flags().BoolVar(&in.Disabled, "disabled", false, "make it switched off")
	return c
}

func (r *remote) webhookUpdate() *cobra.Command {
	var address string
	var events []string
	var disabled bool
	c := r.command("update WEBHOOK", "Change a webhook, or switch it off and on", exactly("the webhook"), nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(func(client *apiclient.Client) error {
			h, err := findWebhook(c.Context(), client, args[0])
			if err != nil {
				return err
			}
			in := api.WebhookInput{Organisation: h.Organisation, URL: h.URL, Events: h.Events, Disabled: h.Disabled}
			if address != "" {
				in.URL = address
			}
			if c.Flags().Changed("event") {
				in.Events = eventsOf(events)
			}
			if c.Flags().Changed("disabled") {
				in.Disabled = disabled
			}
			if h, err = client.UpdateWebhook(c.Context(), h.ID, h.Revision, in); err != nil {
				return err
			}
			return r.webhook(h)
		})
	}
	c.Flags().StringVar(&address, "to", "", "the new URL")
	c.Flags().StringSliceVar(&events, "event", nil, eventHelp)
	c.Flags().BoolVar(&disabled, "disabled", false, "switch it off; --disabled=false switches it on")
	return c
}

func (r *remote) webhookList() *cobra.Command {
	var organisation string
	c := r.command("list", "List the webhooks", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Webhooks(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for i := range all {
					h := &all[i]
					rows = append(rows, []string{h.ID, h.URL, h.Organisation, eventsText(h), yes(h.Disabled)})
				}
				table(w, []string{"ID", "URL", "ORGANISATION", "EVENTS", "DISABLED"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	return c
}

func eventsText(h *api.Webhook) string {
	if len(h.Events) == 0 {
		return everyEvent
	}
	return strings.Join(h.Events, ", ")
}

func (r *remote) webhookShow(ctx context.Context, client *apiclient.Client, args []string) error {
	h, err := findWebhook(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.webhook(h)
}

func (r *remote) webhook(h *api.Webhook) error {
	return r.answer(h, func(w io.Writer) { webhookText(w, h, "") })
}

// webhookText prints a webhook, and its secret when that was just made.
func webhookText(w io.Writer, h *api.Webhook, secret string) {
	pairs(w, "Webhook", h.URL, "ID", h.ID, "Organisation", h.Organisation, "Events", eventsText(h), "Disabled", yes(h.Disabled),
		"Created", when(h.Created), "Secret", secret)
}

func (r *remote) webhookSecret(h *api.WebhookSecret) error {
	return r.answer(h, func(w io.Writer) {
		webhookText(w, &h.Webhook, h.Secret)
		line(w, "Write the secret into the program that is called now: relayd does not show it again.")
	})
}

func (r *remote) webhookRotate(ctx context.Context, client *apiclient.Client, args []string) error {
	h, err := findWebhook(ctx, client, args[0])
	if err != nil {
		return err
	}
	secret, err := client.RotateWebhookSecret(ctx, h.ID)
	if err != nil {
		return err
	}
	return r.webhookSecret(secret)
}

// webhookTest fails if the ping was not taken, so that a script sees it.
func (r *remote) webhookTest(ctx context.Context, client *apiclient.Client, args []string) error {
	h, err := findWebhook(ctx, client, args[0])
	if err != nil {
		return err
	}
	tried, err := client.TestWebhook(ctx, h.ID)
	if err != nil {
		return err
	}
	if r.json {
		if err := r.answer(tried, nil); err != nil {
			return err
		}
	}
	if !tried.Taken {
		return errors.New(relay.Printable(tried.Message))
	}
	return r.done("%s", relay.Printable(tried.Message))
}

func (r *remote) webhookDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	h, err := findWebhook(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteWebhook(ctx, h.ID); err != nil {
		return err
	}
	return r.done("The webhook %s is deleted.", h.URL)
}
