package direct

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/resolver"
)

// Topology: the deliverer --SMTP, STARTTLS--> Postfix -> Maildir, with the real
// guard as dialer, and unbound with the zone of the destination and of the keys.
func TestPostfixAndUnbound(t *testing.T) {
	t.Parallel()
	keys := keyring{"acme.example": {newKey(t, "acme.example", "r1", AlgorithmRSA), newKey(t, "acme.example", "e1", AlgorithmEd25519)}}
	zone := []string{"b.example. MX 10 mx.b.example.", "mx.b.example. A 127.0.0.95"}
	for _, k := range keys["acme.example"] {
		name, value, err := DNSRecord(k.Domain, k.Selector, k.Algorithm, []byte(k.Private.Reveal()))
		if err != nil {
			t.Fatal(err)
		}
		zone = append(zone, name+" TXT "+value)
	}
	unbound := relaytest.StartUnbound(t, "127.0.0.96", zone...)
	port := relaytest.FreePort(t, "127.0.0.95")
	pair := relaytest.OpenDir(t) + "/pair.pem"
	relaytest.WriteFile(t, pair, pemPair(t))
	postfix := relaytest.StartPostfix(t, relaytest.PostfixOptions{Host: "127.0.0.95", Port: port, Name: "mx.b.example", Owner: 65534, Main: []string{
		"virtual_mailbox_domains = b.example", "virtual_mailbox_maps = inline:{bob@b.example=bob/}",
		"smtpd_tls_security_level = may", "smtpd_tls_chain_files = " + pair,
	}})
	guard := netguard.New(netguard.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: []uint16{uint16(port)}}) //nolint:gosec // a port
	dns := resolver.New(resolver.Options{
		Dialer:  netguard.New(netguard.Options{Only: []netip.AddrPort{netip.MustParseAddrPort(unbound.Address)}}),
		Servers: []string{unbound.Address},
	})
	d := New(Options{Dialer: guard, Resolver: dns, Classifier: simple{}, Keys: keys, Hostname: "relay.example", Port: uint16(port)}) //nolint:gosec // a port
	defer d.Close()

	del := delivery(nil, "bob@b.example", "eve@b.example")
	a := d.Deliver(t.Context(), del)
	got := results(t, del, a)
	if !strings.HasPrefix(got, "delivered 250 2.0.0") || !strings.Contains(got, "; failed 550 5.1.1") {
		t.Errorf("got %s", got)
	}
	if !strings.HasPrefix(a.Peer.TLS, "TLS 1.") {
		t.Errorf("peer %+v", a.Peer)
	}
	again := delivery(nil, "bob@b.example")
	if got := results(t, again, d.Deliver(t.Context(), again)); !strings.HasPrefix(got, "delivered 250 2.0.0") {
		t.Errorf("again: %s", got)
	}
	mail := relaytest.Eventually(t, 20*time.Second, func() []string {
		if kept := postfix.Mailbox("bob"); len(kept) == 2 {
			return kept
		}
		return nil
	})
	checkArrived(t, dns, mail[0])
}

// checkArrived compares what lies in the mailbox with what was sent, and asks the
// DNS for the keys.
func checkArrived(t *testing.T, dns *resolver.Resolver, message string) {
	t.Helper()
	message = strings.ReplaceAll(message, "\n", "\r\n") // a Maildir has the line ends of Unix
	if !strings.HasSuffix(message, letter) {
		t.Errorf("arrived as\n%s", message)
	}
	results, err := dkim.VerifyWithOptions(strings.NewReader(message), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		answer, err := dns.LookupTXT(t.Context(), name)
		return answer.Records, err
	}})
	if err != nil || len(results) != 2 {
		t.Fatalf("%d signatures, %v", len(results), err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Domain, r.Err)
		}
	}
}

// pemPair is a key and a self-signed certificate, as Postfix reads them.
func pemPair(t *testing.T) string {
	t.Helper()
	pair := selfSigned(t)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%s%s", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	if _, err := tls.X509KeyPair([]byte(text), []byte(text)); err != nil {
		t.Fatal(err)
	}
	return text
}
