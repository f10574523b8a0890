package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// newDemo shows the main job, with everything that it needs on this machine.
func newDemo(e *environment) *cobra.Command {
	var once bool
	c := &cobra.Command{
		Use: "demo", Short: "Show the main job: no network, no root, nothing left behind", Args: exactly(),
		Long: `demo starts a mail provider, a mail server of the world and a name server on
loopback, and relayd on a temporary store. It sets relayd up with the commands that
you would use, submits two messages as an application would, and shows what becomes
of them: one goes through the sender's own account and is copied to Sent, one goes
directly, signed with DKIM. Then it stays up until Ctrl-C, so that you can go on.`,
		RunE: func(c *cobra.Command, _ []string) error { return demo(c.Context(), e, once) },
	}
	c.Flags().BoolVar(&once, "once", false, "end after the two messages")
	return c
}

// The people of the demonstration.
var (
	demoJane = relay.Address{Local: "jane", Domain: "acme.example"} // has an account at the provider
	demoNick = relay.Address{Local: "nick", Domain: "acme.example"} // has none
	demoBob  = relay.Address{Local: "bob", Domain: "world.example"} // whom both write to
)

const demoPassword = "correct-horse-battery"

// demonstration is a running demo.
type demonstration struct {
	*environment
	world    *demoWorld
	password relay.Secret // of the submitter crm
}

func demo(ctx context.Context, e *environment, once bool) (err error) {
	d := &demonstration{environment: e}
	if d.world, err = startWorld(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.world.close()) }()
	relayd, err := d.world.startRelayd(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, relayd.stop()) }()
	err = d.play(ctx, relayd)
	if ctx.Err() != nil {
		return nil // Ctrl-C is how it ends, at any moment
	}
	if err != nil || once {
		return err
	}
	d.invite(relayd)
	select {
	case <-ctx.Done():
	case <-relayd.ended:
	}
	return nil
}

func (d *demonstration) play(ctx context.Context, relayd *demoRelayd) error {
	for _, act := range []func(context.Context, *demoRelayd) error{d.setUp, d.throughAccount, d.directly} {
		if err := act(ctx, relayd); err != nil {
			return err
		}
	}
	return nil
}

func (d *demonstration) setUp(ctx context.Context, relayd *demoRelayd) error {
	sim := d.world.provider
	d.title("The stage: everything listens on this machine only")
	pairs(d.stdout,
		"Jane's mail provider", fmt.Sprintf("submission %s, IMAP %s", sim.SubmissionAddr(), sim.IMAPAddr()),
		"the world's mail server", d.world.mx.Addr().String(),
		"name server", d.world.dns.Addr(),
		"relayd", fmt.Sprintf("submission %s, data in %s", relayd.program.smtpd.Addr(demoListener), d.world.dir))

	d.title("An administrator prepares the organisation; Jane connects her mailbox")
	for _, c := range []struct{ stdin, line string }{
		{"", "organisation create Acme --domain acme.example"},
		{"", "user create jane@acme.example"},
		{"", "dkim generate acme.example --selector demo --algorithm ed25519-sha256"},
		{demoPassword, fmt.Sprintf("account create jane@acme.example --smtp %s --smtp-tls starttls --imap %s --imap-tls starttls --password-stdin --verify",
			sim.SubmissionAddr(), sim.IMAPAddr())},
	} {
		if _, err := d.command(ctx, d.stdout, c.stdin, c.line); err != nil {
			return err
		}
	}
	return d.makeSubmitter(ctx)
}

func (d *demonstration) makeSubmitter(ctx context.Context) error {
	d.title("The CRM gets a credential: it may send as everybody of Acme")
	out, err := d.command(ctx, io.Discard, "", "submitter create crm --organisation Acme --whole-organisation --json")
	if err != nil {
		return err
	}
	var made api.SubmitterSecret
	if err := json.Unmarshal(out, &made); err != nil {
		return fmt.Errorf("read the answer of submitter create: %w", err)
	}
	d.password = relay.Secret(made.Password)
	line(d.stdout, "  login %s, password %s", made.Submitter.Login, made.Password)
	return nil
}

