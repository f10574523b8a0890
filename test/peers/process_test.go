package peers

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
)

// SIGTERM comes while one client is idle and another sends content:
//
//	idle client, busy client --465--> relayd, SIGTERM, and again relayd --25--> Postfix of the world
func TestSigtermDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	r := w.startRelayd()
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	idle, busy := r.dialogue(), r.dialogue()
	idle.signIn(crm, r.passwords[crm])
	busy.signIn(crm, r.passwords[crm])
	busy.say(250, "MAIL FROM:<jane@acme.example>")
	busy.say(250, "RCPT TO:<bob@b.example>")
	busy.say(354, "DATA")
	if err := busy.PrintfLine("From: jane@acme.example\r\nSubject: in time\r\n\r\nthe first half"); err != nil {
		t.Fatal(err)
	}

	r.signal(syscall.SIGTERM)
	if text := idle.hear(421); !strings.HasPrefix(text, "4.3.2 ") {
		t.Errorf("the idle client was told 421 %s", text)
	}
	select {
	case err := <-r.ended:
		t.Fatalf("relayd ended during a transaction: %v", err)
	default:
	}
	if r.listens() {
		t.Error("a draining relayd takes connections")
	}
	answer := busy.say(250, "the second half\r\n.")
	if code := r.wait(); code != 0 {
		t.Errorf("relayd ended with %d", code)
	}
	for _, event := range []string{"draining", "drained"} {
		if n := len(r.events(event)); n != 1 {
			t.Errorf("%d lines %q in the log", n, event)
		}
	}
	mx := w.startExchanger()
	r.start()
	id, _ := strings.CutPrefix(answer, "2.0.0 queued as ")
	if m := r.await(id, done); outcomes(m) != "bob@b.example delivered" {
		t.Error(outcomes(m))
	}
	if got := mx.about("bob@b.example", "in time").body; got != "the first half\r\nthe second half\r\n" {
		t.Errorf("bob got %q", got)
	}
}

// SIGHUP, with another certificate, with another configuration and with a broken
// one:
//
//	client --465--> relayd
func TestSighupReloads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.startRelayd()
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	before := r.dialogue()
	before.say(250, "EHLO crm.acme.example")

	certificate, key := relaytest.WriteCertificate(t, w.authority.Issue("relay.acme.example"))
	r.replace("tls.certificate", certificate)
	r.replace("tls.key", key)
	r.signal(syscall.SIGHUP)
	r.awaitEvent("configuration reloaded")
	if serial := r.dialogue().leaf.SerialNumber; serial.Cmp(before.leaf.SerialNumber) == 0 {
		t.Error("the old certificate is still shown")
	}
	before.say(250, "NOOP") // a connection outlives the reload of a certificate

	r.configure(set("limits.message_size", "1MiB"))
	r.signal(syscall.SIGHUP)
	soon(t, func() bool { return len(r.events("started")) == 2 }) // these limits need the program assembled anew
	if extensions := r.dialogue().signIn(crm, r.passwords[crm]); !strings.Contains(extensions, "SIZE 1048576") {
		t.Errorf("the new limit is not in force: %s", extensions)
	}

	relaytest.WriteFile(t, r.config, "limits: {message_size: large}")
	r.signal(syscall.SIGHUP)
	failed := r.awaitEvent("configuration not reloaded")
	if text := fmt.Sprint(failed["error"]); !strings.Contains(text, "limits.message_size") || !strings.Contains(text, r.config) {
		t.Errorf("the log says %s", text)
	}
	if extensions := r.dialogue().signIn(crm, r.passwords[crm]); !strings.Contains(extensions, "SIZE 1048576") {
		t.Errorf("a broken configuration changed the limits: %s", extensions)
	}
	r.configure()
	r.stop()
}

// replace overwrites the file that a setting names with another one.
func (r *relayd) replace(key, with string) {
	r.t.Helper()
	data, err := os.ReadFile(with)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range slices.Backward(r.settings) {
		if s.key == key {
			if err := os.WriteFile(s.value, data, 0o600); err != nil {
				r.t.Fatal(err)
			}
			return
		}
	}
	r.t.Fatalf("there is no setting %s", key)
}

