package peers

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
)

// verifier is OpenDKIM, which asks a name server on port 53. It reads
// /etc/resolv.conf, so it runs in a mount namespace where that file is the test's.
func (w *world) verifier() func(message string) error {
	w.t.Helper()
	testmsg, unshare := relaytest.Need(w.t, "opendkim-testmsg"), relaytest.Need(w.t, "unshare")
	if out, err := exec.CommandContext(context.Background(), unshare, "-m", "true").CombinedOutput(); err != nil {
		relaytest.Lack(w.t, "no mount namespaces here: %v %s", err, out)
	}
	resolv := filepath.Join(w.t.TempDir(), "resolv.conf")
	relaytest.WriteFile(w.t, resolv, "nameserver "+w.at(hostDNS))
	return func(message string) error {
		script := `mount --bind "$1" /etc/resolv.conf && exec "$2"`
		cmd := exec.CommandContext(context.Background(), unshare, "-m", "sh", "-c", script, "sh", resolv, testmsg)
		cmd.Stdin = strings.NewReader(message)
		out, err := cmd.CombinedOutput()
		if err == nil && len(out) > 0 { // it tells of bad signatures on its output only
			return errorText(out)
		}
		return err
	}
}

type errorText string

func (e errorText) Error() string { return string(e) }

// zone are the records that relayd dkim dns prints, without the class that unbound
// does not want.
func (r *relayd) zone(domain string) []string {
	r.t.Helper()
	var records []string
	for line := range strings.Lines(r.do("dkim", "dns", domain)) {
		records = append(records, strings.Replace(strings.TrimSpace(line), " IN TXT ", " TXT ", 1))
	}
	return records
}

// The direct route:
//
//	swaks --587--> relayd --25, STARTTLS not offered--> Postfix, bob's Maildir
//	                                                        |
//	     unbound with the keys of acme.example <-- opendkim-testmsg
func TestDirectMailIsSigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mx := w.startExchanger()
	r := w.startRelayd()
	r.organisation("Acme", "acme.example")
	r.organisation("Beta", "beta.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.submitter("beta", "--organisation", "Beta", "--whole-organisation")
	r.do("dkim", "generate", "acme.example", "--selector", "rsa")
	r.do("dkim", "generate", "acme.example", "--selector", "ed", "--algorithm", "ed25519-sha256")
	r.do("dkim", "generate", "relay.acme.example", "--selector", "own")
	w.startDNS(slices.Concat(r.zone("acme.example"), r.zone("relay.acme.example"))...)
	verify := w.verifier()

	r.mustSwaks(mail("Jane <jane@acme.example>", "bob@b.example", "signed"), r.as(crm, "--from", "jane@acme.example", "--to", "bob@b.example")...)
	arrived := mx.about("bob@b.example", "signed")
	signatures := arrived.header["Dkim-Signature"]
	if len(signatures) != 2 {
		t.Fatalf("%d signatures in\n%s", len(signatures), arrived.head)
	}
	for i, algorithm := range []string{"rsa-sha256", "ed25519-sha256"} {
		alone := arrived.only(t, "a="+algorithm)
		if err := verify(alone); err != nil {
			t.Errorf("%s: OpenDKIM says %v\n%s", algorithm, err, alone)
		}
		if !strings.Contains(signatures[i]+signatures[1-i], "d=acme.example") {
			t.Errorf("the signatures are %q", signatures)
		}
		for name, changed := range map[string]string{
			"body":        strings.Replace(alone, "The body", "The bodi", 1),
			"From":        strings.Replace(alone, "From: Jane", "From: John", 1),
			"second From": "From: eve@b.example\r\n" + alone,
		} {
			if verify(changed) == nil {
				t.Errorf("%s: OpenDKIM takes a message with another %s", algorithm, name)
			}
		}
	}

	// A domain without a key of its own is signed by relayd's.
	r.mustSwaks(mail("ann@beta.example", "bob@b.example", "by relayd"), r.as("beta", "--from", "ann@beta.example", "--to", "bob@b.example")...)
	arrived = mx.about("bob@b.example", "by relayd")
	if s := arrived.header["Dkim-Signature"]; len(s) != 1 || !strings.Contains(s[0], "d=relay.acme.example") {
		t.Fatalf("the signatures are %q", s)
	}
	if err := verify(arrived.head + "\r\n" + arrived.body); err != nil {
		t.Errorf("signed by relayd: OpenDKIM says %v", err)
	}
}

// only is the message without the signatures that do not have this tag.
func (l letter) only(t *testing.T, tag string) string {
	t.Helper()
	var head strings.Builder
	kept := 0
	for _, field := range fields(l.head) {
		if strings.HasPrefix(field, "DKIM-Signature:") {
			if !strings.Contains(field, tag) {
				continue
			}
			kept++
		}
		head.WriteString(field)
	}
	if kept != 1 {
		t.Fatalf("%d signatures have %s:\n%s", kept, tag, l.head)
	}
	return head.String() + "\r\n" + l.body
}

// fields are the fields of a header with their line ends, folded as they stand.
func fields(head string) []string {
	var all []string
	for line := range strings.Lines(head) {
		if (line[0] == ' ' || line[0] == '\t') && len(all) > 0 {
			all[len(all)-1] += line
			continue
		}
		all = append(all, line)
	}
	return all
}
