package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/config"
	"github.com/relayd/relayd/internal/simulator"
)

// world is the whole program, with a simulated provider and name server around it.
type world struct {
	provider *simulator.Simulator
	dns      *simulator.DNS
	environ  []string // leads the command line to the program
}

// startProgram runs the program beside a provider.
func startProgram(t *testing.T, o simulator.Options) *world {
	t.Helper()
	w := &world{}
	var err error
	if w.provider, err = simulator.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.provider.Close)
	if w.dns, err = simulator.StartDNS(t.Context(), "127.0.0.1", "mail.example. A 127.0.0.1\nmx.example. MX 10 aspmx.l.google.com.\n"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.dns.Close)
	cfg := w.config(t)
	ctx, end := context.WithCancel(t.Context())
	opened, ended := make(chan *program, 1), make(chan error, 1)
	go func() {
		ended <- serveOnce(ctx, cfg, slog.New(slog.DiscardHandler), nil, func(p *program) { opened <- p })
	}()
	select {
	case <-opened:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	w.environ = []string{"RELAYD_DATA_DIR=" + cfg.DataDir}
	return w
}

func (w *world) config(t *testing.T) *config.Config {
	t.Helper()
	cfg := testConfig(t)
	roots := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(roots, w.provider.RootPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Upstream.RootsFile, cfg.DNS.Servers = roots, []string{w.dns.Addr()}
	cfg.Accounts.SettingsDatabase = ""
	cfg.Admin.PublicURL = "https://relay.acme.example"
	cfg.Network.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for _, a := range []net.Addr{w.provider.SubmissionAddr(), w.provider.IMAPAddr(), w.provider.HTTPSAddr()} {
		cfg.Network.Ports = append(cfg.Network.Ports, addrPort(a).Port())
	}
	return cfg
}

// application --CLI--> relayd --OAuth device code--> provider; then relayd verifies
// the account through it, and tells a webhook.
func TestConnectByCodeAtAProvider(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	how := simulator.Office365()
	how.OAuth.DeviceInterval = time.Second
	w := startProgram(t, simulator.Options{
		Personality: how, Accounts: []simulator.Account{{Address: "jane@acme.example", Password: "unused"}},
		OAuthClients: []simulator.OAuthClient{{ID: "client", Secret: "s3cret", RedirectURIs: []string{"https://relay.acme.example/oauth/callback"}}},
		HTTP: map[string]http.Handler{"POST /hook": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("Webhook-Signature"), "v1,") {
				calls.Add(1)
			}
			rw.WriteHeader(http.StatusNoContent)
		})},
	})
	oauth, hook := w.provider.OAuthEndpoints(), w.provider.HTTPSURL()+"/hook"
	play(t, w.environ, `
		let soon: `+time.Now().AddDate(0, 0, 20).Format(time.DateOnly)+`
		let smtp: `+w.provider.SubmissionAddr().String()+`
		let imap: `+w.provider.IMAPAddr().String()+`
		$ relayd org create Acme --domain acme.example --administrator boss@acme.example
		$ relayd user create jane@acme.example
		in: s3cret
		$ relayd app create "Acme Mail" --vendor microsoft --client-id client --secret-stdin --secret-expires {soon} --organisation Acme --endpoint auth=`+oauth.Authorize+` --endpoint token=`+oauth.Token+` --endpoint device=`+oauth.Device+` --endpoint admin_consent=`+oauth.AdminConsent+` --endpoint mail=127.0.0.1
		$ relayd app consent "acme mail"
		out: `+oauth.AdminConsent+`?client_id=client&redirect_uri=
		$ relayd starter create --organisation Acme --provider office365 --ways smtp --smtp {smtp} --imap {imap} --sign-in oauth --app "Acme Mail"
		$ relayd discover jane@acme.example
		out: found by operator
		out: Sign-in by: oauth
		$ relayd account create jane@acme.example
		out: Sign-in: oauth
		out: State: unverified
		$ relayd account connect jane@acme.example
		out: Link: https://relay.acme.example/link/
		$ relayd webhook create `+hook+` --organisation Acme
		$ relayd webhook test `+hook+`
		out: The endpoint answered 204: the webhook works.
	`)
	if calls.Load() != 1 {
		t.Errorf("the webhook was called %d times", calls.Load())
	}
	w.connect(t, "jane@acme.example consented.", "done       Sign in to the outgoing server", "jane@acme.example is verified")
	w.connect(t, "jane@acme.example consented.", "The account works, and goes on with the new consent.")
	play(t, w.environ, `
		let soon: `+time.Now().AddDate(0, 0, 20).Format(time.DateOnly)+`
		$ relayd account show jane@acme.example
		out: State: verified
		out: Proved ways: smtp
		out: Mail arrives in: INBOX
		out: Keeps From: yes
		out: Provider files sent mail: yes
		out: In the last 24 hours:
		$ relayd account alias add jane@acme.example sales@acme.example
		$ relayd account alias verify jane@acme.example sales@acme.example
		exit: 1
		err: sales@acme.example is not verified
		$ relayd account invite jane@acme.example
		out: is on its way
		$ relayd calendar --organisation Acme
		out: {soon} 00:00:00 Secret of an application: Acme Mail (for the administrator)
	`)
}

