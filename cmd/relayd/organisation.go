package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
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

// policyFlags say what an organisation decides about its mail. What is not given stays
// as it is.
type policyFlags struct {
	fallBack, broken, brokenAfter, tellAfter string
}

func (p *policyFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&p.fallBack, "fall-back", "", `mail of users without a verified account: "direct" delivers it, "hold" keeps it`)
	f.StringVar(&p.broken, "broken", "", `mail that waited for an account which nobody mended: "hold" keeps it, "direct" delivers it, "return" sends it back`)
	f.StringVar(&p.brokenAfter, "broken-after", "", "how long such mail waits, such as 72h or 3d")
	f.StringVar(&p.tellAfter, "tell-after", "", "when administrators are told of an account in trouble, such as 24h or 1d")
}

// over writes what was given over a policy.
func (p *policyFlags) over(before api.Policy) *api.Policy {
	for _, f := range []struct {
		given string
		to    *string
	}{
		{p.fallBack, &before.FallBack}, {p.broken, &before.Broken}, {inHours(p.brokenAfter), &before.BrokenAfter}, {inHours(p.tellAfter), &before.TellAfter},
	} {
		if f.given != "" {
			*f.to = f.given
		}
	}
	return &before
}

// maxPolicyDays bounds what is counted in days; the API allows less.
const maxPolicyDays = 36500

// inHours writes days as the API takes them; what is something else stays as it is.
func inHours(text string) string {
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	if !isDays || err != nil || n < 0 || n > maxPolicyDays {
		return text
	}
	return strconv.Itoa(n*24) + "h"
}

// defaultPolicy is what the API takes for granted.
func defaultPolicy() api.Policy { return api.Policy{FallBack: "direct"} }

func (r *remote) organisationCreate() *cobra.Command {
	var in api.OrganisationInput
	var policy policyFlags
	var administrator string
	c := r.command("create NAME", "Make an organisation", exactly("the name"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in.Name, in.Policy = args[0], policy.over(defaultPolicy())
			if administrator != "" {
				in.Administrator = &api.UserInput{Address: administrator}
			}
			o, err := client.CreateOrganisation(ctx, in)
			if err != nil {
				return err
			}
			return r.organisation(o)
		})
	c.Flags().StringSliceVar(&in.Domains, "domain", nil, "a domain that it owns; may be repeated")
	c.Flags().StringVar(&administrator, "administrator", "", "address of its first administrator, who is made as a user; inside one of its domains")
	policy.flags(c)
	return c
}

func (r *remote) organisationUpdate() *cobra.Command {
	var name string
	var policy policyFlags
	c := r.command("update ORGANISATION", "Change the name or the policy of an organisation", exactly("the organisation"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			return r.organisationChange(ctx, client, args[0], func(in *api.OrganisationInput) error {
				if name != "" {
					in.Name = name
				}
				in.Policy = policy.over(*in.Policy)
				return nil
			})
		})
	c.Flags().StringVar(&name, "name", "", "the new name")
	policy.flags(c)
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
		pairs(w, "Organisation", o.Name, "ID", o.ID, "Domains", strings.Join(o.Domains, ", "),
			"Fall-back", o.Policy.FallBack, "Broken accounts", brokenText(&o.Policy), "Administrators are told after", span(o.Policy.TellAfter))
	})
}

// brokenText is what becomes of mail that waits for an account in trouble.
func brokenText(p *api.Policy) string {
	if p.Broken == "" || p.Broken == "hold" {
		return "hold"
	}
	return p.Broken + " after " + span(p.BrokenAfter)
}

// span is a time of the API without what is zero.
func span(text string) string {
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, unit) {
			text = text[:len(text)-2]
		}
	}
	return text
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
