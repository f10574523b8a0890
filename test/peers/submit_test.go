package peers

import (
	"context"
	"errors"
	"io"
	"net"
	"os/exec"
	"strings"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/tlsconf"
	"github.com/relayd/relayd/relay"
)

// crm is the login of the submitter that most tests have.
const crm = "crm"

// text is a message in memory.
type text string

func (t text) Size() int64       { return int64(len(t)) }
func (t text) Reader() io.Reader { return strings.NewReader(string(t)) }

// mail is a small message.
func mail(from, to, subject string) string {
	return "From: " + from + "\r\nTo: " + to + "\r\nSubject: " + subject + "\r\n\r\nThe body of " + subject + ".\r\n"
}

// client connects with our own client to port 587 and secures the connection.
func (r *relayd) client() *smtpwire.Client {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.w.at(hostRelay)+":587")
	if err != nil {
		r.t.Fatal(err)
	}
	c := smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: "crm.acme.example"})
	r.t.Cleanup(func() { c.Close() })
	for _, step := range []func(context.Context) error{
		c.Greet, c.Hello,
		func(ctx context.Context) error {
			return c.StartTLS(ctx, tlsconf.Client("relay.acme.example", r.w.authority.Roots()))
		},
		c.Hello,
	} {
		if err := step(context.Background()); err != nil {
			r.t.Fatalf("connect to relayd: %v", err)
		}
	}
	return c
}

// signedIn is a client that has signed in as the submitter.
func (r *relayd) signedIn(login string) *smtpwire.Client {
	r.t.Helper()
	c := r.client()
	if err := c.Auth(context.Background(), smtpwire.PasswordMechanisms(login, relay.Secret(r.passwords[login]))...); err != nil {
		r.t.Fatalf("sign in to relayd: %v", err)
	}
	return c
}

// submit submits a message with our own client, and gives the id from the answer.
func (r *relayd) submit(returnPath string, to []string, content string) string {
	r.t.Helper()
	c := r.signedIn(crm)
	defer c.Quit(context.Background()) //nolint:errcheck // the answer counts
	id, err := send(c, returnPath, to, content)
	if err != nil {
		r.t.Fatalf("submit: %v", err)
	}
	return id
}

func send(c *smtpwire.Client, returnPath string, to []string, content string) (string, error) {
	tx := &smtpwire.Transaction{Body: text(content), EightBit: true}
	var err error
	if returnPath != "" {
		if tx.From, err = mailaddr.Parse(returnPath); err != nil {
			return "", err
		}
	}
	for _, a := range to {
		rcpt, err := mailaddr.Parse(a)
		if err != nil {
			return "", err
		}
		tx.Recipients = append(tx.Recipients, relay.Recipient{Address: rcpt})
	}
	receipt, err := c.Send(context.Background(), tx)
	if err == nil {
		err = receipt.Err()
	}
	if err != nil {
		return "", err
	}
	id, found := strings.CutPrefix(receipt.Answers[0].Reply.Text, "queued as ")
	if !found {
		return "", errors.New("accepted without an id: " + receipt.Answers[0].Reply.String())
	}
	return id, nil
}

// swaks runs the foreign client, with content on its standard input, and gives the
// dialogue and its exit code. Arguments of the test come last and so decide.
func (r *relayd) swaks(content string, args ...string) (dialogue string, code int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all := []string{"--server", r.w.at(hostRelay), "--helo", "crm.acme.example", "--timeout", "20s", "--data", "-"}
	cmd := exec.CommandContext(ctx, relaytest.Need(r.t, "swaks"), append(all, args...)...)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(content, "\r\n", "\n"))
	out, err := cmd.CombinedOutput()
	return string(out), exitCode(r.t, err)
}

// as are the arguments with which swaks signs in as a submitter on port 587.
func (r *relayd) as(login string, more ...string) []string {
	return append([]string{
		"--port", "587", "--tls", "--auth", "PLAIN", "--auth-user", login, "--auth-password", r.passwords[login],
	}, more...)
}

// message is a message with its timeline.
func (r *relayd) message(id string) *api.MessageDetail {
	r.t.Helper()
	m, err := r.api.Message(context.Background(), id)
	if err != nil {
		r.t.Fatalf("ask for message %s: %v", id, err)
	}
	return m
}

// await waits until a message fulfils a condition.
func (r *relayd) await(id string, is func(*api.MessageDetail) bool) *api.MessageDetail {
	r.t.Helper()
	return eventually(r.t, func() []*api.MessageDetail {
		if m := r.message(id); is(m) {
			return []*api.MessageDetail{m}
		}
		return nil
	})[0]
}

// done is a message for which nothing is left to do.
func done(m *api.MessageDetail) bool { return m.Status == "done" }

// held is a message that waits for a person.
func held(m *api.MessageDetail) bool { return m.Hold != nil }

// deferred is a message whose first recipient was tried without success.
func deferred(m *api.MessageDetail) bool { return m.Recipients[0].Outcome == "deferred" }

// outcomes are how the recipients of a message stand, in their order.
func outcomes(m *api.MessageDetail) string {
	var all []string
	for _, rcpt := range m.Recipients {
		all = append(all, rcpt.Address+" "+rcpt.Outcome)
	}
	return strings.Join(all, ", ")
}

// mustSwaks submits with swaks a message that must be accepted, and gives its id.
func (r *relayd) mustSwaks(content string, args ...string) string {
	r.t.Helper()
	dialogue, code := r.swaks(content, args...)
	id := group(dialogue, `250 2\.0\.0 queued as (\S+)`)
	if code != 0 || id == "" {
		r.t.Fatalf("swaks ended with %d:\n%s", code, dialogue)
	}
	return id
}

// count is how many events of a kind the timeline of a message has.
func count(m *api.MessageDetail, kind string) int {
	n := 0
	for _, e := range m.Timeline {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
