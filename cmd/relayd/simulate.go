package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/simulator"
)

// simulateFlags are the flags of `relayd simulate`.
type simulateFlags struct {
	host     string
	accounts []string
	ports    simulator.Ports
	files    bool
	authFile string
}

// newSimulate runs the built-in mail provider, for trying relayd out and for tests
// of other programs.
func newSimulate(e *environment) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use: "simulate", Short: "Run a mail provider on loopback, for trials and tests", Args: exactly(),
		Long: `simulate runs a mail provider on this machine: submission with STARTTLS and implicit
TLS, and IMAP with both. Mail between its accounts arrives; all other mail is kept
and goes nowhere. Everything is in memory and gone at the end (Ctrl-C).`,
		RunE: func(c *cobra.Command, _ []string) error { return simulate(c, e, &f) },
	}
	c.Flags().StringVar(&f.host, "host", "127.0.0.1", "loopback address to listen on")
	c.Flags().StringSliceVar(&f.accounts, "account", []string{"jane@acme.example:correct-horse"}, "address:password of a mailbox; may be repeated")
	c.Flags().IntVar(&f.ports.Submission, "submission-port", 10587, "submission with STARTTLS")
	c.Flags().IntVar(&f.ports.Submissions, "submissions-port", 10465, "submission with implicit TLS")
	c.Flags().IntVar(&f.ports.IMAP, "imap-port", 10143, "IMAP with STARTTLS")
	c.Flags().IntVar(&f.ports.IMAPS, "imaps-port", 10993, "IMAP with implicit TLS")
	c.Flags().BoolVar(&f.files, "files-sent", false, "file submitted mail in Sent, as Gmail and Office 365 do")
	c.Flags().StringVar(&f.authFile, "ca-file", "", "write the authority that clients must trust into this PEM file")
	return c
}

func simulate(c *cobra.Command, e *environment, f *simulateFlags) error {
	accounts, err := simulatedAccounts(f.accounts)
	if err != nil {
		return err
	}
	sim, err := simulator.Start(c.Context(), simulator.Options{
		Host: f.host, Ports: f.ports, Accounts: accounts,
		Personality: simulator.Personality{FilesSent: f.files},
		Logger:      slog.New(slog.NewTextHandler(e.stderr, nil)),
	})
	if err != nil {
		return fmt.Errorf("start the simulated provider: %w", err)
	}
	defer sim.Close()
	if f.authFile != "" {
		if err := os.WriteFile(f.authFile, sim.RootPEM(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return fmt.Errorf("write the authority: %w", err)
		}
	}
	describeSimulator(c.OutOrStdout(), sim, accounts, f.authFile)
	<-c.Context().Done()
	return nil
}

func simulatedAccounts(flags []string) ([]simulator.Account, error) {
	accounts := make([]simulator.Account, 0, len(flags))
	for _, flag := range flags {
		address, password, ok := strings.Cut(flag, ":")
		if !ok || address == "" || password == "" {
			return nil, &usageError{command: "relayd simulate", problem: fmt.Sprintf("--account %q is not address:password", address)}
		}
		accounts = append(accounts, simulator.Account{Address: address, Password: password})
	}
	return accounts, nil
}

func describeSimulator(w io.Writer, sim *simulator.Simulator, accounts []simulator.Account, authFile string) {
	line(w, "A mail provider runs on this machine until Ctrl-C.\n")
	pairs(w,
		"submission, STARTTLS", sim.SubmissionAddr().String(), "submission, implicit TLS", sim.SubmissionsAddr().String(),
		"IMAP, STARTTLS", sim.IMAPAddr().String(), "IMAP, implicit TLS", sim.IMAPSAddr().String())
	for _, a := range accounts {
		pairs(w, "account", a.Address, "password", a.Password)
	}
	if authFile != "" {
		line(w, "\nClients must trust the authority in %s (relayd: upstream.roots_file).", authFile)
	}
	line(w, "To let relayd connect here, set network.allow: [127.0.0.0/8] and network.ports to the ports above.")
}
