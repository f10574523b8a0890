package embedded

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/relayd/relayd/relay"
)

// killedDirectory tells the test binary to be the process that is killed.
const killedDirectory = "RELAYD_TEST_KILLED_DIRECTORY"

// What Put returned nil for survives kill -9 (G1). The child writes records as fast
// as it can and says each one that is kept; the parent kills it in the middle.
func TestDirectorySurvivesKill(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(killedDirectory); path != "" {
		writeUntilKilled(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "directory")
	for round := range 3 {
		kept := killWriter(t, path, 40*(round+1))
		d := openTestDirectory(t, path)
		for _, id := range kept {
			rec, err := d.Submitters().Get(t.Context(), id)
			if err != nil {
				t.Fatalf("round %d: %s was kept and is gone: %v", round, id, err)
			}
			if found, err := d.SubmitterByLogin(t.Context(), rec.Login); err != nil || found.ID != id {
				t.Fatalf("round %d: the login of %s gives %+v, %v", round, id, found, err)
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killWriter gives the IDs that the child said before it was killed.
func killWriter(t *testing.T, path string, lines int) (kept []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDirectorySurvivesKill$") //nolint:gosec // this test itself
	child.Env = append(os.Environ(), killedDirectory+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for len(kept) < lines && scan.Scan() {
		kept = append(kept, scan.Text())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for scan.Scan() { // what was said before the kill counts as well
		kept = append(kept, scan.Text())
	}
	_ = child.Wait() // it was killed: an error
	if len(kept) < lines {
		t.Fatalf("the child said only %q", kept)
	}
	return kept
}

func writeUntilKilled(t *testing.T, path string) {
	t.Helper()
	d := openTestDirectory(t, path)
	for i := 0; ; i++ {
		id := fmt.Sprintf("%d-%d", os.Getpid(), i)
		if err := d.Submitters().Put(t.Context(), &relay.Submitter{ID: id, Login: "login " + id}); err != nil {
			t.Fatal(err)
		}
		fmt.Println(id)
	}
}
