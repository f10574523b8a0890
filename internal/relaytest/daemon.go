package relaytest

import (
	"bytes"
	"context"
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
)

// startTimeout is how long a real server may take until its port answers. These
// machines can be busy; a server that works needs a fraction of it.
const startTimeout = 30 * time.Second

// Need finds a program of another project that a test speaks to. What
// becomes of the test without it is up to Lack.
func Need(tb testing.TB, program string) string {
	tb.Helper()
	path, err := exec.LookPath(program)
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/lib/postfix/sbin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, program))
	}
	if err != nil {
		Lack(tb, "%s is not installed: make tools installs it", program)
	}
	return path
}

// Lack ends a test for which the machine lacks something: skipped for a developer,
// failed where CI is set, so that nothing untried looks like success.
func Lack(tb testing.TB, format string, args ...any) {
	tb.Helper()
	if os.Getenv("CI") != "" {
		tb.Fatalf(format, args...)
	}
	tb.Skipf(format, args...)
}

// FreePort gives a TCP port that nobody listens on at the address.
func FreePort(tb testing.TB, host string) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// Daemon is a real server that a test started and will end.
type Daemon struct {
	tb   testing.TB
	cmd  *exec.Cmd
	out  *output
	done chan struct{}
	stop sync.Once

	// endSession ends what the program started in a session of its own, where the
	// signal to its group does not reach. It may be nil.
	endSession func()
}

// StartDaemon starts a program in the foreground and ends it with the test. Its
// output is shown if the test fails. It returns when every port answers.
func StartDaemon(tb testing.TB, ports []string, program string, args ...string) *Daemon {
	tb.Helper()
	d := &Daemon{tb: tb, out: &output{}, done: make(chan struct{})}
	d.cmd = exec.Command(program, args...) //nolint:gosec,noctx // the tests' own peers; ended by Stop
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	d.cmd.WaitDelay = 5 * time.Second // its children may hold the output open
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		tb.Fatalf("start %s: %v", program, err)
	}
	go func() {
		_ = d.cmd.Wait() // how it ended shows in its output
		close(d.done)
	}()
	tb.Cleanup(func() {
		d.Stop()
		if tb.Failed() {
			tb.Logf("output of %s:\n%s", filepath.Base(program), d.out)
		}
	})
	for _, port := range ports {
		if err := d.await(port); err != nil {
			tb.Fatalf("%s: %v\n%s", program, err, d.out)
		}
	}
	return d
}

// Stop ends the server and everything that it started, and waits for it.
func (d *Daemon) Stop() {
	d.stop.Do(func() {
		if d.endSession != nil {
			d.endSession()
		}
		group := -d.cmd.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM) // it may have ended by itself
		select {
		case <-d.done:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(group, syscall.SIGKILL)
			<-d.done
		}
	})
}

// Pid is the process that was started.
func (d *Daemon) Pid() int { return d.cmd.Process.Pid }

// Output is what the server has written so far.
func (d *Daemon) Output() string { return d.out.String() }

func (d *Daemon) await(address string) error {
	deadline := time.Now().Add(startTimeout)
	for {
		c, err := net.DialTimeout("tcp", address, time.Second) //nolint:noctx // bounded by its timeout
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w", address, err)
		}
		select {
		case <-d.done:
			return fmt.Errorf("ended before %s answered", address)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// output gathers what a server writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// WriteFile writes a file of a server's configuration, its lines joined.
func WriteFile(tb testing.TB, path string, lines ...string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil { //nolint:gosec // servers run as other users
		tb.Fatal(err)
	}
}

// MakeDir makes a directory that servers running as other users can enter.
func MakeDir(tb testing.TB, path string) string {
	tb.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // servers run as other users
		tb.Fatal(err)
	}
	return path
}

// OpenDir gives a temporary directory that servers running as other users can
// enter; testing.TB.TempDir is closed to them.
func OpenDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "relayd-peer-")
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // servers run as other users
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
