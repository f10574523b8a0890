package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/mailaddr"
)

func newOrganisation(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("organisation", "Companies of users, and the domains that they own", "org"))
	c.AddCommand(
		r.organisationCreate(),
		r.command("list", "List the organisations", exactly(), r.organisationList),
		r.command("show ORGANISATION", "Show an organisation, named by id, name or domain", exactly("the organisation"), r.organisationShow),
		r.organisationUpdate(),
		r.command("add-domain ORGANISATION DOMAIN...", "Give domains to an organisation",
			between(2, "the organisation", "the domain..."), r.domainAdd),
		r.command("remove-domain ORGANISATION DOMAIN...", "Take domains from an organisation",
			between(2, "the organisation", "the domain..."), r.domainRemove),
		r.command("delete ORGANISATION", "Delete an organisation that has nothing any more", exactly("the organisation"), r.organisationDelete),
	)
	return c
}

const fallBackHelp = `mail of users without a verified account: "direct" delivers it, "hold" keeps it`

func (r *remote) organisationCreate() *cobra.Command {
	var in api.OrganisationInput
	var fallBack string
	c := r.command("create NAME", "Make an organisation", exactly("the name"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in.Name = args[0]
			if fallBack != "" {
				in.Policy = &api.Policy{FallBack: fallBack}
			}
			o, err := client.CreateOrganisation(ctx, in)
			if err != nil {
				return err
			}
			return r.organisation(o)
		})
	c.Flags().StringSliceVar(&in.Domains, "domain", nil, "a domain that it owns; may be repeated")
	c.Flags().StringVar(&fallBack, "fall-back", "", fallBackHelp)
	return c
}

func (r *remote) organisationUpdate() *cobra.Command {
	var name, fallBack string
	c := r.command("update ORGANISATION", "Change the name or the policy of an organisation", exactly("the organisation"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			return r.organisationChange(ctx, client, args[0], func(in *api.OrganisationInput) error {
				if name != "" {
					in.Name = name
				}
				if fallBack != "" {
					in.Policy = &api.Policy{FallBack: fallBack}
				}
				return nil
			})
		})
	c.Flags().StringVar(&name, "name", "", "the new name")
	c.Flags().StringVar(&fallBack, "fall-back", "", fallBackHelp)
	return c
}

// organisationChange reads, changes and writes an organisation; if somebody else
// was quicker, the API says so and nothing is lost.
func (r *remote) organisationChange(ctx context.Context, client *apiclient.Client, ref string, change func(*api.OrganisationInput) error) error {
	o, err := findOrganisation(ctx, client, ref)
	if err != nil {
		return err
	}
	in := api.OrganisationInput{Name: o.Name, Domains: o.Domains, Policy: &o.Policy}
	if err := change(&in); err != nil {
		return err
	}
	o, err = client.UpdateOrganisation(ctx, o.ID, o.Revision, in)
	if err != nil {
		return err
	}
	return r.organisation(o)
}

func (r *remote) domainAdd(ctx context.Context, client *apiclient.Client, args []string) error {
	return r.organisationChange(ctx, client, args[0], func(in *api.OrganisationInput) error {
		in.Domains = append(in.Domains, args[1:]...)
		return nil
	})
}

// domainRemove refuses domains that are not there: one that was spelled wrong would
// otherwise stay, and look as if it were gone.
func (r *remote) domainRemove(ctx context.Context, client *apiclient.Client, args []string) error {
	return r.organisationChange(ctx, client, args[0], func(in *api.OrganisationInput) error {
		for _, typed := range args[1:] {
			domain, err := mailaddr.ParseDomain(typed)
			i := slices.Index(in.Domains, domain)
			if err != nil || i < 0 {
				return fmt.Errorf("the organisation %s does not own the domain %q", in.Name, typed)
			}
			in.Domains = slices.Delete(in.Domains, i, i+1)
		}
		return nil
	})
}

func (r *remote) organisationShow(ctx context.Context, client *apiclient.Client, args []string) error {
	o, err := findOrganisation(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.organisation(o)
}

func (r *remote) organisation(o *api.Organisation) error {
	return r.answer(o, func(w io.Writer) {
		pairs(w, "Organisation", o.Name, "ID", o.ID, "Domains", strings.Join(o.Domains, ", "), "Fall-back", o.Policy.FallBack)
	})
}

func (r *remote) organisationList(ctx context.Context, client *apiclient.Client, _ []string) error {
	all, err := client.Organisations(ctx, nil)
	if err != nil {
		return err
	}
	return r.answer(all, func(w io.Writer) {
		var rows [][]string
		for _, o := range all {
			rows = append(rows, []string{o.ID, o.Name, strings.Join(o.Domains, ", "), o.Policy.FallBack})
		}
		table(w, []string{"ID", "NAME", "DOMAINS", "FALL-BACK"}, rows)
	})
}

func (r *remote) organisationDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	o, err := findOrganisation(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteOrganisation(ctx, o.ID); err != nil {
		return err
	}
	return r.done("The organisation %s is deleted.", o.Name)
}
