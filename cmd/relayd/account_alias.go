package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

func (r *remote) accountAlias() *cobra.Command {
	c := group("alias", "More addresses that an account sends as")
	both := func() cobra.PositionalArgs { return exactly("the account", "the address") }
	c.AddCommand(
		r.aliasAdd(both()),
		r.command("remove ACCOUNT ADDRESS", "Take an address from an account", both(), r.aliasRemove),
		r.command("verify ACCOUNT ADDRESS", "Prove that an account may send as another address", both(), r.aliasVerify),
	)
	return c
}

func (r *remote) aliasAdd(args cobra.PositionalArgs) *cobra.Command {
	var verify bool
	c := r.command("add ACCOUNT ADDRESS", "Name another address of an account; nothing is sent as it before it is verified", args,
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			a, err := findAccount(ctx, client, args[0])
			if err != nil {
				return err
			}
			if a, err = client.AddAlias(ctx, a.ID, args[1]); err != nil {
				return err
			}
			if !verify {
				return r.account(a)
			}
			return r.proved(ctx, client, a, args[1], func() (*api.Verification, error) { return client.VerifyAlias(ctx, a.ID, args[1]) })
		})
	c.Flags().BoolVar(&verify, "verify", false, "verify the address at once")
	return c
}

func (r *remote) aliasRemove(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	if err := client.RemoveAlias(ctx, a.ID, args[1]); err != nil {
		return err
	}
	return r.done("The address %s is no more of the account %s.", args[1], a.Address)
}

func (r *remote) aliasVerify(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	v, err := client.VerifyAlias(ctx, a.ID, args[1])
	if err != nil {
		return err
	}
	return r.verification(ctx, client, args[1], v)
}
