package embedded

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/relayd/relayd/store"
)

// oneInHistory gives the options of a closed queue with one retired message, and the
// file of its month.
func oneInHistory(t *testing.T) (QueueOptions, string) {
	t.Helper()
	o := smallQueue(t.TempDir())
	o.Log = testLog(t)
	q := openSmall(t, o)
	m := newMessage("bob")
	mustPut(t, q, m, "x")
	finish(t, q, m)
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(o.Dir, "index", historyPrefix+"*"+historySuffix))
	if len(files) != 1 {
		t.Fatalf("history: %v", files)
	}
	return o, files[0]
}

// History that does not read is set aside: the mail goes on.
func TestDamagedHistory(t *testing.T) {
	t.Parallel()
	o, file := oneInHistory(t)
	if err := os.WriteFile(file, []byte(strings.Repeat("no database", 4000)), 0o600); err != nil {
		t.Fatal(err)
	}
	q := openSmall(t, o)
	if _, err := os.Stat(file + ".damaged"); err != nil {
		t.Error(err)
	}
	m := newMessage("bob")
	mustPut(t, q, m, "x")
	finish(t, q, m)
	if p, err := q.List(t.Context(), store.Filter{}); err != nil || len(p.Records) != 1 {
		t.Fatalf("list: %+v, %v", p, err)
	}
}

// History that cannot be opened at the moment is not given up for that.
func TestHistoryInUse(t *testing.T) {
	t.Parallel()
	o, file := oneInHistory(t)
	other, err := bolt.Open(file, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenQueue(o); err == nil || !strings.Contains(err.Error(), file) {
		t.Fatalf("open while another program reads the history: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	q := openSmall(t, o)
	if p, err := q.List(t.Context(), store.Filter{}); err != nil || len(p.Records) != 1 {
		t.Fatalf("list: %+v, %v", p, err)
	}
}

func TestOfSystem(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		&os.PathError{Op: "open", Path: "x", Err: syscall.EMFILE},
		fmt.Errorf("wrapped: %w", &os.PathError{Op: "read", Path: "x", Err: syscall.EIO}),
		syscall.ENOSPC,
	} {
		if !ofSystem(err) {
			t.Errorf("%v is taken for damage", err)
		}
	}
	for _, err := range []error{nil, ErrDamaged, errors.New("invalid database")} {
		if ofSystem(err) {
			t.Errorf("%v is taken for a fault of the system", err)
		}
	}
}

// A message belongs to the month in which it was retired, and each month is a file.
func TestMonths(t *testing.T) {
	t.Parallel()
	q := openSmall(t, smallQueue(t.TempDir()))
	for _, at := range []string{"2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T01:30:00+02:00"} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		m := newMessage("bob")
		mustPut(t, q, m, "x")
		finishAt(t, q, m, when)
	}
	if err := q.index.passed(t.Context(), q.journal.Durable()); err != nil {
		t.Fatal(err)
	}
	q.index.history.mu.RLock()
	months := q.index.history.months()
	q.index.history.mu.RUnlock()
	if got := strings.Join(months, " "); got != "2026-12 2026-11" {
		t.Fatalf("months %q", got)
	}
	if p, err := q.List(t.Context(), store.Filter{Recipient: "bob@b.example"}); err != nil || len(p.Records) != 3 {
		t.Fatalf("list over the months: %d, %v", len(p.Records), err)
	}
}

// A large history is not scanned for free pages at every start: they stand in the file.
func TestHistoryKeepsFreelist(t *testing.T) {
	t.Parallel()
	_, file := oneInHistory(t)
	for name, want := range map[string]bool{file: true, filepath.Join(filepath.Dir(file), "state.db"): false} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var newest []byte
		for _, at := range []int{0, os.Getpagesize()} {
			if m := data[at+boltPageHeader:][:boltMetaSize]; newest == nil || native(m[48:]) > native(newest[48:]) {
				newest = m
			}
		}
		if got := native(newest[32:]) != math.MaxUint64; got != want {
			t.Errorf("%s: freelist in the file: %v", filepath.Base(name), got)
		}
	}
}
