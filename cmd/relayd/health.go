package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/apiclient"
)

// newHealth is what supervisors and container health checks call.
func newHealth(e *environment) *cobra.Command {
	r := &remote{environment: e}
	return r.flags(r.command("health", "Tell whether relayd runs and everything works that it needs", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			ready, err := client.Ready(ctx)
			if err != nil {
				return err
			}
			err = r.answer(ready, func(w io.Writer) {
				for _, check := range ready.Checks {
					state := "failed"
					if check.OK {
						state = "ok"
					}
					line(w, "%-7s %s", state, check.Name)
				}
			})
			if err == nil && !ready.Ready {
				err = errors.New("relayd is not ready; its log has the reasons")
			}
			return err
		}))
}
