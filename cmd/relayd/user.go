package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

func newUser(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("user", "People who send mail"))
	c.AddCommand(
		r.userCreate(),
		r.userList(),
		r.command("show USER", "Show a user, named by address or id", exactly("the user"), r.userShow),
		r.userUpdate(),
		r.command("delete USER", "Delete a user who has no account any more", exactly("the user"), r.userDelete),
	)
	return c
}

const (
	headerNameHelp    = "display name that relayd writes into From"
	administratorHelp = "is told of accounts of the organisation that are in trouble"
)

func (r *remote) userCreate() *cobra.Command {
	var in api.UserInput
	c := r.command("create ADDRESS", "Make a user inside a domain of an organisation", exactly("the address"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in.Address = args[0]
			u, err := client.CreateUser(ctx, in)
			if err != nil {
				return err
			}
			return r.user(u)
		})
	c.Flags().StringVar(&in.HeaderName, "header-name", "", headerNameHelp)
	c.Flags().BoolVar(&in.Administrator, "administrator", false, administratorHelp)
	return c
}

func (r *remote) userUpdate() *cobra.Command {
	var address, headerName string
	var administrator bool
	c := r.command("update USER", "Change a user", exactly("the user"), nil)
	c.RunE = func(c *cobra.Command, args []string) error {
		return r.call(func(client *apiclient.Client) error {
			u, err := findUser(c.Context(), client, args[0])
			if err != nil {
				return err
			}
			in := api.UserInput{Address: u.Address, HeaderName: u.HeaderName, Administrator: u.Administrator}
			if address != "" {
				in.Address = address
			}
			// An empty name is a choice: the field stays as the application wrote it.
			if c.Flags().Changed("header-name") {
				in.HeaderName = headerName
			}
			if c.Flags().Changed("administrator") {
				in.Administrator = administrator
			}
			if u, err = client.UpdateUser(c.Context(), u.ID, u.Revision, in); err != nil {
				return err
			}
			return r.user(u)
		})
	}
	c.Flags().StringVar(&address, "address", "", "the new primary address")
	c.Flags().StringVar(&headerName, "header-name", "", headerNameHelp+`; "" leaves the field as it is`)
	c.Flags().BoolVar(&administrator, "administrator", false, administratorHelp+"; --administrator=false: no more")
	return c
}

func (r *remote) userList() *cobra.Command {
	var organisation string
	c := r.command("list", "List the users", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Users(ctx, apiclient.Filter{"organisation": id})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for _, u := range all {
					rows = append(rows, []string{u.ID, u.Address, u.HeaderName, u.Organisation, yes(u.Administrator)})
				}
				table(w, []string{"ID", "ADDRESS", "HEADER NAME", "ORGANISATION", "ADMINISTRATOR"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	return c
}

func (r *remote) userShow(ctx context.Context, client *apiclient.Client, args []string) error {
	u, err := findUser(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.user(u)
}

func (r *remote) user(u *api.User) error {
	return r.answer(u, func(w io.Writer) {
		pairs(w, "User", u.Address, "ID", u.ID, "Header name", u.HeaderName, "Organisation", u.Organisation, "Administrator", yes(u.Administrator))
		if u.Warning != "" {
			line(w, "Warning: %s", relay.Printable(u.Warning))
		}
	})
}

func (r *remote) userDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	u, err := findUser(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteUser(ctx, u.ID); err != nil {
		return err
	}
	return r.done("The user %s is deleted.", u.Address)
}
