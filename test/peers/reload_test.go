package peers

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
)

// SIGHUP with configurations that are good in themselves and with which relayd
// cannot run, and with other content of a file that is read once:
//
//	client --465--> relayd
func TestSighupThatCannotWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.startRelayd()
	reloads := func(failed, started int) {
		t.Helper()
		r.signal(syscall.SIGHUP)
		soon(t, func() bool {
			return len(r.events("configuration not reloaded")) == failed && len(r.events("started")) == started
		})
		soon(t, r.listens)
		r.dialogue().say(250, "EHLO crm.acme.example")
	}
	said := func(want string) {
		t.Helper()
		failures := r.events("configuration not reloaded")
		if text, _ := failures[len(failures)-1]["error"].(string); !strings.Contains(text, want) {
			t.Errorf("the log says %q, not %q", text, want)
		}
	}

	roots := r.path("roots.pem")
	r.configure(set("upstream.roots_file", roots))
	reloads(1, 1) // the file is not there
	said("roots.pem")

	certificates, err := os.ReadFile(w.roots)
	if err != nil {
		t.Fatal(err)
	}
	relaytest.WriteFile(t, roots, string(certificates))
	reloads(1, 2)
	relaytest.WriteFile(t, roots, string(certificates), string(certificates))
	reloads(1, 3) // the same name, another content

	taken, err := net.Listen("tcp", w.at(hostRelay)+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	r.configure(set("listeners", w.listener("submission", 587, "starttls")+w.listener("submissions", 465, "implicit")+w.listener("taken", port, "starttls")))
	reloads(2, 4) // relayd goes on with the configuration before
	said("address already in use")

	r.configure(set("listeners", w.listener("submission", 587, "starttls")+w.listener("submissions", 465, "implicit")), set("log.format", "text"))
	r.signal(syscall.SIGHUP)
	soon(t, func() bool { return strings.Contains(r.logged(), "level=INFO msg=started") })
	r.stop()
}
