package crash

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/relayd/relayd/internal/apiclient"
)

// The index is a convenience: whatever becomes of its file, the journal knows every
// message that waits, and what is known of it.
func TestTortureLostIndexLosesNothing(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(name string) error{
		"deleted": os.Remove,
		"cut":     func(name string) error { return os.Truncate(name, 10_000) },
		"torn":    tear,
		"emptied": func(name string) error { return os.Truncate(name, 0) },
		"overwritten": func(name string) error {
			return os.WriteFile(name, make([]byte, 64<<10), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "", nil)
			w.sink.Down.Store(true)
			p := w.start()
			const letters = 40
			w.postMany(letters)
			p.Kill()
			if err := damage(filepath.Join(w.install.Data, "queue", "index", "state.db")); err != nil {
				t.Fatal(err)
			}
			w.start()
			page, err := w.install.API.Messages(t.Context(), apiclient.Filter{"waiting": "true", "limit": "500"})
			if err != nil || len(page.Items) != letters {
				t.Errorf("without the index %d of %d letters are in the list, %v", len(page.Items), letters, err)
			}
			w.sink.Down.Store(false)
			w.settle()
		})
	}
}

// tear loses a part in the middle of a file, as disks do that lie about flushes.
func tear(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // the test's own file
	if err != nil {
		return err
	}
	_, err = f.WriteAt(make([]byte, 16<<10), 8<<10)
	return errors.Join(err, f.Close())
}
