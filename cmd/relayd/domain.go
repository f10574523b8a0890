package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func newDomain(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("domain", "Claims to domains, which a DNS record proves"))
	c.AddCommand(
		r.domainClaim(),
		r.domainClaims(),
		r.command("check DOMAIN", "Look for the record; if it is there, the domain becomes the organisation's", exactly("the domain"), r.domainCheck),
		r.command("delete DOMAIN", "Delete a claim, named by domain or id; a domain that it proved stays", exactly("the domain"), r.domainForget),
	)
	return c
}

func (r *remote) domainClaim() *cobra.Command {
	var organisation string
	c := r.command("claim DOMAIN", "Claim a domain for an organisation, and print the DNS record that proves it", exactly("the domain"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			if organisation == "" {
				return &usageError{command: "relayd domain claim", problem: "--organisation is needed"}
			}
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			k, err := client.ClaimDomain(ctx, api.DomainClaimInput{Organisation: id, Domain: args[0]})
			if err != nil {
				return err
			}
			return r.claim(k)
		})
	c.Flags().StringVar(&organisation, "organisation", "", "whose domain it is")
	return c
}

func (r *remote) claim(k *api.DomainClaim) error {
	return r.answer(k, func(w io.Writer) {
		pairs(w, "Domain", k.Domain, "Claim", k.ID, "Organisation", k.Organisation, "Claimed", when(k.Created),
			"Looked for last", whenever(k.Checked), "Proved", whenever(k.Proved))
		if k.Proved != nil {
			return
		}
		line(w, "Publish this record, then: relayd domain check %s", k.Domain)
		line(w, "%s. IN %s %q", k.DNSName, k.DNSType, k.DNSValue)
	})
}

func (r *remote) domainClaims() *cobra.Command {
	var organisation string
	c := r.command("list", "List the claims with their records", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.DomainClaims(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for i := range all {
					k := &all[i]
					rows = append(rows, []string{k.ID, k.Domain, k.Organisation, whenever(k.Proved), whenever(k.Checked), k.DNSName, k.DNSValue})
				}
				table(w, []string{"ID", "DOMAIN", "ORGANISATION", "PROVED", "LOOKED FOR", "TXT RECORD AT", "SAYS"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	return c
}

func (r *remote) domainCheck(ctx context.Context, client *apiclient.Client, args []string) error {
	k, err := findClaim(ctx, client, args[0])
	if err != nil {
		return err
	}
	if k, err = client.CheckDomainClaim(ctx, k.ID); err != nil {
		return err
	}
	return r.claim(k)
}

func (r *remote) domainForget(ctx context.Context, client *apiclient.Client, args []string) error {
	k, err := findClaim(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteDomainClaim(ctx, k.ID); err != nil {
		return err
	}
	return r.done("The claim to %s is deleted.", k.Domain)
}
