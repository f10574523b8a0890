package relaytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// PostfixOptions say what a test's Postfix is.
type PostfixOptions struct {
	Host  string   // loopback address of its own
	Name  string   // myhostname
	Port  int      // SMTP
	Main  []string // more lines of main.cf; the last of a parameter counts
	More  []string // more services, as lines of master.cf
	Owner int      // uid and gid of virtual mailboxes
}

// Postfix is a running Postfix with a configuration and a queue of its own.
type Postfix struct {
	*Daemon
	Address string // of its SMTP port
	dir     string
	o       PostfixOptions
	tb      testing.TB
}

// StartPostfix starts a Postfix of its own, from Debian's package. It needs root,
// as Postfix itself does.
func StartPostfix(tb testing.TB, o PostfixOptions) *Postfix {
	tb.Helper()
	Need(tb, "postfix")
	if os.Geteuid() != 0 {
		Lack(tb, "Postfix can only be started by root")
	}
	if o.Port == 0 {
		o.Port = FreePort(tb, o.Host)
	}
	p := &Postfix{dir: OpenDir(tb), o: o, tb: tb, Address: fmt.Sprintf("%s:%d", o.Host, o.Port)}
	p.configure()
	p.Start()
	return p
}

// Start starts it again after Stop, with its queue as it was.
func (p *Postfix) Start() {
	p.tb.Helper()
	p.Daemon = StartDaemon(p.tb, []string{p.Address}, Need(p.tb, "postfix"), "-c", p.dir, "start-fg")
	p.endSession = p.endMaster
}

// endMaster ends Postfix' master, which leaves the group that it was started in.
func (p *Postfix) endMaster() {
	data, err := os.ReadFile(p.Path("queue/pid/master.pid"))
	if err != nil {
		return // it never came so far
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may have ended by itself
	}
}

// Path is a file of its directory.
func (p *Postfix) Path(name string) string { return filepath.Join(p.dir, name) }

// Log is what it has logged so far.
func (p *Postfix) Log() string {
	data, err := os.ReadFile(p.Path("maillog"))
	if err != nil && !os.IsNotExist(err) {
		p.tb.Fatal(err)
	}
	return string(data)
}

// Set writes a table of the configuration, as texthash reads it.
func (p *Postfix) Set(name string, lines ...string) {
	p.tb.Helper()
	WriteFile(p.tb, p.Path(name), lines...)
}

func (p *Postfix) configure() {
	queue := MakeDir(p.tb, p.Path("queue"))
	data := MakeDir(p.tb, p.Path("data"))
	MakeDir(p.tb, p.Path("mail"))
	chown(p.tb, data, "postfix")
	if err := os.Chown(p.Path("mail"), p.o.Owner, p.o.Owner); err != nil {
		p.tb.Fatal(err)
	}
	WriteFile(p.tb, p.Path("main.cf"), lastOfEach(append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + queue,
		"data_directory = " + data,
		"maillog_file = " + p.Path("maillog"),
		"maillog_file_prefixes = " + os.TempDir() + ", /var",
		"myhostname = " + p.o.Name,
		"mydestination =",
		"mynetworks = 127.0.0.0/8",
		"inet_protocols = ipv4",
		"inet_interfaces = loopback-only", // it must name interfaces; master.cf has the address
		"smtp_bind_address = " + p.o.Host,
		"smtp_host_lookup = native",
		"disable_dns_lookups = yes",
		"alias_maps =", "alias_database =", "local_recipient_maps =",
		"virtual_mailbox_base = " + p.Path("mail"),
		"virtual_minimum_uid = 1",
		fmt.Sprintf("virtual_uid_maps = static:%d", p.o.Owner),
		fmt.Sprintf("virtual_gid_maps = static:%d", p.o.Owner),
		"message_size_limit = 104857600", "mailbox_size_limit = 0", "virtual_mailbox_limit = 0",
		"smtpd_client_connection_count_limit = 0",
	}, p.o.Main...))...)
	WriteFile(p.tb, p.Path("master.cf"), append(p.master(), p.o.More...)...)
}

// lastOfEach keeps the last line of each parameter. Postfix would do the same, but
// every process of it would also warn, postlogd among them: if the socket to it is
// full at that moment, it waits for itself, and with it the whole Postfix.
func lastOfEach(lines []string) []string {
	last := map[string]int{}
	for i, line := range lines {
		last[parameter(line)] = i
	}
	var kept []string
	for i, line := range lines {
		if last[parameter(line)] == i {
			kept = append(kept, line)
		}
	}
	return kept
}

func parameter(line string) string {
	name, _, _ := strings.Cut(line, "=")
	return strings.TrimSpace(name)
}

// master is Debian's master.cf without chroot and without what a test never uses.
func (p *Postfix) master() []string {
	return []string{
		fmt.Sprintf("%s inet n - n - - smtpd", p.Address), "postlog unix-dgram n - n - 1 postlogd",
		"pickup unix n - n 60 1 pickup", "cleanup unix n - n - 0 cleanup", "qmgr unix n - n 300 1 qmgr",
		"tlsmgr unix - - n 1000? 1 tlsmgr", "rewrite unix - - n - - trivial-rewrite", "bounce unix - - n - 0 bounce",
		"defer unix - - n - 0 bounce", "trace unix - - n - 0 bounce", "verify unix - - n - 1 verify",
		"flush unix n - n 1000? 0 flush", "proxymap unix - - n - - proxymap", "proxywrite unix - - n - 1 proxymap",
		"smtp unix - - n - - smtp", "relay unix - - n - - smtp", "showq unix n - n - - showq", "error unix - - n - - error",
		"retry unix - - n - - error", "discard unix - - n - - discard", "local unix - n n - - local",
		"virtual unix - n n - - virtual", "lmtp unix - - n - - lmtp", "anvil unix - - n - 1 anvil", "scache unix - - n - 1 scache",
	}
}

// Mailbox reads the messages of a Maildir below virtual_mailbox_base, in no order.
func (p *Postfix) Mailbox(name string) []string {
	p.tb.Helper()
	files, err := filepath.Glob(filepath.Join(p.Path("mail"), name, "*", "*"))
	if err != nil {
		p.tb.Fatal(err)
	}
	var messages []string
	for _, file := range files {
		if strings.Contains(file, "/tmp/"+filepath.Base(file)) && filepath.Base(filepath.Dir(file)) == "tmp" {
			continue
		}
		data, err := os.ReadFile(file) //nolint:gosec // below the test's own directory
		if err != nil {
			p.tb.Fatal(err)
		}
		messages = append(messages, string(data))
	}
	return messages
}

func chown(tb testing.TB, path, user string) {
	tb.Helper()
	if out, err := exec.Command("chown", user, path).CombinedOutput(); err != nil { //nolint:gosec,noctx // the test's own directory
		tb.Fatalf("chown %s %s: %v: %s", user, path, err, out)
	}
}
