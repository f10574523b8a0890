package direct

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/resolver/resolvertest"
)

// TestForeignVerifier has OpenDKIM judge our signatures. Topology: the signer ->
// a file -> opendkim-testmsg, which asks the DNS of the test at 127.0.0.94. It knows
// port 53 of /etc/resolv.conf only, so it runs in a mount namespace of its own, and
// needs root for both.
func TestForeignVerifier(t *testing.T) {
	t.Parallel()
	testmsg, unshare := relaytest.Need(t, "opendkim-testmsg"), relaytest.Need(t, "unshare")
	if os.Geteuid() != 0 {
		relaytest.Lack(t, "a mount namespace and port 53 need root")
	}
	resolvConf := filepath.Join(t.TempDir(), "resolv.conf")
	relaytest.WriteFile(t, resolvConf, "nameserver 127.0.0.94")
	if out, err := exec.CommandContext(t.Context(), unshare, "-m", "true").CombinedOutput(); err != nil {
		relaytest.Lack(t, "no mount namespaces here: %v %s", err, out)
	}
	dns := resolvertest.NewAt(t, "127.0.0.94:53", "")
	for _, algorithm := range []string{AlgorithmRSA, AlgorithmEd25519} {
		key := newKey(t, algorithm[:3]+".example", "s1", algorithm)
		name, value, err := DNSRecord(key.Domain, key.Selector, algorithm, []byte(key.Private.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		dns.Add(t, name+" TXT "+value)
		from := jane
		from.Domain = key.Domain
		content := strings.ReplaceAll(letter, "acme.example", key.Domain)
		message := signed(t, newSigner(keyring{key.Domain: {key}}), from, content)
		judge := func(message string) (string, error) {
			script := `mount --bind "$1" /etc/resolv.conf && exec "$2"`
			cmd := exec.CommandContext(t.Context(), unshare, "-m", "sh", "-c", script, "sh", resolvConf, testmsg)
			cmd.Stdin = strings.NewReader(message)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		if out, err := judge(message); err != nil || out != "" {
			t.Errorf("%s: %v %s", algorithm, err, out)
		}
		if out, err := judge(strings.Replace(message, "A letter", "A letted", 1)); err == nil && out == "" {
			t.Errorf("%s: a changed message passes", algorithm)
		}
		if dns.Asked(name) == 0 {
			t.Errorf("%s: nobody asked for the key", algorithm)
		}
	}
}
