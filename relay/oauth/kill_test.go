package oauth

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store/embedded"
)

// How the process that is killed is told what to do.
const (
	killedDirectory = "RELAYD_TEST_KILLED_OAUTH"
	killedVendor    = "RELAYD_TEST_KILLED_OAUTH_VENDOR"
	killedRoots     = "RELAYD_TEST_KILLED_OAUTH_ROOTS"
)

// A refresh token that is replaced survives kill -9 at any moment. The vendor takes the
// one before the last until the last one, or its access token, is used: a service that
// used what was not durable would lose the account. The child refreshes and uses tokens
// as fast as it can; the parent kills it again and again, and each time the stored
// refresh token must work.
func TestRotationSurvivesKill(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(killedDirectory); path != "" {
		refreshUntilKilled(t, path)
		return
	}
	v := newVendor(t)
	v.rotating = true
	server := httptest.NewUnstartedServer(v)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{v.certificate}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	path := filepath.Join(t.TempDir(), "directory")
	prepareKilled(t, path, v)
	refreshed := 0
	const rounds = 12
	for range rounds {
		refreshed += killRefresher(t, path, v, server.Listener.Addr().String())
		s, d := openKilled(t, path, v.roots, server.Listener.Addr().String())
		if _, _, err := s.Token(t.Context(), killedAccount(), relay.ResourceMail); err != nil {
			t.Fatalf("the stored refresh token does not work: %v", err)
		}
		s.Close()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if refreshed < rounds {
		t.Errorf("only %d refreshes were seen", refreshed)
	}
}

func killedAccount() *relay.Account {
	return &relay.Account{
		ID: "jane", Address: addressOf("jane@acme.example"),
		Settings: relay.Settings{SignIn: relay.SignInConsent, App: "app-1"},
	}
}

func prepareKilled(t *testing.T, path string, v *vendorServer) {
	t.Helper()
	s, d := openKilled(t, path, v.roots, "")
	defer d.Close()
	defer s.Close()
	app := &relay.App{
		ID: "app-1", Vendor: "google", Kind: relay.AppConsent, ClientID: "client-1",
		Endpoints: relay.Endpoints{Token: vendorURL + "/token"},
	}
	if err := d.Apps().Put(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	g := &relay.Grant{
		ID: "jane", App: "app-1", Refresh: s.sealRefresh("jane", relay.Secret(v.consent())), Obtained: now(),
	}
	if err := d.Grants().Put(t.Context(), g); err != nil {
		t.Fatal(err)
	}
}

func openKilled(t *testing.T, path string, roots *x509.CertPool, address string) (*Service, *embedded.Directory) {
	t.Helper()
	d, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{
		Apps: d.Apps(), Grants: d.Grants(), Accounts: d.Accounts(), Sealer: sealer{}, Roots: roots,
		Dialer: dialerFunc(func(ctx context.Context) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "tcp", address)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// killRefresher runs the child for a moment and kills it; it gives how often the child
// had refreshed.
func killRefresher(t *testing.T, path string, v *vendorServer, address string) (lines int) {
	t.Helper()
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: v.certificate.Certificate[0]})
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRotationSurvivesKill$")
	child.Env = append(os.Environ(), killedDirectory+"="+path, killedVendor+"="+address, killedRoots+"="+string(roots))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for lines < 1 && scan.Scan() { // it is at work
		lines++
	}
	killed := time.AfterFunc(rand.N(40*time.Millisecond), func() { _ = child.Process.Kill() })
	defer killed.Stop()
	for scan.Scan() {
		if text := scan.Text(); text != "refreshed" {
			t.Errorf("the child says %q", text)
		}
		lines++
	}
	_ = child.Wait() // it was killed: an error
	return lines
}

func refreshUntilKilled(t *testing.T, path string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv(killedRoots)))
	s, d := openKilled(t, path, roots, os.Getenv(killedVendor))
	defer d.Close()
	defer s.Close()
	a := killedAccount()
	token, _, err := s.Token(t.Context(), a, relay.ResourceMail)
	for ; err == nil; token, _, err = s.Renew(t.Context(), a, relay.ResourceMail, token) {
		s.mu.Lock()
		clear(s.holders[a.ID].renewed) // as fast as it can, not once a minute
		s.mu.Unlock()
		header := http.Header{"Authorization": {"Bearer " + token.Reveal()}}
		used, err := s.fetch(t.Context(), http.MethodGet, vendorURL+"/use", header, "")
		if err != nil || used.status != http.StatusOK {
			fmt.Println("the access token does not work:", err)
			return
		}
		fmt.Println("refreshed")
	}
	fmt.Println("no token:", err)
}