// Two programs for one data_dir, and a first start without a certificate:
//
//	relayd --> data_dir <--x relayd
func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.startRelayd(set("tls.certificate", `""`), set("tls.key", `""`))
	if n := strings.Count(r.logged(), "certificate"); n == 0 {
		t.Error("no line in the log about the certificate that was made")
	}
	second := w.newRelayd()
	second.settings = r.settings
	second.configure(set("listeners", w.listener("other", 1587, "starttls")), set("admin.enabled", "false"))
	_, errs, code := second.command("", "serve")
	if code != 1 || !strings.Contains(lastLine(errs), "another process") {
		t.Errorf("the second relayd ended with %d:\n%s", code, errs)
	}
	if out := r.do("health"); !strings.Contains(out, "ok") {
		t.Errorf("the first relayd is not well:\n%s", out)
	}
	info, err := os.Stat(r.path("data"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data_dir has the mode %v (%v)", info.Mode(), err)
	}
	r.stop()
	_, errs, code = r.command("", "queue", "list")
	if code != 3 || !strings.Contains(errs, "relayd does not run") {
		t.Errorf("a command without relayd ended with %d: %s", code, errs)
	}
}

func lastLine(text string) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return all[len(all)-1]
}

// The queue is full, and then no longer:
//
//	our client --587--> relayd, which holds everything
func TestFullQueue(t *testing.T) {
	t.Parallel()
	const room = 100
	w := newWorld(t)
	r := w.startRelayd(set("spool.max_messages", fmt.Sprint(room)))
	r.organisation("Acme", "acme.example", "--fall-back", "hold")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	c := r.signedIn(crm)
	var ids []string
	for i := range room {
		id, err := send(c, "jane@acme.example", []string{"bob@b.example"}, mail("jane@acme.example", "bob@b.example", fmt.Sprint(i)))
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		ids = append(ids, id)
	}
	_, err := send(c, "jane@acme.example", []string{"bob@b.example"}, mail("jane@acme.example", "bob@b.example", "too many"))
	if err == nil || !strings.Contains(err.Error(), "452 4.3.1") {
		t.Errorf("a full queue answered %v", err)
	}
	_, errs, code := r.command("", "health")
	if code != 1 || !strings.Contains(errs, "not ready") {
		t.Errorf("health ended with %d: %s", code, errs)
	}
	r.do("queue", "cancel", ids[7])
	r.do("health")
	if err := c.Reset(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := send(c, "jane@acme.example", []string{"bob@b.example"}, mail("jane@acme.example", "bob@b.example", "fits")); err != nil {
		t.Errorf("after one was cancelled: %v", err)
	}
}

// relayd check, on files that are wrong in one way each.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		file string
		says []string // the line is always told
	}{
		"unknown key":     {"queue:\n  retries: [1m]\n", []string{":2:", "queue.retries"}},
		"unknown section": {"que: {}\n", []string{":1:", "que"}},
		"wrong type":      {"queue:\n  workers: many\n", []string{":2:", "queue.workers", "many"}},
		"bare number":     {"drain_timeout: 30\n", []string{":1:", "drain_timeout", "30s"}},
		"out of range":    {"queue:\n  workers: 0\n", []string{":2:", "queue.workers", "1"}},
		"written twice":   {"hostname: a.example\nhostname: b.example\n", []string{"hostname"}},
		"half a pair":     {"tls:\n  certificate: /etc/cert.pem\n", []string{":2:", "tls.certificate", "tls.key"}},
		"open relay":      {"listeners:\n  - {name: d, address: 0.0.0.0:25, mode: plaintext, submitter: d}\n", []string{"listeners[0].networks"}},
		"API in clear":    {"admin:\n  address: 192.0.2.1:8025\n", []string{":2:", "admin.address", "admin.certificate"}},
		"no YAML":         {"queue: [\n", []string{"relayd.yaml"}},
	} {
		dir := relaytest.OpenDir(t)
		path := dir + "/relayd.yaml"
		relaytest.WriteFile(t, path, test.file)
		for _, command := range []string{"check", "serve"} {
			cmd := exec.Command(binary, command, "--config", path)
			cmd.Env = []string{"HOME=" + dir, "STATE_DIRECTORY=" + dir}
			var errs bytes.Buffer
			cmd.Stderr = &errs
			if code := exitCode(t, cmd.Run()); code != 1 {
				t.Errorf("%s: %s ended with %d:\n%s", name, command, code, &errs)
			}
			for _, want := range append(test.says, path) {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("%s: %s says %q, without %q", name, command, &errs, want)
				}
			}
		}
	}
}
