package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/apiclient"
)

// relayd is the program in a world: a process, its configuration and its commands.
type relayd struct {
	w        *world
	t        *testing.T
	config   string // path of the file
	settings []setting
	api      *apiclient.Client

	mu        sync.Mutex
	log       bytes.Buffer // standard error of all its processes
	process   *exec.Cmd
	ended     chan error        // the end of the process
	passwords map[string]string // of submitters, by login
}

// Write takes a line of the log.
func (r *relayd) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

// logged is the log so far.
func (r *relayd) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// start starts the program and waits until it is ready.
func (r *relayd) start() {
	r.t.Helper()
	r.process = exec.Command(binary, "serve", "--config", r.config)
	r.process.Env = r.environment()
	r.process.Stdout, r.process.Stderr = r, r
	if err := r.process.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan<- error) { ended <- cmd.Wait() }(r.process, r.ended)
	soon(r.t, func() bool {
		select {
		case err := <-r.ended:
			r.ended <- err
			r.t.Fatalf("relayd ended at its start: %v\n%s", err, r.logged())
		default:
		}
		_, _, code := r.command("", "health")
		return code == 0 && r.listens()
	})
}

// listens tells whether the first listener answers, wherever it is configured.
func (r *relayd) listens() bool {
	c, err := net.DialTimeout("tcp", r.w.at(hostRelay)+":587", time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// signal sends a signal to the program.
func (r *relayd) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// wait waits for the end of the program and gives its exit code.
func (r *relayd) wait() int {
	r.t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return exitCode(r.t, err)
	case <-time.After(patience):
		r.t.Fatal("relayd does not end")
	}
	return -1
}

// stop ends the program in the ordinary way.
func (r *relayd) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		r.t.Fatalf("relayd ended with %d after SIGTERM", code)
	}
}

// kill ends the program if it still runs.
func (r *relayd) kill() {
	if r.process == nil || r.process.Process == nil {
		return
	}
	_ = r.process.Process.Kill() // it may have ended
	<-r.ended
	r.ended <- nil
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// environment is what the program sees: nothing of the test's own settings.
func (r *relayd) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(r.config), "TZ=UTC"}
}

// command runs a command of the program, with input on its standard input.
func (r *relayd) command(input string, args ...string) (out, errs string, code int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", r.config)...)
	cmd.Env = r.environment()
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return stdout.String(), stderr.String(), exitCode(r.t, err)
}

// do runs a command that must succeed, and gives its output.
func (r *relayd) do(args ...string) string {
	r.t.Helper()
	return r.doWith("", args...)
}

func (r *relayd) doWith(input string, args ...string) string {
	r.t.Helper()
	out, errs, code := r.command(input, args...)
	if code != 0 {
		r.t.Fatalf("relayd %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// organisation makes an organisation with its domain.
func (r *relayd) organisation(name, domain string, more ...string) {
	r.t.Helper()
	r.do(append([]string{"organisation", "create", name, "--domain", domain}, more...)...)
}

// submitter makes a submitter and keeps its password for the clients.
func (r *relayd) submitter(login string, more ...string) {
	r.t.Helper()
	out := r.do(append([]string{"submitter", "create", login, "--json"}, more...)...)
	var made struct{ Password string }
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Password == "" {
		r.t.Fatalf("no password in %s (%v)", out, err)
	}
	r.passwords[login] = made.Password
}

// connect makes a person's user and account, and verifies it.
func (r *relayd) connect(who person, p *provider) {
	r.t.Helper()
	r.do("user", "create", who.address())
	args := append([]string{"account", "create", who.address(), "--password-stdin", "--verify"}, p.settings(who)...)
	out := r.doWith(who.password+"\n", args...)
	if !strings.Contains(out, who.address()+" is verified") {
		r.t.Fatalf("account create --verify said:\n%s", out)
	}
}

// settings are the flags of an account at the provider.
func (p *provider) settings(who person) []string {
	return []string{
		"--smtp", "mail.acme.example:587", "--smtp-login", who.login,
		"--imap", "mail.acme.example:" + p.dovecot.IMAPS[strings.LastIndexByte(p.dovecot.IMAPS, ':')+1:],
		"--imap-tls", "implicit", "--imap-login", who.login,
	}
}

// events are the lines of the log about an event, each with its fields.
func (r *relayd) events(event string) []map[string]any {
	r.t.Helper()
	var found []map[string]any
	for line := range strings.Lines(r.logged()) {
		fields := map[string]any{}
		if !strings.HasSuffix(line, "\n") || json.Unmarshal([]byte(line), &fields) != nil {
			continue // a line that is just being written
		}
		if fields["msg"] == event {
			found = append(found, fields)
		}
	}
	return found
}

// awaitEvent waits for an event with these fields: name, value, name, value.
func (r *relayd) awaitEvent(event string, pairs ...string) map[string]any {
	r.t.Helper()
	return eventually(r.t, func() []map[string]any {
		for _, fields := range r.events(event) {
			fits := true
			for i := 0; i < len(pairs); i += 2 {
				fits = fits && fmt.Sprint(fields[pairs[i]]) == pairs[i+1]
			}
			if fits {
				return []map[string]any{fields}
			}
		}
		return nil
	})[0]
}
