package main

import (
	"context"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

// newCalendar lists what ends.
func newCalendar(e *environment) *cobra.Command {
	r := &remote{environment: e}
	var organisation string
	var days int
	c := r.command("calendar", "List what ends: consents, secrets, certificates, and what providers take away", exactly(),
		func(ctx context.Context, client *apiclient.Client, _ []string) error {
			id, err := organisationID(ctx, client, organisation)
			if err != nil {
				return err
			}
			all, err := client.Calendar(ctx, apiclient.Filter{"organisation": id, "days": strconv.Itoa(days)})
			if err != nil {
				return err
			}
			return r.answer(all, func(w io.Writer) {
				if len(all) == 0 {
					line(w, "Nothing ends in the next %d days.", days)
				}
				for _, entry := range all {
					line(w, "%s  %s: %s (for the %s)", when(entry.When), relay.Printable(kindText(entry.Kind)), relay.Printable(entry.What), relay.Printable(entry.Actor))
					line(w, "    %s", relay.Printable(entry.Sentence))
				}
			})
		})
	c.Flags().StringVar(&organisation, "organisation", "", "of this organisation (default: the operator's own)")
	c.Flags().IntVar(&days, "days", 90, "how far ahead")
	return r.flags(c)
}

// kindText names the kind of what ends, as people do.
func kindText(kind string) string {
	switch kind {
	case "consent":
		return "Consent"
	case "app_secret":
		return "Secret of an application"
	case "certificate":
		return "Certificate"
	case "provider":
		return "Change at a provider"
	}
	return kind
}
