package load

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/embedded"
	"github.com/relayd/relayd/test/programtest"
)

// server is a relay under test.
type server struct {
	name    string
	address string
	pid     int
}

// sender is the one sender of the load: it owns a verified account at the sink.
var sender = relay.Address{Local: "jane", Domain: "acme.example"}

// startRelayd builds relayd and starts it as an operator would, with an account
// that was verified before.
func startRelayd(tb testing.TB, host string, s *sink) server {
	tb.Helper()
	dir := tb.TempDir()
	binary, err := programtest.Build(dir)
	if err != nil {
		tb.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	prepare(tb, data, host, s.port())
	address := fmt.Sprintf("%s:%d", host, relaytest.FreePort(tb, host))
	config := filepath.Join(dir, "config.yaml")
	relaytest.WriteFile(tb, config,
		"hostname: relay.acme.example",
		"data_dir: "+data,
		"listeners:",
		"  - {name: load, address: '"+address+"', mode: plaintext, networks: [127.0.0.0/8], submitter: load}",
		"admin: {enabled: false}",
		"sent: {enabled: false}",
		"queue: {per_account: 20}",
		fmt.Sprintf("network: {allow: [127.0.0.0/8], ports: [%d]}", s.port()),
	)
	log, err := os.Create(filepath.Join(dir, "log")) //nolint:gosec // the test's own directory
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = log.Close() })
	d := relaytest.StartDaemon(tb, []string{address}, "/bin/sh", "-c",
		`exec "$0" serve --config "$1" 2>"$2"`, binary, config, log.Name())
	return server{name: "relayd", address: address, pid: d.Pid()}
}

// prepare writes the records that an administrator would have made.
func prepare(tb testing.TB, data, host string, port int) {
	tb.Helper()
	ctx := context.Background()
	if err := os.MkdirAll(data, 0o700); err != nil {
		tb.Fatal(err)
	}
	box, err := secretbox.Open(filepath.Join(data, "secret.key"))
	if err != nil {
		tb.Fatal(err)
	}
	d, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(data, "directory.db")})
	if err != nil {
		tb.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	must(box.Check(ctx, d))
	must(put(ctx, d.Organisations(), &relay.Organisation{ID: "org", Name: "Acme", Domains: []string{sender.Domain}}))
	must(put(ctx, d.Users(), &relay.User{ID: "usr", Organisation: "org", Address: sender}))
	must(put(ctx, d.Submitters(), &relay.Submitter{ID: "sub", Organisation: "org", Login: "load", Senders: relay.Senders{Organisation: true}}))
	sink := relay.Server{Host: host, Port: port, TLS: relay.TLSNone}
	must(put(ctx, d.Accounts(), &relay.Account{
		ID: "acc", Organisation: "org", User: "usr", Address: sender,
		Settings: relay.Settings{Provider: relay.ProviderIMAP, SMTP: sink},
		Password: box.Seal("account", "acc", "password", []byte("load")), Version: 1,
		State: relay.AccountVerified, StateSince: time.Now(), Card: relay.Card{VerifiedAt: time.Now()},
	}))
	must(d.Close())
}

func put[T any](ctx context.Context, table store.Table[T], rec *T) error { return table.Put(ctx, rec) }

// startPostfix starts Postfix as a relay with its own defaults; what is set here
// only tells it where to send to and lifts limits that a single client would meet.
func startPostfix(tb testing.TB, host string, s *sink, flowDelay bool) server {
	tb.Helper()
	main := []string{
		fmt.Sprintf("relayhost = [%s]:%d", host, s.port()),
		"smtp_tls_security_level = none", "smtpd_tls_security_level = none",
		"smtpd_recipient_restrictions = permit_mynetworks, reject",
		"smtpd_client_message_rate_limit = 0", "smtpd_client_connection_rate_limit = 0", "smtpd_client_event_limit_exceptions = 127.0.0.0/8",
	}
	if !flowDelay {
		main = append(main, "in_flow_delay = 0")
	}
	p := relaytest.StartPostfix(tb, relaytest.PostfixOptions{Host: host, Name: "postfix.acme.example", Main: main, Owner: 65534})
	pid := strings.TrimSpace(readFile(tb, p.Path("queue/pid/master.pid")))
	var master int
	if _, err := fmt.Sscan(pid, &master); err != nil {
		tb.Fatal(err)
	}
	return server{name: "Postfix", address: p.Address, pid: master}
}

func readFile(tb testing.TB, path string) string {
	tb.Helper()
	data, err := os.ReadFile(path) //nolint:gosec // the test's own directory
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}
