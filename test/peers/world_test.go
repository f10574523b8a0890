package peers

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
)

// patience is how long a test waits for what must come. The machine can be busy;
// nothing that works needs a fraction of it.
const patience = 45 * time.Second

// sideBySide is how many tests run at one time: most of them wait most of the time.
const sideBySide = "6"

var (
	binary string       // the program, built once
	worlds atomic.Int32 // how many worlds were made
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err)
	}
	dir, err := os.MkdirTemp("", "relayd-peers-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "relayd")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "github.com/relayd/relayd/cmd/relayd")
	out, err := build.CombinedOutput()
	code := 1
	if err != nil {
		fmt.Fprintf(os.Stderr, "build relayd: %v\n%s", err, out)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir) //nolint:errcheck // the system clears it away
	os.Exit(code)
}

// world is where one test happens: a network of its own on loopback, the names in
// it, and an authority that its servers have certificates of.
type world struct {
	t         *testing.T
	network   string // the first three parts of its addresses
	authority *relaytest.Authority
	roots     string // PEM file of the authority
	dns       *relaytest.Unbound
}

// The hosts of a world, by the last part of their addresses.
const (
	hostRelay    = 1
	hostProvider = 2
	hostMX       = 3
	hostDNS      = 4
	hostGate     = 5
)

// newWorld makes a world in which nothing runs yet but its DNS.
func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the servers of these tests can only be started by root")
	}
	w := &world{t: t, network: fmt.Sprintf("127.80.%d.", worlds.Add(1)), authority: relaytest.NewAuthority(t)}
	w.roots = filepath.Join(relaytest.OpenDir(t), "authority.pem")
	relaytest.WriteFile(t, w.roots, string(w.authority.PEM()))
	return w
}

// at is the address of a host.
func (w *world) at(host int) string { return fmt.Sprintf("%s%d", w.network, host) }

// startDNS starts the world's only name server, which knows its own names and those
// given.
func (w *world) startDNS(records ...string) {
	w.t.Helper()
	w.dns = relaytest.StartUnboundAt(w.t, w.at(hostDNS), 53, append([]string{
		"acme.example. MX 10 mail.acme.example.",
		"mail.acme.example. A " + w.at(hostProvider),
		"imap.acme.example. A " + w.at(hostGate),
		"relay.acme.example. A " + w.at(hostRelay),
		"b.example. MX 10 mx.b.example.",
		"robots.example. MX 10 mx.b.example.",
		"mx.b.example. A " + w.at(hostMX),
	}, records...)...)
}

// eventually waits until look finds what must come.
func eventually[T any](t *testing.T, look func() []T) []T {
	t.Helper()
	return relaytest.Eventually(t, patience, look)
}

// soon waits until a condition holds.
func soon(t *testing.T, holds func() bool) {
	t.Helper()
	eventually(t, func() []struct{} {
		if holds() {
			return make([]struct{}, 1)
		}
		return nil
	})
}
