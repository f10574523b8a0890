package peers

import (
	"context"
	"flag"
	"fmt"
	"net"
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
	octet  int          // the second part of every address of this run
	worlds atomic.Int32 // how many worlds were made
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run builds the program and runs the tests. A run that cannot begin is a failure.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "relayd-peers-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "relayd")
	args := append(append([]string{"build"}, buildFlags...), "-o", binary, "github.com/relayd/relayd/cmd/relayd")
	if out, err := exec.CommandContext(context.Background(), "go", args...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build relayd: %v\n%s", err, out)
		return 1
	}
	claim := claimNetwork()
	defer claim.Close()
	if err := flag.Set("test.parallel", sideBySide); err != nil {
		panic(err)
	}
	return m.Run()
}

// claimNetwork chooses addresses that no other run of these tests uses at the same
// time: whoever holds the listener has the network.
func claimNetwork() net.Listener {
	for octet = 80; octet < 120; octet++ {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.%d.0.1:1", octet)); err == nil {
			return l
		}
	}
	panic("no network on loopback is free")
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
		relaytest.Lack(t, "the servers of these tests can only be started by root")
	}
	w := &world{t: t, network: fmt.Sprintf("127.%d.%d.", octet, worlds.Add(1)), authority: relaytest.NewAuthority(t)}
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
