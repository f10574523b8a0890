package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/simulator/exchange"
)

// simulateFlags are the flags of `relayd simulate`.
type simulateFlags struct {
	host        string
	accounts    []string
	personality string
	ports       simulator.Ports
	files       bool
	sentDelay   time.Duration
	limit       int
	release     string
	schemes     []string
	clients     []string
	keyFile     string
	authFile    string
}

// newSimulate runs the built-in mail provider, for trying relayd out and for tests
// of other programs.
func newSimulate(e *environment) *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use: "simulate", Short: "Run a mail provider on loopback, for trials and tests", Args: exactly(),
		Long: `simulate runs a mail provider on this machine: submission with STARTTLS and implicit
TLS, IMAP with both, and HTTPS with OAuth, Microsoft Graph and the Gmail API, or with
Exchange's web services and Autodiscover (--personality exchange). It behaves as the
provider whose personality it has. Mail between its accounts arrives; all other mail
is kept and goes nowhere. Everything is in memory and gone at the end (Ctrl-C).
docs/simulator.md tells how to let things go wrong.`,
		RunE: func(c *cobra.Command, _ []string) error { return simulate(c, e, &f) },
	}
	c.Flags().StringVar(&f.host, "host", "127.0.0.1", "loopback address to listen on")
	c.Flags().StringSliceVar(&f.accounts, "account", []string{"jane@acme.example:correct-horse"}, "address:password of a mailbox; may be repeated")
	c.Flags().StringVar(&f.personality, "personality", "plain", "how it behaves: "+strings.Join(simulator.PersonalityNames(), ", "))
	c.Flags().IntVar(&f.ports.Submission, "submission-port", 10587, "submission with STARTTLS")
	c.Flags().IntVar(&f.ports.Submissions, "submissions-port", 10465, "submission with implicit TLS")
	c.Flags().IntVar(&f.ports.IMAP, "imap-port", 10143, "IMAP with STARTTLS")
	c.Flags().IntVar(&f.ports.IMAPS, "imaps-port", 10993, "IMAP with implicit TLS")
	c.Flags().IntVar(&f.ports.HTTPS, "https-port", 10443, "OAuth, Graph, the Gmail API, EWS and administration")
	c.Flags().BoolVar(&f.files, "files-sent", false, "file submitted mail in Sent, whatever the personality does")
	c.Flags().DurationVar(&f.sentDelay, "sent-delay", 0, "file it so much later; without it as the personality does")
	c.Flags().IntVar(&f.limit, "limit", -1, "messages that each account may send; -1 means any number")
	c.Flags().StringVar(&f.release, "exchange-release", "", "of the personality exchange: "+releaseNames())
	c.Flags().StringSliceVar(&f.schemes, "exchange-schemes", nil, "of its sign-in, in their order: NTLM, Basic, Negotiate; without it NTLM and Basic")
	c.Flags().StringArrayVar(&f.clients, "oauth-client", nil, "id:secret:redirect address of an application; may be repeated")
	c.Flags().StringVar(&f.keyFile, "service-account-file", "", "make a service account for all mailboxes and write its key into this file")
	c.Flags().StringVar(&f.authFile, "ca-file", "", "write the authority that clients must trust into this PEM file")
	return c
}

func simulate(c *cobra.Command, e *environment, f *simulateFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	o.Logger = slog.New(slog.NewTextHandler(e.stderr, nil))
	sim, err := simulator.Start(c.Context(), o)
	if err != nil {
		return fmt.Errorf("start the simulated provider: %w", err)
	}
	defer sim.Close()
	for _, a := range o.Accounts {
		if err := sim.SetLimit(a.Address, f.limit); err != nil {
			return err
		}
	}
	if f.authFile != "" {
		if err := os.WriteFile(f.authFile, sim.RootPEM(), 0o644); err != nil { //nolint:gosec // a certificate is public
			return fmt.Errorf("write the authority: %w", err)
		}
	}
	if f.keyFile != "" {
		key, err := sim.ServiceAccount("relayd@simulator.iam.example")
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.keyFile, key, 0o600); err != nil {
			return fmt.Errorf("write the service account: %w", err)
		}
	}
	describeSimulator(c.OutOrStdout(), sim, o, f.authFile)
	<-c.Context().Done()
	return nil
}

