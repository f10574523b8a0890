package relaytest

import (
	"fmt"
	"testing"
)

// Unbound is a running unbound that knows nothing but the records of its test.
type Unbound struct {
	*Daemon
	Address string // for UDP and TCP
}

// StartUnbound starts an unbound of its own, from Debian's package. Each record is
// a line as in a zone file, such as `acme.example. MX 10 mx.acme.example.`; every
// other name does not exist.
func StartUnbound(tb testing.TB, host string, records ...string) *Unbound {
	tb.Helper()
	return StartUnboundAt(tb, host, FreePort(tb, host), records...)
}

// StartUnboundAt is StartUnbound on a port of the test's choice: programs that read
// /etc/resolv.conf know port 53 only.
func StartUnboundAt(tb testing.TB, host string, port int, records ...string) *Unbound {
	tb.Helper()
	program := Need(tb, "unbound")
	dir := OpenDir(tb)
	lines := []string{
		"server:", " directory: " + dir, " chroot: \"\"", " username: \"\"", " pidfile: \"\"", " use-syslog: no", " do-daemonize: no",
		fmt.Sprintf(" interface: %s@%d", host, port), " access-control: 127.0.0.0/8 allow", " do-ip6: no",
		" module-config: \"iterator\"", " local-zone: \".\" static",
	}
	for _, record := range records {
		lines = append(lines, fmt.Sprintf(" local-data: '%s'", record))
	}
	lines = append(lines, "remote-control:", " control-enable: no")
	WriteFile(tb, dir+"/unbound.conf", lines...)
	address := fmt.Sprintf("%s:%d", host, port)
	return &Unbound{Daemon: StartDaemon(tb, []string{address}, program, "-d", "-c", dir+"/unbound.conf"), Address: address}
}
