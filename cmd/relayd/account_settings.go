package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
)

// accountFlags are the flags that describe an account. What is not given stays as it
// is.
type accountFlags struct {
	settingsFlags
	sentFolder    string
	copyMode      string
	passwordStdin bool
}

func (a *accountFlags) flags(c *cobra.Command) {
	a.command = "relayd account"
	a.settingsFlags.flags(c)
	f := c.Flags()
	f.StringVar(&a.sentFolder, "sent-folder", "", `name of the Sent folder; "" finds it`)
	f.StringVar(&a.copyMode, "copy-mode", "", "whether relayd files copies in Sent: auto, as its verification learned; always or never")
	f.BoolVar(&a.passwordStdin, "password-stdin", false, "read the password from the first line of standard input")
}

// apply writes what was given into the input.
func (a *accountFlags) apply(ctx context.Context, client *apiclient.Client, in *api.AccountInput) error {
	moved := a.movesOn(&in.Settings)
	if err := a.settingsFlags.apply(ctx, client, &in.Settings); err != nil {
		return err
	}
	if a.given("sent-folder") {
		in.SentFolder = a.sentFolder
	}
	if a.given("copy-mode") {
		in.CopyMode = a.copyMode
	}
	if byToken(in.SignIn) && a.passwordStdin {
		return &usageError{command: a.command, problem: "a sign-in by " + in.SignIn + " takes no password"}
	}
	if (moved || byToken(in.SignIn)) && lacksServers(&in.Settings) {
		return findServers(ctx, client, in)
	}
	return nil
}

// lacksServers reports whether the ways of sending need servers that nobody named.
// relayd knows those of Gmail and Microsoft 365.
func lacksServers(s *api.Settings) bool {
	if s.SMTP != nil || s.IMAP != nil || s.EWS != nil || s.Provider == "gmail" || s.Provider == "office365" {
		return false
	}
	return len(s.Ways) == 0 || slices.Contains(s.Ways, "smtp") || slices.Contains(s.Ways, "ews")
}

// findServers fills in the servers of an account for which they are not found when it
// is verified: one that signs in by a token, or that moves to another provider. What
// rests on a weak source is for a person to confirm.
func findServers(ctx context.Context, client *apiclient.Client, in *api.AccountInput) error {
	found, err := client.Discover(ctx, api.DiscoverInput{Address: in.Address, Provider: in.Provider})
	if err != nil {
		return fmt.Errorf("find the servers of %s: %w", in.Address, err)
	}
	if len(found.Suggestions) == 0 {
		return fmt.Errorf("no servers were found for %s: give them with --smtp and --imap, or --ews", in.Address)
	}
	best := &found.Suggestions[0]
	if best.Confirm {
		return fmt.Errorf("what was found for %s is not sure: look at it with `relayd discover %s`, and give the servers with --smtp and --imap, or --ews", in.Address, in.Address)
	}
	asked := in.Settings
	in.Settings = best.Settings
	if asked.SignIn != "" {
		in.SignIn, in.App = asked.SignIn, asked.App
	}
	if len(asked.Ways) > 0 {
		in.Ways = asked.Ways
	}
	if asked.Preset != "" {
		in.Preset = asked.Preset
	}
	return nil
}

// needsPassword reports whether a new account signs in by a password. Where nothing is
// said of it, the starter configuration of its domain decides.
func needsPassword(ctx context.Context, client *apiclient.Client, in *api.AccountInput, organisation string) (bool, error) {
	if in.SignIn != "" || !in.IsUnset() {
		return !byToken(in.SignIn), nil
	}
	s, err := starterOf(ctx, client, organisation, domainOf(in.Address))
	if err != nil || s == nil || !byToken(s.SignIn) {
		return true, err
	}
	if lacksServers(&s.Settings) { // it names the provider alone
		in.Provider, in.SignIn, in.App = s.Provider, s.SignIn, s.App
		err = findServers(ctx, client, in)
	}
	return false, err
}
