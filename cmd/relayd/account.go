package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func newAccount(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("account", "Users' own mail accounts"))
	c.AddCommand(
		r.accountCreate(),
		r.accountList(),
		r.command("show ACCOUNT", "Show an account, named by address or id", exactly("the account"), r.accountShow),
		r.accountUpdate(),
		r.command("verify ACCOUNT", "Prove an account: sign in to its servers and send a mail to itself", exactly("the account"), r.accountVerify),
		r.command("cancel ACCOUNT", "Cancel a running verification", exactly("the account"), r.accountCancel),
		r.accountConnect(),
		r.command("invite ACCOUNT", "Mail the person a link to connect the account", exactly("the account"), r.accountInvite),
		r.accountBind(),
		r.accountAlias(),
		r.command("delete ACCOUNT", "Delete an account", exactly("the account"), r.accountDelete),
	)
	return c
}

func (r *remote) accountCreate() *cobra.Command {
	var set accountFlags
	var user, shared string
	var verify, noPassword bool
	c := r.command("create ADDRESS", "Make an account; the password is asked for, the servers are found", exactly("the address"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in := api.AccountInput{Address: args[0]}
			organisation, err := accountOwner(ctx, client, &in, user, shared)
			if err != nil {
				return err
			}
			if err := set.apply(ctx, client, &in); err != nil {
				return err
			}
			byPassword, err := needsPassword(ctx, client, &in, organisation)
			if err != nil {
				return err
			}
			if noPassword && (verify || set.passwordStdin) {
				return &usageError{command: set.command, problem: "--no-password leaves nothing to read or to verify with"}
			}
			if byPassword && !noPassword {
				if err := r.accountPassword(ctx, &in, set.passwordStdin); err != nil {
					return err
				}
			}
			a, err := client.CreateAccount(ctx, in)
			if err != nil {
				return err
			}
			return r.changed(ctx, client, a, verify)
		})
	c.Long = `create makes an account. With the address and a password alone its servers are found
when it is verified: by the starter configuration of the domain, by what relayd knows
of large providers, or by what the domain publishes. For a sign-in by oauth or app that
is done at once; the person then connects the account by the link of "relayd account
invite" or "relayd account connect".`
	set.flags(c)
	c.Flags().StringVar(&user, "user", "", "whose account it is, by address or id (default: the user with the account's address)")
	c.Flags().StringVar(&shared, "shared", "", "instead of a user: the organisation whose shared mailbox it is")
	c.Flags().BoolVar(&noPassword, "no-password", false, "ask for no password: the owner types it on the page to which account invite or account connect leads")
	c.Flags().BoolVar(&verify, "verify", false, "verify the account at once")
	return c
}

// accountOwner finds whose account it shall be, and the organisation of that.
func accountOwner(ctx context.Context, client *apiclient.Client, in *api.AccountInput, user, shared string) (organisation string, err error) {
	if shared != "" {
		in.Organisation, err = organisationID(ctx, client, shared)
		return in.Organisation, err
	}
	if user == "" {
		user = in.Address
	}
	u, err := findUser(ctx, client, user)
	if err != nil {
		return "", err
	}
	in.User = u.ID
	return u.Organisation, nil
}

// accountPassword asks for the password of the mail account.
func (r *remote) accountPassword(ctx context.Context, in *api.AccountInput, fromStdin bool) error {
	p, err := r.password(ctx, "Password of the mail account: ", fromStdin)
	if err != nil {
		return err
	}
	text := p.Reveal()
	in.Password = &text
	return nil
}

func (r *remote) accountUpdate() *cobra.Command {
	var set accountFlags
	var newPassword, verify bool
	c := r.command("update ACCOUNT", "Change the servers, the sign-in or the password of an account", exactly("the account"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findAccount(ctx, client, args[0])
			if err != nil {
				return err
			}
			in := api.AccountInput{Address: a.Address, Settings: latest(a), SentFolder: a.SentFolder, CopyMode: a.CopyMode}
			if err := set.apply(ctx, client, &in); err != nil {
				return err
			}
			if newPassword || set.passwordStdin {
				if err := r.accountPassword(ctx, &in, set.passwordStdin); err != nil {
					return err
				}
			}
			if a, err = client.UpdateAccount(ctx, a.ID, a.Revision, in); err != nil {
				return withoutPassword(&in, err)
			}
			return r.changed(ctx, client, a, verify)
		})
	c.Long = `update changes an account. One that works goes on with what is proved until the new
settings are proved too.`
	set.flags(c)
	c.Flags().BoolVar(&newPassword, "password", false, "ask for a new password")
	c.Flags().BoolVar(&verify, "verify", false, "verify the account at once")
	return c
}

// latest is the settings that were asked for last: the candidate's, if there is one.
func latest(a *api.Account) api.Settings {
	if a.Candidate != nil {
		return a.Candidate.Settings
	}
	return a.Settings
}

// withoutPassword adds to a refusal how a password is given, if none was.
func withoutPassword(in *api.AccountInput, err error) error {
	var refused *apiclient.Error
	if in.Password != nil || !errors.As(err, &refused) || refused.Field() != "password" {
		return err
	}
	return fmt.Errorf("%w Add --password or --password-stdin", err)
}

func (r *remote) accountList() *cobra.Command {
	var organisation, state string
	c := r.command("list", "List the accounts", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Accounts(ctx, apiclient.Filter{"organisation": id, "state": state})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				var rows [][]string
				for _, a := range all {
					rows = append(rows, []string{a.ID, a.Address, a.State, a.Provider, a.SignIn, endpoint(a.SMTP), endpoint(a.IMAP), a.StateReason})
				}
				table(w, []string{"ID", "ADDRESS", "STATE", "PROVIDER", "SIGN-IN", "SMTP", "IMAP", "REASON"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	c.Flags().StringVar(&state, "state", "", "only those in this state: unverified, verified, degraded or parked")
	return c
}

func (r *remote) accountCancel(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.CancelVerification(ctx, a.ID); err != nil {
		return err
	}
	return r.done("The verification of %s is cancelled.", a.Address)
}

func (r *remote) accountDelete(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.DeleteAccount(ctx, a.ID); err != nil {
		return err
	}
	return r.done("The account %s is deleted.", a.Address)
}
