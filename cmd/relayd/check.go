package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// newCheck reads the configuration and the files that it names, and says whether
// they are good, without starting anything.
func newCheck(e *environment) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Check the configuration", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := e.loadConfig()
			if err != nil {
				return err
			}
			if err := inspect(cfg); err != nil {
				return err
			}
			source := e.configPath()
			if source == "" {
				source = "the defaults and the environment"
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "The configuration is good (%s). Data will be in %s.\n", source, cfg.DataDir)
			return err
		},
	}
}
