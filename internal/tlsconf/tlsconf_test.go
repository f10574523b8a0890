package tlsconf

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func logTo(b *bytes.Buffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestFirstStartMakesAPair(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log bytes.Buffer
	o := Options{Dir: dir, Hosts: []string{"relay.example", "127.0.0.1"}, Log: logTo(&log)}
	k, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "self-signed one was made") {
		t.Errorf("the log does not say so: %q", log.String())
	}
	leaf := k.current.Load().Leaf
	for _, host := range o.Hosts {
		if err := leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, madeKey)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has mode %v, %v", info.Mode(), err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 2 {
		t.Errorf("files left over: %v", names)
	}
	log.Reset()
	again, err := Open(o)
	if err != nil || !bytes.Equal(again.current.Load().Leaf.Raw, leaf.Raw) || log.Len() > 0 {
		t.Errorf("the second start did not take the same pair quietly: %v, %q", err, log.String())
	}
}

func TestOpenErrorsNameTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, err := SelfSigned([]string{"a.example"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := SelfSigned([]string{"a.example"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"a.crt": cert, "a.key": key, "b.key": otherKey, "junk": []byte("junk")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ name, cert, key, want string }{
		{"no certificate", "none.crt", "a.key", "none.crt"},
		{"no key", "a.crt", "none.key", "none.key"},
		{"other key", "a.crt", "b.key", "b.key"},
		{"junk", "junk", "a.key", "junk"},
	}
	for _, tt := range tests {
		_, err := Open(Options{CertFile: filepath.Join(dir, tt.cert), KeyFile: filepath.Join(dir, tt.key)})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v; want one that names %s", tt.name, err, tt.want)
		}
	}
	if _, err := Open(Options{CertFile: filepath.Join(dir, "a.crt")}); err == nil {
		t.Error("a certificate without key was taken")
	}
	if _, err := Open(Options{}); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("err = %v; want ErrNoCertificate", err)
	}
	if _, err := Open(Options{Dir: filepath.Join(dir, "junk", "below")}); err == nil {
		t.Error("a pair was made in a directory that cannot be")
	}
}

func TestExpiryIsNoticed(t *testing.T) {
	t.Parallel()
	made := time.Now()
	for _, tt := range []struct {
		now  time.Time
		want string
	}{
		{made.Add(madeFor - time.Hour), "expires soon"},
		{made.Add(madeFor + time.Hour), "has expired"},
	} {
		dir := t.TempDir()
		if _, err := Open(Options{Dir: dir, Now: func() time.Time { return made }}); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		k, err := Open(Options{Dir: dir, Now: func() time.Time { return tt.now }, Log: logTo(&log)})
		if err != nil || !strings.Contains(log.String(), tt.want) {
			t.Errorf("%v, log %q; want %q", err, log.String(), tt.want)
		}
		if left := k.Expires().Sub(made); left < madeFor-time.Minute || left > madeFor+time.Minute {
			t.Errorf("it ends after %v", left)
		}
	}
}

func TestReloadSwapsTheCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, err := Open(Options{Dir: dir, Hosts: []string{"relay.example"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := k.Server()
	before := shown(t, cfg, k)
	if err := makePair(dir, []string{"relay.example"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	after := shown(t, cfg, k)
	if bytes.Equal(before, after) {
		t.Error("the old certificate is still shown")
	}
	if err := os.WriteFile(filepath.Join(dir, madeCert), []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.Reload(); err == nil {
		t.Error("junk was loaded")
	}
	if !bytes.Equal(shown(t, cfg, k), after) {
		t.Error("a failed reload changed the certificate")
	}
}

// shown gives the certificate that a verifying client sees.
func shown(t *testing.T, cfg *tls.Config, k *Keeper) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	server := tls.Server(here, cfg)
	go server.HandshakeContext(context.Background()) //nolint:errcheck // the client's side tells
	roots := x509.NewCertPool()
	roots.AddCert(k.current.Load().Leaf)
	client := tls.Client(there, Client("relay.example", roots))
	defer there.Close()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	return client.ConnectionState().PeerCertificates[0].Raw
}

// TestNoSessionTickets keeps golang/go issue 70232 away: Microsoft's SMTP client
// fails if the server gives out tickets.
func TestNoSessionTickets(t *testing.T) {
	t.Parallel()
	k, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if cfg := k.Server(); !cfg.SessionTicketsDisabled || cfg.MinVersion != tls.VersionTLS12 {
		t.Errorf("tickets disabled %v, least version %x", cfg.SessionTicketsDisabled, cfg.MinVersion)
	}
}

func TestClientSettings(t *testing.T) {
	t.Parallel()
	if cfg := Client("a.example", nil); cfg.InsecureSkipVerify || cfg.ServerName != "a.example" || cfg.MinVersion != tls.VersionTLS12 {
		t.Errorf("%+v", cfg)
	}
}
