package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

// TestSimulate starts the provider on free ports; it describes itself and ends with
// its context.
func TestSimulate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.json")
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		root := newRoot(&environment{stdin: strings.NewReader(""), stdout: write, stderr: io.Discard})
		root.SetOut(write)
		root.SetArgs([]string{"simulate", "--personality", "gmail", "--account", "jane@acme.example:abcd efgh ijkl mnop",
			"--oauth-client", "app:secret:http://localhost:8080/callback", "--limit", "3", "--sent-delay", "1s",
			"--ca-file", ca, "--service-account-file", key, "--submission-port", "0", "--submissions-port", "0",
			"--imap-port", "0", "--imaps-port", "0", "--https-port", "0"})
		err := root.ExecuteContext(ctx)
		write.Close()
		ended <- err
	}()
	var said strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(said.String(), "network.allow") {
		n, err := read.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatalf("%v after:\n%s", err, said.String())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	for _, want := range []string{"(gmail)", "/o/oauth2/v2/auth", "/simulator/faults", "/v1.0", "/gmail/v1", "http://localhost:8080/callback"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not tell %s:\n%s", want, said.String())
		}
	}
	var account map[string]string
	raw, err := os.ReadFile(key)
	if err != nil || json.Unmarshal(raw, &account) != nil || account["type"] != "service_account" || !strings.HasPrefix(account["token_uri"], "https://127.0.0.1:") {
		t.Errorf("key file %s, %v", raw, err)
	}
	if pem, err := os.ReadFile(ca); err != nil || !strings.Contains(string(pem), "BEGIN CERTIFICATE") {
		t.Errorf("authority: %s, %v", pem, err)
	}
}

// TestSimulateExchange: the Exchange server is told, and it is of the release and with
// the sign-in that were asked for.
func TestSimulateExchange(t *testing.T) {
	t.Parallel()
	f := simulateFlags{host: "127.0.0.1", accounts: []string{"jane@acme.example:secret"}, personality: "exchange",
		release: "Exchange2010_SP2", schemes: []string{"basic", "NTLM"}}
	o, err := f.options()
	if err != nil {
		t.Fatal(err)
	}
	sim, err := simulator.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	var said strings.Builder
	describeSimulator(&said, sim, o, "")
	for _, want := range []string{"(exchange)", sim.EWSURL(), "/autodiscover/autodiscover.xml"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not tell %s:\n%s", want, said.String())
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, sim.EWSURL(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := sim.HTTPClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := strings.Join(answer.Header.Values("Www-Authenticate"), " "); !strings.HasPrefix(got, "Basic realm=") || !strings.HasSuffix(got, " NTLM") {
		t.Errorf("it offers %s", got)
	}
}

func TestSimulateRefusesWrongFlags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--personality", "hotmail"}, {"--account", "jane@acme.example"}, {"--oauth-client", "app"}, {"--oauth-client", "app:secret"},
		{"--exchange-release", "Exchange2016"},
		{"--exchange-release", "Exchange5.5", "--personality", "exchange"},
		{"--exchange-schemes", "Kerberos", "--personality", "exchange"},
	} {
		root := newRoot(&environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		root.SetArgs(append([]string{"simulate"}, args...))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), args[0]) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
