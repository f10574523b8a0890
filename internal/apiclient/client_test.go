package apiclient

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
)

// serve makes a client of a server that answers as handler says.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := New(Options{URL: s.URL + "/", Token: "rlt_secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opt  Options
		says string
	}{
		"nothing":       {Options{}, "neither a socket nor a URL"},
		"no scheme":     {Options{URL: "127.0.0.1:8025", Token: "t"}, "write it like"},
		"wrong scheme":  {Options{URL: "ftp://relay.example", Token: "t"}, "write it like"},
		"without token": {Options{URL: "http://127.0.0.1:8025"}, "RELAYD_TOKEN"},
	} {
		if _, err := New(c.opt); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A problem becomes an error that names the field; what is no problem document is
// not shown.
func TestErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status      int
		contentType string
		body        string
		says, field string
	}{
		"field":     {422, "application/problem+json", `{"status":422,"detail":"d","errors":[{"message":"is wrong","location":"body.smtp.port"},{"message":"too","location":"query.limit"}]}`, "smtp.port: is wrong; limit: too", "smtp.port"},
		"detail":    {412, "application/problem+json", `{"status":412,"detail":"Somebody else changed it."}`, "Somebody else changed it.", ""},
		"bare":      {500, "application/problem+json", `{"title":"Oops"}`, "relayd answered 500 Oops", ""},
		"stranger":  {502, "text/html", `<script>alert(1)</script>`, "what answers is no relayd: status 502", ""},
		"redirect":  {302, "text/html", ``, "what answers is no relayd: status 302", ""},
		"bad JSON":  {422, "application/problem+json", `{`, "what answers is no relayd: status 422", ""},
		"not ours":  {200, "text/html", `<html>`, "what answers is no relayd", ""},
		"no answer": {200, "application/json", `[1]`, "what answers is no relayd", ""},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", c.contentType)
			w.Header().Set("Location", "http://evil.example/")
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := client.User(t.Context(), "usr_x")
		if err == nil || !strings.HasPrefix(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		var e *Error
		if errors.As(err, &e) && (e.Field() != c.field || e.Status != c.status) {
			t.Errorf("%s: field %q, status %d", name, e.Field(), e.Status)
		}
		if errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: an answer is not silence", name)
		}
	}
}

// What goes out: method, path with the id escaped, token, revision, body.
func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		_, _ = io.WriteString(w, `{"id":"usr_x","revision":8}`)
	})
	u, err := c.UpdateUser(t.Context(), "../x?y", 7, api.UserInput{Address: "jane@acme.example"})
	if err != nil || u.Revision != 8 {
		t.Fatalf("%+v, %v", u, err)
	}
	if got.Method != http.MethodPut || got.URL.EscapedPath() != "/api/v1/users/..%2Fx%3Fy" || got.Header.Get("If-Match") != `"7"` ||
		got.Header.Get("Authorization") != "Bearer rlt_secret" || got.Header.Get("Content-Type") != "application/json" || body != `{"address":"jane@acme.example"}` {
		t.Errorf("%s %s %v %s", got.Method, got.URL.EscapedPath(), got.Header, body)
	}
}

// A list is read to its end.
func TestPages(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("organisation") != "org_x" || q.Get("limit") != "500" {
			t.Errorf("query %v", q)
		}
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = io.WriteString(w, `{"items":[{"id":"a"},{"id":"b"}],"next":"b"}`)
		case "b":
			_, _ = io.WriteString(w, `{"items":[{"id":"c"}]}`)
		}
	})
	all, err := c.Users(t.Context(), Filter{"organisation": "org_x", "address": ""})
	if err != nil || len(all) != 3 || all[2].ID != "c" {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"ready":false,"checks":[{"name":"queue","ok":false}]}`)
	})
	ready, err := c.Ready(t.Context())
	if err != nil || ready.Ready || len(ready.Checks) != 1 {
		t.Errorf("%+v, %v", ready, err)
	}
}

// Silence is ErrUnreachable, except when the caller gave up itself.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	c, err := New(Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Users(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no socket: %v", err)
	}
	if Answers(t.Context(), socket, time.Second) {
		t.Error("nobody is said to answer")
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if Answers(t.Context(), socket, 20*time.Millisecond) {
		t.Error("somebody who says nothing is said to answer")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Users(ctx, nil); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Errorf("given up: %v", err)
	}
}
