package programtest

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/internal/secretbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/embedded"
)

// The names in every installation.
const (
	Domain    = "acme.example"    // of its one organisation
	Listener  = "app"             // plaintext, for clients on loopback
	Submitter = "application"     // whom the clients of the listener are
	password  = "sink-password-1" // of every account
)

// Account is a verified account of a user.
type Account struct {
	Local string        // of its address, in Domain
	SMTP  net.Addr      // where it submits
	IMAP  net.Addr      // where its mailbox is; nil if it has none
	TLS   relay.TLSMode // of SMTP, and of IMAP if IMAPTLS is empty
	Roots []byte        // PEM of the authority of its servers; nil without TLS

	IMAPTLS   relay.TLSMode
	Preset    string // whose limits and reply rules hold; may be empty
	FilesSent bool   // its provider puts a copy into Sent itself
}

// Address is the account's address.
func (a *Account) Address() relay.Address { return relay.Address{Local: a.Local, Domain: Domain} }

// Options describe an installation.
type Options struct {
	Binary   string            // what Build made
	Bare     bool              // nothing is recorded: the test makes organisation and submitter by the API
	Data     string            // data_dir; empty means a temporary one
	Accounts []Account         //
	Config   map[string]string // keys of the top level, in the place of the defaults
}

// Installation is a relayd that can be started.
type Installation struct {
	tb     testing.TB
	binary string
	config string
	Data   string // data_dir
	API    *apiclient.Client
}

// New prepares an installation.
func New(tb testing.TB, o Options) *Installation {
	tb.Helper()
	dir := tb.TempDir()
	in := &Installation{tb: tb, binary: o.Binary, config: filepath.Join(dir, "config.yaml"), Data: o.Data}
	if in.Data == "" {
		in.Data = filepath.Join(dir, "data")
	}
	if err := in.write(&o); err != nil {
		tb.Fatal(err)
	}
	if !o.Bare {
		if err := in.record(context.Background(), o.Accounts); err != nil {
			tb.Fatal(err)
		}
	}
	var err error
	if in.API, err = apiclient.New(apiclient.Options{Socket: filepath.Join(in.Data, "admin.sock")}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(in.API.Close)
	return in
}

// Hurry asks for everything that waits to be tried again now, as an operator would who
// does not want to wait, and gives how much that is. An error means that relayd does
// not answer.
func (in *Installation) Hurry(ctx context.Context) (waiting int, err error) {
	page, err := in.API.Messages(ctx, apiclient.Filter{"waiting": "true", "limit": "500"})
	if err != nil {
		return 0, err
	}
	for i := range page.Items {
		_, _ = in.API.Retry(ctx, page.Items[i].ID) // it may be done by now
	}
	return len(page.Items), nil
}

// write writes the configuration: small segments and small inline bodies, so that a
// short test meets segments that are used again and bodies in files.
func (in *Installation) write(o *Options) error {
	keys := map[string]string{
		"hostname":  "relay." + Domain,
		"data_dir":  in.Data,
		"log":       "{format: json}",
		"admin":     "{enabled: false}",
		"sent":      "{enabled: false}",
		"listeners": fmt.Sprintf("[{name: %s, address: '127.0.0.1:0', mode: plaintext, networks: [127.0.0.0/8], submitter: %s}]", Listener, Submitter),
		"spool":     "{segment_size: 4MiB, inline_size: 4KiB, min_free_disk: 0B}",
		"queue":     "{retry: [1s, 1s, 1s, 1s, 1s, 1s, 1s, 1s, 2s, 2s, 2s, 5s, 5s, 5s], unknown_wait: 10s}",
		"network":   fmt.Sprintf("{allow: [127.0.0.0/8], ports: %s}", ports(o.Accounts)),
	}
	if roots, err := in.roots(o); err != nil {
		return err
	} else if roots != "" {
		keys["upstream"] = fmt.Sprintf("{roots_file: '%s'}", roots)
	}
	for key, value := range o.Config {
		keys[key] = value
	}
	var text strings.Builder
	for key, value := range keys {
		fmt.Fprintf(&text, "%s: %s\n", key, value)
	}
	return os.WriteFile(in.config, []byte(text.String()), 0o600)
}

// roots writes the authorities of all accounts' servers into one file.
func (in *Installation) roots(o *Options) (string, error) {
	var all []byte
	for i := range o.Accounts {
		all = append(all, o.Accounts[i].Roots...)
	}
	if len(all) == 0 {
		return "", nil
	}
	name := filepath.Join(filepath.Dir(in.config), "roots.pem")
	return name, os.WriteFile(name, all, 0o600)
}

// ports lists the ports of the accounts' servers as YAML.
func ports(accounts []Account) string {
	var all []string
	for i := range accounts {
		for _, addr := range []net.Addr{accounts[i].SMTP, accounts[i].IMAP} {
			if tcp, ok := addr.(*net.TCPAddr); ok {
				all = append(all, fmt.Sprint(tcp.Port))
			}
		}
	}
	slices.Sort(all)
	return "[" + strings.Join(slices.Compact(all), ", ") + "]"
}

// record writes the organisation, its submitter, and a user for each account.
func (in *Installation) record(ctx context.Context, accounts []Account) error {
	if err := os.MkdirAll(in.Data, 0o700); err != nil {
		return err
	}
	box, err := secretbox.Open(filepath.Join(in.Data, "secret.key"))
	if err != nil {
		return err
	}
	d, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: filepath.Join(in.Data, "directory.db")})
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // every Put was durable
	if err := box.Check(ctx, d); err != nil {
		return err
	}
	if err := put(ctx, d.Organisations(), &relay.Organisation{ID: "org", Name: "Acme", Domains: []string{Domain}}); err != nil {
		return err
	}
	if err := put(ctx, d.Submitters(), &relay.Submitter{ID: "sub", Organisation: "org", Login: Submitter, Senders: relay.Senders{Organisation: true}}); err != nil {
		return err
	}
	for i := range accounts {
		if err := recordAccount(ctx, d, box, &accounts[i], i); err != nil {
			return err
		}
	}
	return nil
}

func recordAccount(ctx context.Context, d store.Directory, box *secretbox.Box, a *Account, number int) error {
	user, id := fmt.Sprintf("usr%03d", number), AccountID(number)
	if err := put(ctx, d.Users(), &relay.User{ID: user, Organisation: "org", Address: a.Address()}); err != nil {
		return err
	}
	now := time.Now()
	return put(ctx, d.Accounts(), &relay.Account{
		ID: id, Organisation: "org", User: user, Address: a.Address(),
		Settings: relay.Settings{Provider: relay.ProviderIMAP, Preset: a.Preset, SMTP: server(a.SMTP, a.TLS), IMAP: server(a.IMAP, cmp.Or(a.IMAPTLS, a.TLS))},
		Password: box.Seal("account", id, "password", []byte(password)), Version: 1,
		State: relay.AccountVerified, StateSince: now, Card: relay.Card{
			VerifiedAt: now, SentFolder: "Sent", FilesSent: a.FilesSent, KeepsFrom: true, KeepsHeaderID: true,
		},
	})
}

// AccountID is the id of an account by its place in Options.
func AccountID(number int) string { return fmt.Sprintf("acc%03d", number) }

// Password is what every account signs in with.
func Password() string { return password }

func server(addr net.Addr, mode relay.TLSMode) relay.Server {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return relay.Server{}
	}
	return relay.Server{Host: tcp.IP.String(), Port: tcp.Port, TLS: cmp.Or(mode, relay.TLSNone)}
}

func put[T any](ctx context.Context, table store.Table[T], record *T) error {
	return table.Put(ctx, record)
}
