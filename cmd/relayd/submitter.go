package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func newSubmitter(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("submitter", "Applications that submit mail"))
	c.AddCommand(
		r.submitterCreate(),
		r.submitterList(),
		r.command("show SUBMITTER", "Show a submitter, named by login or id", exactly("the submitter"), r.submitterShow),
		r.submitterUpdate(),
		r.submitterSwitch("disable", "Refuse the submitter until it is enabled", true),
		r.submitterSwitch("enable", "Let a disabled submitter in again", false),
		r.command("rotate SUBMITTER", "Replace the password; the new one is shown once", exactly("the submitter"), r.submitterRotate),
		r.command("delete SUBMITTER", "Delete a submitter", exactly("the submitter"), r.submitterDelete),
	)
	return c
}

// submitterFlags describe what a submitter may do.
type submitterFlags struct {
	addresses, domains, networks []string
	wholeOrganisation            bool
	nullSender                   bool
	given                        func(flag string) bool
}

func (s *submitterFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&s.addresses, "address", nil, "an address that it may send as; may be repeated")
	f.StringSliceVar(&s.domains, "domain", nil, "a domain whose every address it may send as; may be repeated")
	f.BoolVar(&s.wholeOrganisation, "whole-organisation", false, "it may send as every address of its organisation")
	f.StringSliceVar(&s.networks, "network", nil, "a network that it may connect from, such as 10.0.0.0/8; may be repeated")
	f.BoolVar(&s.nullSender, "null-sender", false, "it may submit MAIL FROM:<>")
	s.given = f.Changed
}

// apply writes what was given into the input; a list replaces the one before.
func (s *submitterFlags) apply(in *api.SubmitterInput) {
	if s.given("address") {
		in.Senders.Addresses = s.addresses
	}
	if s.given("domain") {
		in.Senders.Domains = s.domains
	}
	if s.given("whole-organisation") {
		in.Senders.Organisation = s.wholeOrganisation
	}
	if s.given("network") {
		in.Networks = s.networks
	}
	if s.given("null-sender") {
		in.NullSender = s.nullSender
	}
}

func (r *remote) submitterCreate() *cobra.Command {
	var set submitterFlags
	var organisation string
	c := r.command("create LOGIN", "Make a submitter; its password is shown once", exactly("the login"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in := api.SubmitterInput{Login: args[0]}
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			in.Organisation = id
			set.apply(&in)
			s, err := client.CreateSubmitter(ctx, in)
			if err != nil {
				return err
			}
			return r.submitterSecret(s)
		})
	set.flags(c)
	c.Flags().StringVar(&organisation, "organisation", "", "the organisation that it belongs to (default: the operator)")
	return c
}

func (r *remote) submitterUpdate() *cobra.Command {
	var set submitterFlags
	var login string
	c := r.command("update SUBMITTER", "Change what a submitter may do", exactly("the submitter"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			return r.submitterChange(ctx, client, args[0], func(in *api.SubmitterInput) {
				set.apply(in)
				if login != "" {
					in.Login = login
				}
			})
		})
	set.flags(c)
	c.Flags().StringVar(&login, "login", "", "the new login")
	return c
}

func (r *remote) submitterSwitch(verb, short string, disabled bool) *cobra.Command {
	return r.command(verb+" SUBMITTER", short, exactly("the submitter"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			return r.submitterChange(ctx, client, args[0], func(in *api.SubmitterInput) { in.Disabled = disabled })
		})
}

func (r *remote) submitterChange(ctx context.Context, client *apiclient.Client, ref string, change func(*api.SubmitterInput)) error {
	s, err := findSubmitter(ctx, client, ref)
	if err != nil {
		return err
	}
	in := api.SubmitterInput{
		Organisation: s.Organisation, Login: s.Login, Networks: s.Networks, Senders: s.Senders,
		NullSender: s.NullSender, Disabled: s.Disabled,
	}
	change(&in)
	if s, err = client.UpdateSubmitter(ctx, s.ID, s.Revision, in); err != nil {
		return err
	}
	return r.submitter(s)
}

func (r *remote) submitterList() *cobra.Command {
	var organisation string
	c := r.command("list", "List the submitters", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Submitters(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for i := range all {
					s := &all[i]
					rows = append(rows, []string{s.ID, s.Login, s.Organisation, sendersText(s), strings.Join(s.Networks, ", "), yes(s.Disabled)})
				}
				table(w, []string{"ID", "LOGIN", "ORGANISATION", "MAY SEND AS", "FROM NETWORKS", "DISABLED"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	return c
}

// sendersText is whom a submitter may send as, in one line.
func sendersText(s *api.Submitter) string {
	all := append([]string(nil), s.Senders.Addresses...)
	for _, d := range s.Senders.Domains {
		all = append(all, "*@"+d)
	}
	if s.Senders.Organisation {
		all = append(all, "whole organisation")
	}
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, ", ")
}

func (r *remote) submitterShow(ctx context.Context, client *apiclient.Client, args []string) error {
	s, err := findSubmitter(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.submitter(s)
}

func (r *remote) submitter(s *api.Submitter) error {
	return r.answer(s, func(w io.Writer) { submitterText(w, s, "") })
}

// submitterText prints a submitter, and its password when that was just made.
func submitterText(w io.Writer, s *api.Submitter, password string) {
	pairs(w, "Submitter", s.Login, "ID", s.ID, "Organisation", s.Organisation, "May send as", sendersText(s),
		"From networks", strings.Join(s.Networks, ", "), "Null sender", yes(s.NullSender), "Disabled", yes(s.Disabled),
		"Created", when(s.Created), "Password", password)
}

func (r *remote) submitterSecret(s *api.SubmitterSecret) error {
	return r.answer(s, func(w io.Writer) {
		submitterText(w, &s.Submitter, s.Password)
		line(w, "Write the password into the application now: relayd keeps only a hash and cannot show it again.")
	})
}

func (r *remote) submitterRotate(ctx context.Context, client *apiclient.Client, args []string) error {
	s, err := findSubmitter(ctx, client, args[0])
	if err != nil {
		return err
	}
	secret, err := client.RotateSubmitterPassword(ctx, s.ID)
	if err != nil {
		return err
	}
	return r.submitterSecret(secret)
}

func (r *remote) submitterDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	s, err := findSubmitter(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteSubmitter(ctx, s.ID); err != nil {
		return fmt.Errorf("delete the submitter %s: %w", s.Login, err)
	}
	return r.done("The submitter %s is deleted.", s.Login)
}
