package webhook_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/webhook"
	"github.com/relayd/relayd/store/embedded"
)

// killedEmitter tells the test binary to be the process that is killed.
const killedEmitter = "RELAYD_TEST_KILLED_EMITTER"

// What Emit returned nil for is called after kill -9, with the same id each time.
func TestEventsSurviveKill(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(killedEmitter); path != "" {
		emitUntilKilled(t, path)
		return
	}
	path := filepath.Join(t.TempDir(), "directory")
	var mu sync.Mutex
	ids, refused := map[string]int{}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		id := r.Header.Get("webhook-id")
		ids[id]++
		if ids[id] == 1 && refused < 5 { // some wait over the second restart
			refused++
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	d := openDirectory(t, path)
	sealed, err := webhook.Seal(sealer{}, "w1", webhook.NewSecret())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Webhooks().Put(t.Context(), &relay.Webhook{ID: "w1", URL: server.URL, Secret: sealed}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	kept := killEmitter(t, path, 25)

	d = openDirectory(t, path)
	waiting, err := d.WebhookCalls().List(t.Context(), "", 10_000)
	if err != nil || len(waiting) < len(kept) {
		t.Fatalf("%d of %d events are kept, %v", len(waiting), len(kept), err)
	}
	for _, account := range kept {
		if !slices.ContainsFunc(waiting, func(c *relay.WebhookCall) bool { return strings.Contains(string(c.Body), `"`+account+`"`) }) {
			t.Errorf("%s was kept and is gone", account)
		}
	}
	callUntil(t, d, func() bool {
		left, err := d.WebhookCalls().List(t.Context(), "", 10_000)
		return err == nil && len(left) == 5 && left[0].Attempts == 1
	})
	d.Close()
	d = openDirectory(t, path)
	callUntil(t, d, func() bool {
		left, err := d.WebhookCalls().List(t.Context(), "", 10_000)
		return err == nil && len(left) == 0
	})
	mu.Lock()
	defer mu.Unlock()
	if len(ids) != len(waiting) {
		t.Errorf("%d ids were called, %d were kept", len(ids), len(waiting))
	}
}

func openDirectory(t *testing.T, path string) *embedded.Directory {
	t.Helper()
	d, err := embedded.OpenDirectory(embedded.DirectoryOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func options(d *embedded.Directory) webhook.Options {
	return webhook.Options{
		Webhooks: d.Webhooks(), Calls: d.WebhookCalls(), Sealer: sealer{}, Dialer: &net.Dialer{}, PlainAllowed: netip.Addr.IsLoopback,
	}
}

func callUntil(t *testing.T, d *embedded.Directory, done func() bool) {
	t.Helper()
	stop := run(t, webhook.New(options(d)))
	defer stop()
	relaytest.Eventually(t, 30*time.Second, func() []bool {
		if done() {
			return []bool{true}
		}
		return nil
	})
}

// killEmitter gives the accounts whose events the child said were kept.
func killEmitter(t *testing.T, path string, lines int) (kept []string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEventsSurviveKill$")
	child.Env = append(os.Environ(), killedEmitter+"="+path)
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

func emitUntilKilled(t *testing.T, path string) {
	t.Helper()
	s := webhook.New(options(openDirectory(t, path)))
	for i := 0; ; i++ {
		if err := s.Emit(context.Background(), event(i)); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("a%d\n", i)
	}
}

// Many at once, while the calls are made, on the real directory.
func TestManyEmitters(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen[r.Header.Get("webhook-id")]++
	}))
	t.Cleanup(server.Close)
	d := openDirectory(t, filepath.Join(t.TempDir(), "directory"))
	for i := range 4 {
		id := fmt.Sprint("w", i)
		sealed, err := webhook.Seal(sealer{}, id, webhook.NewSecret())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Webhooks().Put(t.Context(), &relay.Webhook{ID: id, URL: server.URL, Secret: sealed}); err != nil {
			t.Fatal(err)
		}
	}
	s := webhook.New(options(d))
	stop := run(t, s)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 6 {
				s.Tell(event(1000 + 100*n + i))
				if err := s.Emit(t.Context(), event(100*n+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	const want = 4 * 2 * 8 * 6
	relaytest.Eventually(t, 30*time.Second, func() []bool {
		mu.Lock()
		defer mu.Unlock()
		if len(seen) == want {
			return []bool{true}
		}
		return nil
	})
	stop()
	if left, err := d.WebhookCalls().List(t.Context(), "", 100); err != nil || len(left) != 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was called %d times", id, n)
		}
	}
}
