package embedded

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/relay"
)

func benchAddress(i int) relay.Address {
	return relay.Address{Local: fmt.Sprintf("person%07d", i), Domain: "acme.example"}
}

// fillAccounts puts many accounts with the engine's own code, in large transactions.
func fillAccounts(b *testing.B, d *Directory, count int) {
	b.Helper()
	server := relay.Server{Host: "mail.acme.example", Port: 465, TLS: relay.TLSImplicit}
	const batch = 20_000
	for from := 0; from < count; from += batch {
		err := d.update(b.Context(), func(tx *bolt.Tx) error {
			for i := from; i < min(from+batch, count); i++ {
				rec := &relay.Account{
					ID: relay.NewID(time.UnixMilli(int64(i))).String(), Address: benchAddress(i),
					Settings: relay.Settings{Provider: relay.ProviderIMAP, SMTP: server, IMAP: server}, Password: make([]byte, 80), State: relay.AccountVerified,
				}
				if err := d.accounts.write(tx, nil, rec); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDirectory measures look-ups by address over a million accounts, with
// random addresses (the worst case for the cache) and with a few (the usual one),
// and opening the file.
func BenchmarkDirectory(b *testing.B) {
	const count = 1_000_000
	if testing.Short() {
		b.Skip("makes a file of more than a gigabyte")
	}
	path := filepath.Join(b.TempDir(), "directory")
	d := openTestDirectory(b, path)
	fillAccounts(b, d, count)
	b.Run("LookupAny", func(b *testing.B) { lookUp(b, d, count) })
	b.Run("LookupUsual", func(b *testing.B) { lookUp(b, d, 1000) })
	b.Run("LookupUnknown", func(b *testing.B) {
		for b.Loop() {
			_, _ = d.AccountByAddress(b.Context(), benchAddress(-1))
		}
	})
	b.Run("Open", func(b *testing.B) {
		for b.Loop() {
			if err := d.Close(); err != nil {
				b.Fatal(err)
			}
			d = openTestDirectory(b, path)
		}
	})
}

// lookUp asks for random ones of the first accounts.
func lookUp(b *testing.B, d *Directory, among int) {
	b.Helper()
	for b.Loop() {
		if _, err := d.AccountByAddress(b.Context(), benchAddress(rand.IntN(among))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDirectoryPut(b *testing.B) {
	d := openTestDirectory(b, filepath.Join(b.TempDir(), "directory"))
	rec := &relay.Account{ID: "a1", Address: benchAddress(1)}
	for b.Loop() {
		if err := d.Accounts().Put(b.Context(), rec); err != nil {
			b.Fatal(err)
		}
	}
}
