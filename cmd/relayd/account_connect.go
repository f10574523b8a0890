package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

// deviceEvery is how often a consent by code is looked at. relayd itself asks the
// provider every five seconds or less often.
const deviceEvery = time.Second

func (r *remote) accountConnect() *cobra.Command {
	var device bool
	var app string
	c := r.command("connect ACCOUNT", "Print the one-time link by which the person connects the account, or mends it", exactly("the account"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findAccount(ctx, client, args[0])
			if err != nil {
				return err
			}
			if device {
				return r.connectDevice(ctx, client, a, app)
			}
			if app != "" {
				return &usageError{command: "relayd account connect", problem: "--app goes with --device"}
			}
			return r.connectLink(ctx, client, a)
		})
	c.Flags().BoolVar(&device, "device", false, "consent by a code that is typed at the provider, on any machine; waits for it, then verifies")
	c.Flags().StringVar(&app, "app", "", "with --device: name or id of the OAuth application (default: the account's own, or the one prepared for it)")
	return c
}

// connectLink prints a link. One to an account that broke is for mending it: there
// people change no servers.
func (r *remote) connectLink(ctx context.Context, client *apiclient.Client, a *api.Account) error {
	purpose := "connect"
	if a.State == "parked" || a.State == "degraded" {
		purpose = "mend"
	}
	l, err := client.Link(ctx, a.ID, api.LinkInput{Purpose: purpose})
	if err != nil {
		return err
	}
	return r.answer(l, func(w io.Writer) {
		pairs(w, "Link", l.Address, "Works until", whenever(l.Expires))
		line(w, "It works once. Who has it can %s the account: give it to %s alone.", purpose, relay.Printable(a.Address))
	})
}

// connectedDevice is the answer to a consent by code.
type connectedDevice struct {
	Device       *api.Device       `json:"device"`
	Verification *api.Verification `json:"verification,omitempty"`
}

// connectDevice shows the code, waits until the person has typed it, and follows the
// verification that relayd starts then.
func (r *remote) connectDevice(ctx context.Context, client *apiclient.Client, a *api.Account, app string) error {
	id, err := appID(ctx, client, app)
	if err != nil {
		return err
	}
	before, err := lastVerification(ctx, client, a.ID)
	if err != nil {
		return err
	}
	d, err := client.BeginDevice(ctx, a.ID, api.DeviceInput{App: id})
	if err != nil {
		return err
	}
	if err := r.showCode(d); err != nil {
		return err
	}
	if d, err = r.awaitConsent(ctx, client, a, d); err != nil {
		return err
	}
	out := connectedDevice{Device: d}
	if d.State == "done" {
		if err := r.done("%s consented.", relay.Printable(a.Address)); err != nil {
			return err
		}
		if out.Verification, err = r.followNew(ctx, client, a.ID, before); err != nil {
			return err
		}
	}
	if r.json {
		if err := r.answer(out, nil); err != nil {
			return err
		}
	}
	switch {
	case d.State != "done":
		return consentError(a, d)
	case out.Verification == nil:
		return r.done("The account works, and goes on with the new consent.")
	}
	return r.verdict(a.Address, out.Verification)
}

// showCode tells what to type where. With --json that is no part of the answer, which
// comes at the end.
func (r *remote) showCode(d *api.Device) error {
	w := r.stdout
	if r.json {
		w = r.stderr
	}
	_, err := fmt.Fprintf(w, "Open %s and type the code %s. It works until %s.\n",
		relay.Printable(d.VerificationURL), relay.Printable(d.UserCode), when(d.Expires))
	return err
}

// awaitConsent looks at a consent by code until it has ended.
func (r *remote) awaitConsent(ctx context.Context, client *apiclient.Client, a *api.Account, d *api.Device) (*api.Device, error) {
	tick := time.NewTicker(deviceEvery)
	defer tick.Stop()
	for d.State == "waiting" {
		select {
		case <-ctx.Done():
			return nil, errors.New("nobody waits for the consent any more: start again with relayd account connect --device")
		case <-tick.C:
		}
		next, err := client.Device(ctx, a.ID, d.ID)
		switch {
		case err != nil && ctx.Err() != nil:
			continue // the select above tells it
		case err != nil:
			return nil, err
		}
		d = next
	}
	return d, nil
}

func consentError(a *api.Account, d *api.Device) error {
	text := relay.Printable(d.Message)
	switch {
	case text != "":
	case d.State == "expired":
		text = "the time for the code is over"
	default:
		text = "the consent was cancelled"
	}
	return fmt.Errorf("%s is not connected: %s", a.Address, text)
}

func (r *remote) accountInvite(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	l, err := client.Link(ctx, a.ID, api.LinkInput{Purpose: "connect", Mail: true})
	if err != nil {
		return err
	}
	return r.answer(l, func(w io.Writer) {
		line(w, "A link to connect %s is on its way to its person; it works until %s.", relay.Printable(a.Address), whenever(l.Expires))
	})
}

func (r *remote) accountBind() *cobra.Command {
	var code bool
	c := r.command("bind ACCOUNT", "Say that a mailbox is its user's, where a sign-in does not show it", exactly("the account"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findAccount(ctx, client, args[0])
			if err != nil {
				return err
			}
			if code {
				return r.bindByCode(ctx, client, a)
			}
			if a, err = client.Bind(ctx, a.ID); err != nil {
				return err
			}
			return r.account(a)
		})
	c.Flags().BoolVar(&code, "code", false, "mail a code to the mailbox instead; whoever can read it types it on the page that is printed")
	return c
}

func (r *remote) bindByCode(ctx context.Context, client *apiclient.Client, a *api.Account) error {
	l, err := client.SendCode(ctx, a.ID)
	if err != nil {
		return err
	}
	return r.answer(l, func(w io.Writer) {
		line(w, "A code is on its way to %s. It is typed here:", relay.Printable(a.Address))
		pairs(w, "Page", l.Address, "Works until", whenever(l.Expires))
	})
}