func (d *demonstration) throughAccount(ctx context.Context, relayd *demoRelayd) error {
	d.title("1. The CRM sends as Jane: through her own account")
	before := len(d.world.mx.Received())
	id, err := d.submit(ctx, relayd, demoJane, "Your offer")
	if err != nil {
		return err
	}
	if err := d.awaitDone(ctx, id); err != nil {
		return err
	}
	d.title("What her provider saw, and what lies in her Sent folder")
	for _, mail := range d.world.provider.Outbox() {
		if bytes.Contains(mail.Content, []byte("Subject: Your offer")) {
			line(d.stdout, "  signed in as %s, MAIL FROM <%s>, RCPT TO <%s>, TLS %s", mail.User, mail.From, strings.Join(mail.To, ">, <"), yes(mail.TLS))
		}
	}
	sent, err := d.world.provider.Messages(ctx, demoJane.String(), "Sent")
	if err != nil {
		return fmt.Errorf("look into Sent: %w", err)
	}
	line(d.stdout, "  Sent holds %d message:", len(sent))
	for _, m := range sent {
		header(d.stdout, m.Content, "From", "To", "Subject", "Message-ID")
	}
	return d.showArrived(ctx, before, "From", "Subject")
}

func (d *demonstration) directly(ctx context.Context, relayd *demoRelayd) error {
	d.title("2. The CRM sends as Nick, who has connected no mailbox: directly, signed by acme.example")
	before := len(d.world.mx.Received())
	id, err := d.submit(ctx, relayd, demoNick, "Your invoice")
	if err != nil {
		return err
	}
	if err := d.awaitDone(ctx, id); err != nil {
		return err
	}
	return d.showArrived(ctx, before, "DKIM-Signature", "From", "Subject")
}

// awaitDone waits until nothing is left to do for a message, and shows its life.
func (d *demonstration) awaitDone(ctx context.Context, id string) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := d.run(ctx, io.Discard, "", "queue", "show", id, "--json")
		if err != nil {
			return err
		}
		var m api.MessageDetail
		if err := json.Unmarshal(out, &m); err != nil {
			return fmt.Errorf("read the answer of queue show: %w", err)
		}
		if m.Retired != nil {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	_, err := d.command(ctx, d.stdout, "", "queue show "+id)
	return err
}

func (d *demonstration) showArrived(ctx context.Context, before int, fields ...string) error {
	for len(d.world.mx.Received()) == before {
		changed := d.world.mx.Changed()
		if len(d.world.mx.Received()) > before {
			break
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
	line(d.stdout, "\n  What %s got:", demoBob)
	header(d.stdout, d.world.mx.Received()[before].Content, fields...)
	return nil
}

// command runs one of relayd's own commands and shows it as a person would type it.
func (d *demonstration) command(ctx context.Context, show io.Writer, stdin, text string) ([]byte, error) {
	line(d.stdout, "\n  $ relayd %s", text)
	return d.run(ctx, &indented{show, true}, stdin, strings.Fields(text)...)
}

// run runs a command against the demo's relayd, and shows what it prints as it
// comes.
func (d *demonstration) run(ctx context.Context, show io.Writer, stdin string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	e := &environment{
		stdin: strings.NewReader(stdin), stdout: io.MultiWriter(&out, show), stderr: d.stderr,
		environ: []string{"RELAYD_DATA_DIR=" + d.world.dir, "RELAYD_HOSTNAME=" + demoHostname},
	}
	err := run(ctx, e, args)
	return out.Bytes(), err
}

// indented moves what is written to the right.
type indented struct {
	w     io.Writer
	start bool // at the start of a line
}

// Write implements io.Writer.
func (i *indented) Write(p []byte) (int, error) {
	for l := range bytes.Lines(p) {
		if i.start {
			l = append([]byte("    "), l...)
		}
		i.start = l[len(l)-1] == '\n'
		if _, err := i.w.Write(l); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (d *demonstration) title(text string) { line(d.stdout, "\n── %s", text) }

func (d *demonstration) invite(relayd *demoRelayd) {
	d.title("relayd stays up until Ctrl-C. To go on in another terminal:")
	line(d.stdout, `
  export RELAYD_DATA_DIR=%s
  relayd queue list --all
  relayd explain --submitter crm --from jane@acme.example --rcpt bob@world.example
  swaks --server %s --tls --auth-user crm --auth-password %s \
        --from jane@acme.example --to bob@world.example`,
		d.world.dir, relayd.program.smtpd.Addr(demoListener), d.password.Reveal())
	line(d.stdout, "\n  The log is in %s. Everything is removed at the end.", d.world.logFile)
}
