package crash

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/test/programtest"
)

// ledger is what the applications know for sure: which letter was acknowledged under
// which id. A line is flushed before its application goes on, so that the ledger
// would survive what relayd has to survive.
type ledger struct {
	mu   sync.Mutex
	file *os.File
}

// openLedger makes a ledger that the test reads when all is over.
func openLedger(tb testing.TB, name string) *ledger {
	tb.Helper()
	f, err := os.Create(name) //nolint:gosec // the test's own directory
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() }) // every line was flushed
	return &ledger{file: f}
}

func (l *ledger) acknowledged(id string, letter *programtest.Letter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := fmt.Fprintf(l.file, "%s %s\n", id, letter.HeaderID); err != nil {
		return err
	}
	return l.file.Sync()
}

// read gives the ids by Message-ID.
func (l *ledger) read(tb testing.TB) map[string]string {
	tb.Helper()
	data, err := os.ReadFile(l.file.Name())
	if err != nil {
		tb.Fatal(err)
	}
	ids := map[string]string{}
	for line := range strings.Lines(string(data)) {
		id, headerID, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || ids[headerID] != "" {
			tb.Fatalf("the ledger has a line that cannot be: %q", line)
		}
		ids[headerID] = id
	}
	return ids
}
