package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

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
		r.command("verify ACCOUNT", "Prove an account: sign in to both servers and send a mail to itself", exactly("the account"), r.accountVerify),
		r.command("cancel ACCOUNT", "Cancel a running verification", exactly("the account"), r.accountCancel),
		r.command("delete ACCOUNT", "Delete an account", exactly("the account"), r.accountDelete),
	)
	return c
}

func (r *remote) accountCreate() *cobra.Command {
	var set accountSettings
	var user, shared string
	var verify bool
	c := r.command("create ADDRESS", "Make an account; the password is asked for", exactly("the address"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in := api.AccountInput{Address: args[0]}
			if err := accountOwner(ctx, client, &in, user, shared); err != nil {
				return err
			}
			if err := set.apply(&in); err != nil {
				return err
			}
			if err := r.accountPassword(ctx, &in, set.passwordStdin); err != nil {
				return err
			}
			a, err := client.CreateAccount(ctx, in)
			if err != nil {
				return err
			}
			if err := r.account(a); err != nil || !verify {
				return err
			}
			return r.verify(ctx, client, a)
		})
	set.flags(c)
	c.Flags().StringVar(&user, "user", "", "whose account it is, by address or id (default: the user with the account's address)")
	c.Flags().StringVar(&shared, "shared", "", "instead of a user: the organisation whose shared mailbox it is")
	c.Flags().BoolVar(&verify, "verify", false, "verify the account at once")
	return c
}

// accountOwner finds whose account it shall be.
func accountOwner(ctx context.Context, client *apiclient.Client, in *api.AccountInput, user, shared string) error {
	if shared != "" {
		id, err := organisationID(ctx, client, shared)
		in.Organisation = id
		return err
	}
	if user == "" {
		user = in.Address
	}
	u, err := findUser(ctx, client, user)
	if err == nil {
		in.User = u.ID
	}
	return err
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
	var set accountSettings
	var newPassword, verify bool
	c := r.command("update ACCOUNT", "Change the servers or the password of an account", exactly("the account"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findAccount(ctx, client, args[0])
			if err != nil {
				return err
			}
			in := api.AccountInput{Address: a.Address, Settings: latest(a), SentFolder: a.SentFolder, CopyMode: a.CopyMode}
			if err := set.apply(&in); err != nil {
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
			if err := r.account(a); err != nil || !verify {
				return err
			}
			return r.verify(ctx, client, a)
		})
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
					rows = append(rows, []string{a.ID, a.Address, a.State, endpoint(a.SMTP), endpoint(a.IMAP), a.StateReason})
				}
				table(w, []string{"ID", "ADDRESS", "STATE", "SMTP", "IMAP", "REASON"}, rows)
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "only those of this organisation")
	c.Flags().StringVar(&state, "state", "", "only those in this state: unverified, verified, degraded or parked")
	return c
}

func (r *remote) accountShow(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.account(a)
}

// account prints an account with what its last verification learned.
func (r *remote) account(a *api.Account) error {
	return r.answer(a, func(w io.Writer) {
		cells := []string{"Account", a.Address, "ID", a.ID, "User", a.User, "Organisation", a.Organisation,
			"Outgoing server", endpoint(a.SMTP), "Incoming server", endpoint(a.IMAP),
			"Sent folder", a.SentFolder, "State", a.State, "Since", whenever(a.StateSince), "Reason", a.StateReason,
			"Next sign-in", whenever(a.RetryAt)}
		if k := a.Card; k != nil {
			cells = append(cells, "Last verified", when(k.VerifiedAt), "By", k.SMTPHost, "Sent folder found", k.SentFolder,
				"Provider files sent mail", yes(k.FilesSent), "Keeps From", yes(k.KeepsFrom), "Keeps Message-ID", yes(k.KeepsHeaderID))
		}
		pairs(w, cells...)
	})
}

// endpoint is a server in one word; empty if there is none.
func endpoint(s *api.Server) string {
	if s == nil {
		return ""
	}
	text := s.Host + ":" + strconv.Itoa(s.Port) + " " + s.TLS
	if s.Login != "" {
		text += " as " + s.Login
	}
	return text
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