// options are what the flags ask for.
func (f *simulateFlags) options() (simulator.Options, error) {
	accounts, err := simulatedAccounts(f.accounts)
	if err != nil {
		return simulator.Options{}, err
	}
	clients, err := simulatedClients(f.clients)
	if err != nil {
		return simulator.Options{}, err
	}
	how, err := simulator.PersonalityNamed(f.personality)
	if err != nil {
		return simulator.Options{}, &usageError{command: "relayd simulate", problem: "--personality: " + err.Error()}
	}
	if err := f.exchange(&how); err != nil {
		return simulator.Options{}, err
	}
	how.FilesSent = how.FilesSent || f.files
	if f.sentDelay > 0 {
		how.SentDelay = f.sentDelay
	}
	return simulator.Options{Host: f.host, Ports: f.ports, Accounts: accounts, OAuthClients: clients, Personality: how}, nil
}

// exchange sets what the flags ask of the Exchange server.
func (f *simulateFlags) exchange(how *simulator.Personality) error {
	if f.release == "" && len(f.schemes) == 0 {
		return nil
	}
	if how.Exchange.Release == "" {
		return &usageError{command: "relayd simulate", problem: "--exchange-release and --exchange-schemes belong to --personality exchange"}
	}
	if f.release != "" {
		how.Exchange.Release = exchange.Release(f.release)
		if !slices.Contains(exchange.Releases(), how.Exchange.Release) {
			return &usageError{command: "relayd simulate", problem: fmt.Sprintf("--exchange-release %q is none of %s", f.release, releaseNames())}
		}
	}
	for _, name := range f.schemes {
		i := slices.IndexFunc(exchange.Schemes(), func(s exchange.Scheme) bool { return strings.EqualFold(string(s), name) })
		if i < 0 {
			return &usageError{command: "relayd simulate", problem: fmt.Sprintf("--exchange-schemes %q is none of NTLM, Basic and Negotiate", name)}
		}
		how.Exchange.Schemes = append(how.Exchange.Schemes, exchange.Schemes()[i])
	}
	return nil
}

// releaseNames are the releases of Exchange, for people.
func releaseNames() string {
	var names []string
	for _, r := range exchange.Releases() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
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

// simulatedClients reads applications. A redirect address has colons of its own.
func simulatedClients(flags []string) ([]simulator.OAuthClient, error) {
	clients := make([]simulator.OAuthClient, 0, len(flags))
	for _, flag := range flags {
		parts := strings.SplitN(flag, ":", 3)
		if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
			return nil, &usageError{command: "relayd simulate", problem: fmt.Sprintf("--oauth-client %q is not id:secret:redirect", parts[0])}
		}
		clients = append(clients, simulator.OAuthClient{ID: parts[0], Secret: parts[1], RedirectURIs: []string{parts[2]}, AppOnly: true})
	}
	return clients, nil
}

func describeSimulator(w io.Writer, sim *simulator.Simulator, o simulator.Options, authFile string) {
	line(w, "A mail provider (%s) runs on this machine until Ctrl-C.\n", o.Personality.Name)
	pairs(w,
		"submission, STARTTLS", sim.SubmissionAddr().String(), "submission, implicit TLS", sim.SubmissionsAddr().String(),
		"IMAP, STARTTLS", sim.IMAPAddr().String(), "IMAP, implicit TLS", sim.IMAPSAddr().String(),
		"HTTPS", sim.HTTPSAddr().String())
	for _, a := range o.Accounts {
		pairs(w, "account", a.Address, "password", a.Password)
	}
	line(w, "")
	base, oauth := sim.HTTPSURL(), sim.OAuthEndpoints()
	pairs(w,
		"authorisation", oauth.Authorize, "tokens", oauth.Token, "devices", oauth.Device, "revocation", oauth.Revoke,
		"administrator's consent", oauth.AdminConsent, "Microsoft Graph", base+"/v1.0", "Gmail API", base+"/gmail/v1",
		"faults", base+"/simulator/faults", "outbox", base+"/simulator/outbox")
	if url := sim.EWSURL(); url != "" {
		pairs(w, "EWS", url, "Autodiscover", base+"/autodiscover/autodiscover.xml",
			"Exchange signs in with", "an address, a name before the @, or EXAMPLE\\name")
	}
	for _, c := range o.OAuthClients {
		pairs(w, "OAuth client", c.ID, "redirects to", c.RedirectURIs[0])
	}
	if authFile != "" {
		line(w, "\nClients must trust the authority in %s (relayd: upstream.roots_file).", authFile)
	}
	line(w, "To let relayd connect here, set network.allow: [127.0.0.0/8] and network.ports to the ports above.")
}
