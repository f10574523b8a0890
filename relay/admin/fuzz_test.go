package admin

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// FuzzBody sends any bytes as the body of each operation that takes one. Nothing
// may be a fault of ours, and no secret-looking input may come back in an error.
func FuzzBody(f *testing.F) {
	paths := []string{"/organisations", "/users", "/accounts", "/submitters", "/dkim-keys", "/explain", "/tokens"}
	for _, seed := range []string{
		`{"name":"Acme","domains":["acme.example"],"policy":{"fall_back":"hold"}}`, `{"address":"jane@acme.example"}`,
		`{"user":"usr_x","smtp":{"host":"a.example","port":587,"tls":"none"},"imap":{"host":"::1","port":993,"tls":"implicit"},"password":"p"}`,
		`{"login":"crm","senders":{"addresses":["a@b"],"domains":["x"],"organisation":true},"networks":["10.0.0.0/8"]}`,
		`{"domain":"acme.example","selector":"s","algorithm":"rsa-sha256"}`, `{"submitter":"s","from":"a@b.example","recipients":["c@d.example"]}`,
		`{"name":"t","expires":"2030-01-01T00:00:00Z"}`, `null`, `[]`, `{"name":null}`, `{"name":1e999}`, "\xff\xfe", `{"a":{"a":{"a":{}}}}`,
	} {
		for i := range paths {
			f.Add(uint8(i), seed)
		}
	}
	r := newHandlerRig(f)
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, api.Prefix+paths[int(which)%len(paths)], strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		ctx := withCaller(context.WithValue(req.Context(), localKey{}, true), caller{Name: "fuzz"})
		answer := httptest.NewRecorder()
		r.Handler().ServeHTTP(answer, req.WithContext(ctx))
		if answer.Code >= 500 {
			t.Errorf("%s %q: %d %s", req.URL.Path, body, answer.Code, answer.Body)
		}
		if strings.Contains(answer.Body.String(), `"value"`) {
			t.Errorf("the input came back: %s", answer.Body)
		}
	})
}

// FuzzToken: no text but the token itself opens anything.
func FuzzToken(f *testing.F) {
	f.Add("rlt_", "")
	f.Add("rlt_x_y", "_")
	now := time.Now()
	secret, rec := newToken(now)
	table := newHandlerRig(f).opt.Directory.Tokens()
	if err := table.Put(f.Context(), rec); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text, tail string) {
		for _, try := range []string{text, secret.Reveal() + tail, tail + secret.Reveal()} {
			_, err := checkToken(t.Context(), table, relay.Secret(try), now)
			if (err == nil) != (try == secret.Reveal()) {
				t.Errorf("%q: %v", try, err)
			}
		}
	})
}
