package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

func newApp(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("app", "OAuth applications that were registered at providers"))
	c.AddCommand(
		r.appCreate(),
		r.appList(),
		r.command("show APP", "Show an application, named by name or id", exactly("the application"), r.appShow),
		r.appUpdate(),
		r.command("delete APP", "Delete an application that nobody uses any more", exactly("the application"), r.appDelete),
		r.command("consent APP", "Print the link where the administrator of a tenant consents for everybody in it", exactly("the application"), r.appConsent),
	)
	return c
}

func (r *remote) appCreate() *cobra.Command {
	var set appFlags
	var secret appSecret
	var organisation string
	var public bool
	c := r.command("create NAME", "Make an application known that was registered at a provider; its secret is asked for", exactly("the name"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in := api.AppInput{Name: args[0]}
			if err := set.apply(&in); err != nil {
				return err
			}
			if in.Vendor == "" || in.ClientID == "" {
				return &usageError{command: "relayd app create", problem: "--vendor and --client-id are needed"}
			}
			if public && secret.given() {
				return &usageError{command: "relayd app create", problem: "a public client has no secret"}
			}
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			in.Organisation = id
			if !public {
				if err := secret.read(ctx, r.environment, &in); err != nil {
					return err
				}
			}
			a, err := client.CreateApp(ctx, in)
			if err != nil {
				return err
			}
			return r.app(a)
		})
	set.flags(c)
	secret.flags(c)
	c.Flags().BoolVar(&public, "public", false, "it has no secret: a public client")
	c.Flags().StringVar(&organisation, "organisation", "", "the organisation that it belongs to (default: the operator, for every organisation)")
	return c
}

func (r *remote) appUpdate() *cobra.Command {
	var set appFlags
	var secret appSecret
	var name string
	var ask bool
	c := r.command("update APP", "Change an application, or replace its secret", exactly("the application"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findApp(ctx, client, args[0])
			if err != nil {
				return err
			}
			in := api.AppInput{
				Organisation: a.Organisation, Name: a.Name, Vendor: a.Vendor, Kind: a.Kind, ClientID: a.ClientID,
				SecretExpires: a.SecretExpires, Tenant: a.Tenant, Cloud: a.Cloud, Testing: a.Testing, Endpoints: a.Endpoints,
			}
			if name != "" {
				in.Name = name
			}
			if err := set.apply(&in); err != nil {
				return err
			}
			if ask || secret.given() {
				if err := secret.read(ctx, r.environment, &in); err != nil {
					return err
				}
			}
			if a, err = client.UpdateApp(ctx, a.ID, a.Revision, in); err != nil {
				return err
			}
			return r.app(a)
		})
	set.flags(c)
	secret.flags(c)
	c.Flags().StringVar(&name, "name", "", "the new name")
	c.Flags().BoolVar(&ask, "secret", false, "ask for a new secret")
	return c
}

func (r *remote) appList() *cobra.Command {
	var organisation string
	c := r.command("list", "List the applications", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Apps(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for i := range all {
					a := &all[i]
					rows = append(rows, []string{a.ID, a.Name, a.Vendor, a.Kind, a.ClientID, a.Organisation, whenever(a.SecretExpires)})
				}
				table(w, []string{"ID", "NAME", "VENDOR", "KIND", "CLIENT ID", "ORGANISATION", "SECRET ENDS"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those that this organisation may use: its own and the operator's")
	return c
}

func (r *remote) appShow(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findApp(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.app(a)
}

func (r *remote) app(a *api.App) error {
	return r.answer(a, func(w io.Writer) {
		cells := []string{
			"Application", a.Name, "ID", a.ID, "Organisation", a.Organisation, "Vendor", a.Vendor, "Kind", a.Kind,
			"Client ID", a.ClientID, "Has a secret", yesOrNo(a.HasSecret), "Secret ends", whenever(a.SecretExpires),
			"Tenant", a.Tenant, "Cloud", a.Cloud, "In testing", yes(a.Testing), "Administrator consented", whenever(a.ConsentedAt),
		}
		if e := a.Endpoints; e != nil {
			cells = append(cells, "Authorisation at", e.Auth, "Tokens at", e.Token, "Devices at", e.Device, "Revocation at", e.Revoke,
				"Administrators at", e.AdminConsent, "Graph at", e.Graph, "Gmail at", e.Gmail, "Mail servers", e.Mail)
		}
		pairs(w, append(cells, "Created", when(a.Created))...)
	})
}

func (r *remote) appDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findApp(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteApp(ctx, a.ID); err != nil {
		return err
	}
	return r.done("The application %s is deleted.", a.Name)
}

func (r *remote) appConsent(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findApp(ctx, client, args[0])
	if err != nil {
		return err
	}
	k, err := client.AdminConsent(ctx, a.ID)
	if err != nil {
		return err
	}
	return r.answer(k, func(w io.Writer) {
		line(w, "The administrator of the tenant consents here:")
		line(w, "%s", relay.Printable(k.Address))
	})
}
