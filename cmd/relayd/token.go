package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// maxTokenDays bounds --expires: a hundred years. Without --expires a token lasts
// until it is revoked.
const maxTokenDays = 36500

func newToken(e *environment) *cobra.Command {
	r := &remote{environment: e}
	c := r.flags(group("token", "Tokens of the admin API"))
	c.AddCommand(
		r.tokenCreate(),
		r.command("list", "List the tokens", exactly(), r.tokenList),
		r.command("revoke TOKEN", "End a token, named by its id", exactly("the token"), r.tokenRevoke),
	)
	return c
}

func (r *remote) tokenCreate() *cobra.Command {
	var expires, organisation string
	c := r.command("create NAME", "Make a token; it is shown once", exactly("the name"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in := api.TokenInput{Name: args[0]}
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			in.Organisation = id
			if in.Expires, err = expiry(expires, time.Now()); err != nil {
				return err
			}
			t, err := client.CreateToken(ctx, in)
			if err != nil {
				return err
			}
			return r.answer(t, func(w io.Writer) {
				pairs(w, "Token", t.Secret, "Name", t.Token.Name, "ID", t.Token.ID, "Organisation", t.Token.Organisation, "Expires", whenever(t.Token.Expires))
				line(w, "Keep the token now: relayd keeps only a hash and cannot show it again.")
			})
		})
	c.Flags().StringVar(&expires, "expires", "", "how long it lasts, such as 90d or 12h (default: until it is revoked)")
	c.Flags().StringVar(&organisation, "organisation", "", "the one organisation that it shall reach (default: everything)")
	return c
}

// expiry is when a token ends that lasts so long from now.
func expiry(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	lasts, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		n, convErr := strconv.Atoi(days)
		lasts, err = time.Duration(min(n, maxTokenDays+1))*24*time.Hour, convErr
	}
	if err != nil || lasts <= 0 || lasts > maxTokenDays*24*time.Hour {
		return nil, &usageError{command: "relayd token create", problem: fmt.Sprintf("--expires %q is no duration such as 90d or 12h", text)}
	}
	end := now.Add(lasts).UTC()
	return &end, nil
}

func (r *remote) tokenList(ctx context.Context, client *apiclient.Client, _ []string) error {
	all, err := client.Tokens(ctx)
	if err != nil {
		return err
	}
	return r.answer(all, func(w io.Writer) {
		var rows [][]string
		for _, t := range all {
			rows = append(rows, []string{t.ID, t.Name, t.Organisation, when(t.Created), whenever(t.Expires)})
		}
		table(w, []string{"ID", "NAME", "ORGANISATION", "CREATED", "EXPIRES"}, rows)
	})
}

func (r *remote) tokenRevoke(ctx context.Context, client *apiclient.Client, args []string) error {
	if err := client.RevokeToken(ctx, args[0]); err != nil {
		return err
	}
	return r.done("The token is revoked.")
}
