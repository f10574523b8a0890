package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// A vendor that repeats everything that it was sent brings no secret into an error, an
// event, a result or a record (promise G8).
func TestNoSecretIsTold(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"invalid_grant", "invalid_client", "server_error", "temporarily_unavailable"} {
		for _, status := range []int{400, 503} {
			synctest.Test(t, func(t *testing.T) { tellSecrets(t, status, code) })
		}
	}
}

func tellSecrets(t *testing.T, status int, code string) {
	t.Helper()
	w := newWorldAt(t, newPipeVendor(t), nil)
	app := w.app(microsoft)
	person := w.app(func(app *relay.App) { app.ID, app.Kind = "service", relay.AppServiceAccount })
	secretKey := keyFileOf(t, newRSA(t, 2048), nil)
	person.Secret = sealer{}.Seal(sealApp, person.ID, sealSecret, []byte(secretKey))
	if err := w.apps.Put(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	a := w.account("jane", "jane@acme.example", app)
	w.consent(a)

	var mu sync.Mutex
	var secrets []string
	w.vendor.run(func(r *http.Request, form url.Values) *said {
		if r.URL.Path == "/device" {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		var echo []string
		for _, name := range []string{"code", "code_verifier", "refresh_token", "client_secret", "device_code", "assertion"} {
			if value := form.Get(name); value != "" {
				secrets, echo = append(secrets, value), append(echo, value)
			}
		}
		return refusal(status, code, "you sent "+strings.Join(echo, " and "))
	})

	var told []any
	_, result, err := w.comeBack(w.begin(nil), "jane@acme.example", nil)
	told = append(told, result, err)
	told = append(told, w.failedToken(a), w.failedToken(a), w.failedToken(w.bound("bob", "bob@acme.example", person)))
	d := w.device(testLogin)
	time.Sleep(10 * time.Second)
	d = w.progress(d)
	told = append(told, d, d.Err)
	for _, list := range []*[]string{&w.watcher.ended, &w.watcher.failed} {
		told = append(told, w.watcher.heard(list))
	}
	for _, g := range w.grants.records {
		told = append(told, g)
	}
	w.vendor.run(nil)
	_ = w.CancelDevice(d.ID, testLogin)
	synctest.Wait()

	mu.Lock()
	defer mu.Unlock()
	if len(secrets) < 6 {
		t.Fatalf("only %d secrets were sent", len(secrets))
	}
	for _, text := range render(told) {
		for _, secret := range append(secrets, clientSecret, "BEGIN PRIVATE KEY") {
			if strings.Contains(text, secret) {
				t.Errorf("%d %s: %q is told in %s", status, code, secret, text)
			}
		}
	}
}

// render writes values in the ways in which they get into logs and pages.
func render(values []any) (out []string) {
	for _, v := range values {
		out = append(out, fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v))
		if err, ok := v.(error); ok {
			for ; err != nil; err = errors.Unwrap(err) {
				out = append(out, fmt.Sprintf("%+v", err))
			}
		}
		if text, err := json.Marshal(v); err == nil {
			out = append(out, string(text))
		}
		var b strings.Builder
		slog.New(slog.NewJSONHandler(&b, nil)).Info("told", "value", v)
		out = append(out, b.String())
	}
	return out
}
