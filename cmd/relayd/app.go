package main

import (
	"context"
	"io"
	"strings"
	"time"

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

// appFlags describe an application. What is not given stays as it is.
type appFlags struct {
	vendor, kind, clientID, tenant, cloud string
	testing                               bool
	expires                               string
	endpoints                             map[string]string
	given                                 func(flag string) bool
}

func (a *appFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&a.vendor, "vendor", "", "google, microsoft, or the id of another vendor of OAuth")
	f.StringVar(&a.clientID, "client-id", "", "what the provider calls the application")
	f.StringVar(&a.kind, "kind", "", "consent, by each person; app-only, by the tenant's administrator for every mailbox; or service-account, of Google (default consent)")
	f.StringVar(&a.tenant, "tenant", "", "Microsoft: id of the tenant (default common)")
	f.StringVar(&a.cloud, "cloud", "", "Microsoft: a national cloud, such as gcc-high or china")
	f.BoolVar(&a.testing, "testing", false, "Google: the application is in testing, so that consents end after 7 days")
	f.StringVar(&a.expires, "secret-expires", "", "the day on which the secret ends, such as 2027-06-30")
	f.StringToStringVar(&a.endpoints, "endpoint", nil, "in place of the vendor's own, NAME=URL: auth, token, device, revoke, admin_consent, graph or gmail; may be repeated")
	a.given = f.Changed
}

// apply writes what was given into the input.
func (a *appFlags) apply(in *api.AppInput) error {
	for flag, set := range map[string]func(){
		"vendor":    func() { in.Vendor = a.vendor },
		"client-id": func() { in.ClientID = a.clientID },
		"kind":      func() { in.Kind = strings.ReplaceAll(a.kind, "-", "_") },
		"tenant":    func() { in.Tenant = a.tenant },
		"cloud":     func() { in.Cloud = a.cloud },
		"testing":   func() { in.Testing = a.testing },
	} {
		if a.given(flag) {
			set()
		}
	}
	if a.given("secret-expires") {
		day, err := time.ParseInLocation(time.DateOnly, a.expires, time.Local)
		if err != nil {
			return &usageError{command: "relayd app", problem: "--secret-expires must be a day, such as 2027-06-30"}
		}
		in.SecretExpires = &day
	}
	if a.given("endpoint") {
		return a.applyEndpoints(in)
	}
	return nil
}

func (a *appFlags) applyEndpoints(in *api.AppInput) error {
	e := api.Endpoints{}
	if in.Endpoints != nil {
		e = *in.Endpoints
	}
	names := map[string]*string{
		"auth": &e.Auth, "token": &e.Token, "device": &e.Device, "revoke": &e.Revoke,
		"admin_consent": &e.AdminConsent, "graph": &e.Graph, "gmail": &e.Gmail,
	}
	for name, address := range a.endpoints {
		to := names[strings.ReplaceAll(name, "-", "_")]
		if to == nil {
			return &usageError{command: "relayd app", problem: "--endpoint knows no " + name}
		}
		*to = address
	}
	in.Endpoints = &e
	return nil
}

// appSecret are the flags that say where the secret of an application comes from.
type appSecret struct {
	file  string
	stdin bool
}

func (s *appSecret) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.file, "secret-file", "", "file with the client secret, or the JSON key of a service account")
	c.Flags().BoolVar(&s.stdin, "secret-stdin", false, "read the client secret from the first line of standard input")
}

// given reports whether one of them was used.
func (s *appSecret) given() bool { return s.file != "" || s.stdin }

// read gives the secret: of the file, of standard input, or as it is typed.
func (s *appSecret) read(ctx context.Context, e *environment, in *api.AppInput) error {
	var secret relay.Secret
	var err error
	switch {
	case s.file != "" && s.stdin:
		return &usageError{command: "relayd app", problem: "--secret-file and --secret-stdin exclude each other"}
	case s.file != "":
		secret, err = secretFile(s.file)
	default:
		secret, err = e.secret(ctx, question{
			prompt: "Client secret of the application: ", what: "secret", flags: "--secret-stdin or --secret-file",
		}, s.stdin)
	}
	if err != nil {
		return err
	}
	text := secret.Reveal()
	in.Secret = &text
	return nil
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
				"Administrators at", e.AdminConsent, "Graph at", e.Graph, "Gmail at", e.Gmail)
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
