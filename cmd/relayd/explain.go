package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

func newExplain(e *environment) *cobra.Command {
	r := &remote{environment: e}
	var in api.ExplainInput
	c := r.flags(r.command("explain --submitter LOGIN --from ADDRESS [--rcpt ADDRESS]...",
		"Tell what would happen to a message, and why", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			if in.Submitter == "" || in.From == "" {
				return &usageError{command: "relayd explain", problem: "--submitter and --from are needed"}
			}
			x, err := client.Explain(ctx, in)
			if err != nil {
				return err
			}
			return r.answer(x, func(w io.Writer) { explanation(w, x) })
		}))
	c.Flags().StringVar(&in.Submitter, "submitter", "", "login of the submitter")
	c.Flags().StringVar(&in.From, "from", "", "address in the From field")
	c.Flags().StringArrayVar(&in.Recipients, "rcpt", nil, "a recipient; may be repeated")
	return c
}

func explanation(w io.Writer, x *api.Explanation) {
	if x.Allowed {
		pairs(w, "Allowed", "yes", "Route", routeText(&x.Route), "Rule", x.Route.Rule, "User", x.User, "Account", x.Account)
	} else {
		pairs(w, "Allowed", "no", "The client would be told", x.Refusal)
	}
	for _, lane := range x.Lanes {
		line(w, "Waits in: %s", relay.Printable(lane))
	}
	for i, step := range x.Steps {
		line(w, "%3d. %s", i+1, relay.Printable(step))
	}
}
