package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

// newDiscover looks for the settings of an address.
func newDiscover(e *environment) *cobra.Command {
	r := &remote{environment: e}
	var in api.DiscoverInput
	var trail bool
	c := r.command("discover ADDRESS", "Look for the settings of an address; nobody signs in anywhere", exactly("the address"),
		func(ctx context.Context, client *apiclient.Client, args []string) error {
			in.Address = args[0]
			found, err := client.Discover(ctx, in)
			if err != nil {
				return err
			}
			return r.answer(found, func(w io.Writer) { discoveryText(w, found, trail) })
		})
	c.Flags().StringVar(&in.Provider, "provider", "", "what the person chose already: imap, gmail, office365 or exchange")
	c.Flags().BoolVar(&trail, "trail", false, "show what was asked, and what came of it")
	return r.flags(c)
}

func discoveryText(w io.Writer, found *api.Discovery, trail bool) {
	if len(found.Suggestions) == 0 {
		line(w, "Nothing was found for %s: the servers must be entered by hand.", relay.Printable(found.Address))
	}
	for i := range found.Suggestions {
		suggestionText(w, i+1, &found.Suggestions[i])
	}
	if !trail {
		return
	}
	line(w, "What was asked, in the order of trust:")
	var rows [][]string
	for _, step := range found.Trail {
		rows = append(rows, []string{step.Source, yes(step.Found), step.Asked, step.Came})
	}
	table(w, []string{"SOURCE", "FOUND", "ASKED", "CAME"}, rows)
}

func suggestionText(w io.Writer, number int, s *api.Suggestion) {
	name := relay.Printable(s.Name)
	if name == "" {
		name = "A provider without a name"
	}
	line(w, "%d. %s, found by %s", number, name, relay.Printable(s.Source))
	settings := s.Settings
	settings.SignIn, settings.App = "", ""
	confirm := ""
	if s.Confirm {
		confirm = strings.TrimSpace("Look at who runs the servers. " + s.Why)
	}
	pairs(w, append(settingsText(&settings), "Run by", strings.Join(s.RegisteredDomains, ", "),
		"Sign-in by", strings.Join(s.SignIns, ", "), "To be confirmed", confirm)...)
	for _, h := range s.Hints {
		hintText(w, h)
	}
	line(w, "")
}

func hintText(w io.Writer, h api.ProviderHint) {
	text := "- "
	if h.Administrator {
		text = "- For the administrator: "
	}
	text += relay.Printable(h.Text)
	if h.URL != "" {
		text += fmt.Sprintf(" (%s)", relay.Printable(h.URL))
	}
	line(w, "%s", text)
}
