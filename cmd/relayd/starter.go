package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func newStarter(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("starter", "Starter configurations: what is prepared for the accounts of a domain"))
	c.AddCommand(
		r.starterCreate(),
		r.starterList(),
		r.command("show STARTER", "Show a starter configuration, named by its domain or id; the one for all other domains by its organisation",
			exactly("the starter configuration"), r.starterShow),
		r.starterUpdate(),
		r.command("delete STARTER", "Delete a starter configuration; accounts that were made with it stay", exactly("the starter configuration"), r.starterDelete),
	)
	return c
}

// starterFlags describe a starter configuration. What is not given stays as it is.
type starterFlags struct {
	settingsFlags
	login      string
	ownServers bool
	limits     map[string]int64
}

func (s *starterFlags) flags(c *cobra.Command) {
	s.command = "relayd starter"
	s.settingsFlags.flags(c)
	f := c.Flags()
	f.StringVar(&s.login, "login", "", "user names at the servers, made of {address}, {local} and {domain} (default: the address)")
	f.BoolVar(&s.ownServers, "own-servers", false, "people may type servers of their own")
	f.StringToInt64Var(&s.limits, "limit", nil, "what an account may do, over what is known of the provider, as NAME=NUMBER such as messages-per-day=500; may be repeated")
}

// apply writes what was given into the input.
func (s *starterFlags) apply(ctx context.Context, client *apiclient.Client, in *api.StarterInput) error {
	if err := s.settingsFlags.apply(ctx, client, &in.Settings); err != nil {
		return err
	}
	if s.given("login") {
		in.Login = s.login
	}
	if s.given("own-servers") {
		in.OwnServers = s.ownServers
	}
	if !s.given("limit") {
		return nil
	}
	limits, err := withLimits(in.Limits, s.limits)
	in.Limits = limits
	return err
}

// withLimits puts limits, by their names in the API, over others.
func withLimits(before *api.Limits, given map[string]int64) (*api.Limits, error) {
	out := api.Limits{}
	if before != nil {
		out = *before
	}
	named := map[string]int64{}
	for name, n := range given {
		named[strings.ReplaceAll(name, "-", "_")] = n
	}
	text, err := json.Marshal(named)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil {
		return nil, &usageError{command: "relayd starter", problem: "--limit must be NAME=NUMBER, with one of these names: " + strings.Join(limitNames(), ", ")}
	}
	return &out, nil
}

// limitsByName are limits as people name them.
func limitsByName(l api.Limits) map[string]int64 {
	return map[string]int64{
		"connections": int64(l.Connections), "messages-per-connection": int64(l.MessagesPerConnection),
		"messages-per-minute": int64(l.MessagesPerMinute), "messages-per-hour": int64(l.MessagesPerHour), "messages-per-day": int64(l.MessagesPerDay),
		"recipients-per-message": int64(l.RecipientsPerMessage), "recipients-per-minute": int64(l.RecipientsPerMinute),
		"recipients-per-hour": int64(l.RecipientsPerHour), "recipients-per-day": int64(l.RecipientsPerDay), "message-size": l.MessageSize,
	}
}

func limitNames() []string { return slices.Sorted(maps.Keys(limitsByName(api.Limits{}))) }

func limitsText(l *api.Limits) string {
	if l == nil {
		return ""
	}
	var parts []string
	values := limitsByName(*l)
	for _, name := range limitNames() {
		if values[name] != 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", name, values[name]))
		}
	}
	return strings.Join(parts, ", ")
}

func (r *remote) starterCreate() *cobra.Command {
	var set starterFlags
	var organisation, domain string
	c := r.command("create", "Prepare the provider of an organisation: with it people need an address and a password, or one click", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			if organisation == "" {
				return &usageError{command: "relayd starter create", problem: "--organisation is needed"}
			}
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			in := api.StarterInput{Organisation: id, Domain: domain}
			if err := set.apply(ctx, client, &in); err != nil {
				return err
			}
			s, err := client.CreateStarter(ctx, in)
			if err != nil {
				return err
			}
			return r.starter(s)
		})
	set.flags(c)
	c.Flags().StringVar(&organisation, "organisation", "", "the organisation that it is for")
	c.Flags().StringVar(&domain, "domain", "", "one of its domains (default: every domain that has none of its own)")
	return c
}

func (r *remote) starterUpdate() *cobra.Command {
	var set starterFlags
	c := r.command("update STARTER", "Change a starter configuration; accounts that were made with it stay as they are", exactly("the starter configuration"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			s, err := findStarter(ctx, client, args[0])
			if err != nil {
				return err
			}
			in := api.StarterInput{
				Organisation: s.Organisation, Domain: s.Domain, Settings: s.Settings, Login: s.Login, OwnServers: s.OwnServers, Limits: s.Limits,
			}
			if err := set.apply(ctx, client, &in); err != nil {
				return err
			}
			if s, err = client.UpdateStarter(ctx, s.ID, s.Revision, in); err != nil {
				return err
			}
			return r.starter(s)
		})
	set.flags(c)
	return c
}

func (r *remote) starterList() *cobra.Command {
	var organisation string
	c := r.command("list", "List the starter configurations", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Starters(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for i := range all {
					s := &all[i]
					rows = append(rows, []string{s.ID, orAll(s.Domain), s.Organisation, s.Provider, s.SignIn, endpoint(s.SMTP), endpoint(s.IMAP), exchangeText(s.EWS)})
				}
				table(w, []string{"ID", "DOMAIN", "ORGANISATION", "PROVIDER", "SIGN-IN", "SMTP", "IMAP", "EXCHANGE"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	return c
}

// orAll is the domain of a starter configuration, or that it is for all others.
func orAll(domain string) string {
	if domain == "" {
		return "all others"
	}
	return domain
}

func (r *remote) starterShow(ctx context.Context, client *apiclient.Client, args []string) error {
	s, err := findStarter(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.starter(s)
}

func (r *remote) starter(s *api.Starter) error {
	return r.answer(s, func(w io.Writer) {
		cells := append([]string{"Domain", orAll(s.Domain), "ID", s.ID, "Organisation", s.Organisation}, settingsText(&s.Settings)...)
		pairs(w, append(cells, "User names", s.Login, "People may type servers", yesOrNo(s.OwnServers), "Limits", limitsText(s.Limits))...)
	})
}

func (r *remote) starterDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	s, err := findStarter(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteStarter(ctx, s.ID); err != nil {
		return err
	}
	return r.done("The starter configuration for %s is deleted.", orAll(s.Domain))
}
