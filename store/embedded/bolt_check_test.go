package embedded

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// sampleBolt writes a file with branches, long values, a bucket of its own pages and
// one inside of a value.
func sampleBolt(tb testing.TB) []byte {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "sample.db")
	db, err := openBoltFile(name, stateFile)
	if err != nil {
		tb.Fatal(err)
	}
	for round := range 5 { // pages of earlier rounds are free, and hold old content
		err := db.Update(func(tx *bolt.Tx) error {
			for i := range 400 {
				if err := tx.Bucket(bucketEvents).Put(fmt.Appendf(nil, "event %04d", i), make([]byte, 100+round)); err != nil {
					return err
				}
			}
			return tx.Bucket(bucketMessages).Put([]byte("long"), make([]byte, 20_000))
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
	data, err := os.ReadFile(name) //nolint:gosec // the test's own file
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// open writes data to a file and opens that. It returns at all: a panic in one of
// bbolt's own goroutines would end the test.
func openDamaged(tb testing.TB, data []byte) error {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "damaged.db")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	db, err := openBoltFile(name, stateFile)
	if err != nil {
		return err
	}
	return db.Close()
}

func TestWholeBoltFileIsOpened(t *testing.T) {
	t.Parallel()
	if err := openDamaged(t, sampleBolt(t)); err != nil {
		t.Error(err)
	}
	if err := openDamaged(t, nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// A file that ends early would be a fault of the processor in memory-mapped pages.
func TestBoltFileThatIsCutShort(t *testing.T) {
	t.Parallel()
	data := sampleBolt(t)
	for _, size := range []int{1, 100, 4096, 5000, 8192, 10_000, 16_384, len(data) / 2} {
		if err := openDamaged(t, data[:size]); err == nil {
			t.Errorf("%d of %d octets were taken for a whole file", size, len(data))
		}
	}
}

// Pages that a disk lost read as zeros, or as other pages.
func TestBoltFileWithLostPages(t *testing.T) {
	t.Parallel()
	const page = 4096
	data := sampleBolt(t)
	found := 0
	for at := 2 * page; at+page <= len(data); at += page {
		zeroed, copied := append([]byte(nil), data...), append([]byte(nil), data...)
		clear(zeroed[at : at+page])
		copy(copied[at:at+page], data[len(data)-at:])
		for _, damaged := range [][]byte{zeroed, copied} {
			if err := openDamaged(t, damaged); errors.Is(err, ErrDamaged) {
				found++
			}
		}
	}
	if found == 0 {
		t.Error("no lost page was found")
	}
}

func TestBoltFileWithRandomDamage(t *testing.T) {
	t.Parallel()
	data := sampleBolt(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // test data
	for range 300 {
		damaged := append([]byte(nil), data...)
		for range 1 + random.IntN(4) {
			at := random.IntN(len(damaged))
			if random.IntN(2) == 0 {
				at = at/4096*4096 + random.IntN(200) // headers and elements are the tender part
			}
			damaged[at] ^= byte(1 << random.IntN(8))
		}
		openDamaged(t, damaged) //nolint:errcheck // either way is fine, as long as it returns
	}
}

func FuzzCheckBolt(f *testing.F) {
	data := sampleBolt(f)
	f.Add(uint32(8192), []byte{1, 2, 3})
	f.Add(uint32(4096*3+10), []byte{0xff, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, at uint32, junk []byte) {
		damaged := append([]byte(nil), data...)
		copy(damaged[int(at)%len(damaged):], junk)
		openDamaged(t, damaged) //nolint:errcheck // as long as it returns
	})
}
