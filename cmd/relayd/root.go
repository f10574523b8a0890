package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/config"
)

// environment is what a command has of the world around it.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string // in the form of os.Environ

	configFile string // --config; empty: RELAYD_CONFIG
}

// constructors makes the commands, in the order of the help. A new command is a
// line here and a file of its own.
func constructors() []func(*environment) *cobra.Command {
	return []func(*environment) *cobra.Command{
		newServe, newCheck, newDemo, newSimulate,
		newOrganisation, newDomain, newUser, newApp, newStarter, newDiscover, newAccount,
		newSubmitter, newDKIM, newToken, newWebhook,
		newQueue, newExplain, newCalendar, newHealth, newVersion,
	}
}

func newRoot(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "relayd",
		Short: "A mail relay that sends through the sender's own account",
		Long: `relayd takes mail from applications by SMTP, finds the sender's own mail account
and sends the message through it, as if the person had pressed Send; then it files
a copy in the Sent folder. Mail of senders without a verified account is delivered
directly, signed with DKIM.`,
		SilenceErrors: true, // exit.go tells them
		SilenceUsage:  true,
		Args:          known,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(e.stdin)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{command: c.CommandPath(), problem: err.Error()}
	})
	root.PersistentFlags().StringVar(&e.configFile, "config", "", "configuration file (or RELAYD_CONFIG)")
	for _, construct := range constructors() {
		root.AddCommand(construct(e))
	}
	return root
}

// loadConfig reads the configuration that the flags and the environment name.
func (e *environment) loadConfig() (*config.Config, error) {
	return config.Load(e.configPath(), e.environ)
}

// configPath is the file of the configuration; empty if there is none.
func (e *environment) configPath() string {
	if e.configFile != "" {
		return e.configFile
	}
	return e.variable("RELAYD_CONFIG")
}

// variable is a variable of the environment; the last one of a name wins, as in a
// process.
func (e *environment) variable(name string) string {
	for _, entry := range slices.Backward(e.environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// group makes a command that only has commands below it. Without one of them it
// is a usage error, not a success.
func group(use, short string, aliases ...string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Aliases: aliases, Args: known,
		RunE: func(c *cobra.Command, _ []string) error {
			return &usageError{command: c.CommandPath(), problem: "a command is missing"}
		},
	}
}

// known refuses what names no command below.
func known(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{command: c.CommandPath(), problem: fmt.Sprintf("there is no command %q", args[0])}
	}
	return nil
}

// exactly wants that many arguments, named for the message.
func exactly(names ...string) cobra.PositionalArgs {
	return between(len(names), names...)
}

// between wants at least some of the named arguments; the last name may repeat if
// it ends with dots.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < least {
			return &usageError{command: c.CommandPath(), problem: strings.TrimSuffix(names[len(args)], "...") + " is missing"}
		}
		repeats := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		if len(args) > len(names) && !repeats {
			return &usageError{command: c.CommandPath(), problem: fmt.Sprintf("%q is too much", args[len(names)])}
		}
		return nil
	}
}