// connect connects Jane's account by a code, which she types as soon as she reads it.
func (w *world) connect(t *testing.T, wanted ...string) {
	t.Helper()
	code := regexp.MustCompile(`type the code (\S+)\.`)
	person := &watcher{seen: func(text string) bool {
		m := code.FindStringSubmatch(text)
		if m == nil {
			return false
		}
		if err := w.provider.OAuth().ApproveDevice(m[1], "jane@acme.example"); err != nil {
			t.Error(err)
		}
		return true
	}}
	e := &environment{stdin: strings.NewReader(""), stdout: person, stderr: io.Discard, environ: w.environ}
	if err := run(t.Context(), e, words("account connect jane@acme.example --device")); err != nil {
		t.Fatalf("connect: %v\n%s", err, person.text.String())
	}
	for _, want := range wanted {
		if !strings.Contains(person.text.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, person.text.String())
		}
	}
}

// watcher is an output that is looked at until something was seen in it.
type watcher struct {
	text bytes.Buffer
	seen func(string) bool
	done bool
}

// Write implements io.Writer.
func (w *watcher) Write(p []byte) (int, error) {
	w.text.Write(p)
	if !w.done {
		w.done = w.seen(w.text.String())
	}
	return len(p), nil
}

// Of an address and a password alone the servers are found while the account is
// verified, and what is only probable is left to a person.
func TestServersAreFoundAtVerification(t *testing.T) {
	t.Parallel()
	w := startProgram(t, simulator.Options{Accounts: []simulator.Account{{Address: "jane@acme.example", Password: "correct-horse"}}})
	play(t, w.environ, `
		$ relayd org create Acme --domain gmail.com --domain mx.example --domain acme.example
		$ relayd user create jane@gmail.com
		in: abcd efgh ijkl mnop
		$ relayd account create jane@gmail.com --password-stdin --verify
		exit: 1
		out: done Find the servers: Gmail and Google Workspace, found by preset
		out: failed Connect to the outgoing server
		err: jane@gmail.com is not verified:
		$ relayd account show jane@gmail.com
		out: Provider: gmail (preset gmail)
		out: Outgoing server: smtp.gmail.com:
		out: Remaining today:
		$ relayd user create jane@mx.example
		in: secret
		$ relayd account create jane@mx.example --password-stdin --verify
		exit: 1
		out: failed Find the servers: Found, but not for sure:
		err: (the setting to mend is smtp.host)
		$ relayd discover jane@mx.example --trail
		out: found by mx
		out: Run by: gmail.com
		out: To be confirmed: Look at who runs the servers.
		out: mx yes Where mail for mx.example is delivered
		# Of Microsoft 365 the servers are known, and a consent needs no password.
		$ relayd app create Mail --vendor microsoft --client-id c --public
		$ relayd starter create --organisation Acme --domain mx.example --provider office365 --sign-in oauth --app Mail
		$ relayd user create joe@mx.example
		$ relayd account create joe@mx.example
		out: Provider: office365 (preset microsoft365)
		out: Outgoing server: smtp.office365.com:587 starttls
		$ relayd starter create --organisation Acme --domain acme.example --smtp `+w.provider.SubmissionAddr().String()+` --imap `+w.provider.IMAPAddr().String()+`
		$ relayd user create jane@acme.example
		in: correct-horse
		$ relayd account create jane@acme.example --password-stdin --verify
		out: done Try to file a copy in Sent
		out: jane@acme.example is verified
		$ relayd account bind jane@acme.example --code
		out: Page: https://relay.acme.example/link/
		$ relayd account connect jane@acme.example --device
		exit: 1
		err: app: There is no OAuth application by which this person could consent.
		# What works is changed by what is proved beside it.
		in: wrong
		$ relayd account update jane@acme.example --password-stdin --verify
		exit: 1
		out: New settings, tried beside those in force:
		$ relayd account show jane@acme.example
		out: State: verified
		out: Not proved, because:
	`)
}

// A domain is proved by the record that the command prints.
func TestProveADomain(t *testing.T) {
	t.Parallel()
	w := startProgram(t, simulator.Options{})
	play(t, w.environ, `
		$ relayd org create Acme --domain acme.example
		$ relayd domain claim new.example --organisation Acme
	`)
	var out bytes.Buffer
	e := &environment{stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard, environ: w.environ}
	if err := run(t.Context(), e, words("domain claim new.example --organisation Acme")); err != nil {
		t.Fatal(err)
	}
	record := regexp.MustCompile(`(?m)^\S+ IN TXT .*$`).FindString(out.String())
	if err := w.dns.Add(record + "\n"); err != nil {
		t.Fatalf("%q is no line of a zone file: %v", record, err)
	}
	play(t, w.environ, `
		$ relayd domain check new.example
		out: Proved:
		not: Publish
		$ relayd org show Acme
		out: Domains: acme.example, new.example
	`)
}
