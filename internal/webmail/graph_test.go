package webmail_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// routes answers by method and path, and 404 to everything else.
func routes(t testing.TB, table map[string]http.HandlerFunc) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		if answer := table[r.Method+" "+r.URL.EscapedPath()]; answer != nil {
			answer(w, r)
			return
		}
		sayJSON(404, `{"error":{"code":"ErrorItemNotFound","message":"no such thing"}}`)(w, r)
	}
}

func TestGraphSend(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(c *relay.Credentials)
		path   string
	}{
		{"the person's own", func(*relay.Credentials) {}, "/v1.0/me/sendMail"},
		{"an application's token", func(c *relay.Credentials) { c.Account.SignIn = relay.SignInApp }, "/v1.0/users/jane@acme.example/sendMail"},
		{"a shared mailbox", func(c *relay.Credentials) { c.Account.User = "" }, "/v1.0/users/jane@acme.example/sendMail"},
		{"an odd address", func(c *relay.Credentials) {
			c.Account.SignIn, c.Account.Address.Local = relay.SignInApp, "a/b? c"
		}, "/v1.0/users/%22a%2Fb%3F%20c%22@acme.example/sendMail"},
		{"another base", func(c *relay.Credentials) {
			c.App = &relay.App{Endpoints: relay.Endpoints{Graph: "https://" + host + "/beta/"}}
		}, "/beta/me/sendMail"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, say(202, "", "", "Request-Id", "r-17"))
			c := bearer(relay.WayGraph)
			test.change(c)
			receipt, err := s.open(c, relay.WayGraph).Send(t.Context(), content(message))
			if err != nil || receipt.Reply.String() != "202 Accepted (request-id r-17)" {
				t.Fatalf("receipt %+v, %v", receipt, err)
			}
			got := s.last()
			if got.method != "POST" || got.uri != test.path || got.contentType != "text/plain" || got.authorization != "Bearer ya29.token-of-jane" ||
				string(got.body) != base64.StdEncoding.EncodeToString([]byte(message)) || got.length != int64(len(got.body)) {
				t.Errorf("asked %+v", got)
			}
		})
	}
}

func TestGraphCheck(t *testing.T) {
	t.Parallel()
	const folder, me = "GET /v1.0/me/mailFolders/sentitems", "GET /v1.0/me"
	denied := sayJSON(403, `{"error":{"code":"ErrorAccessDenied","message":"Access is denied."}}`)
	for _, test := range []struct {
		name    string
		routes  map[string]http.HandlerFunc
		address string
		is      error
	}{
		{"all may be read", map[string]http.HandlerFunc{folder: sayJSON(200, `{"id":"f"}`), me: sayJSON(200, `{"mail":"jane@acme.example","userPrincipalName":"u"}`)}, "jane@acme.example", nil},
		{"no mail address", map[string]http.HandlerFunc{folder: sayJSON(200, `{"id":"f"}`), me: sayJSON(200, `{"mail":null,"userPrincipalName":"jane@x"}`)}, "jane@x", nil},
		{"the profile is closed", map[string]http.HandlerFunc{folder: sayJSON(200, `{"id":"f"}`), me: denied}, "", nil},
		{"the folder is closed", map[string]http.HandlerFunc{folder: denied, me: sayJSON(200, `{"mail":"jane@acme.example"}`)}, "jane@acme.example", webmail.ErrNotPermitted},
		{"nothing may be read", map[string]http.HandlerFunc{folder: denied, me: denied}, "", webmail.ErrNotPermitted},
		{"no folder in the answer", map[string]http.HandlerFunc{folder: sayJSON(200, `{}`)}, "", webmail.ErrAnswer},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			about, err := serve(t, routes(t, test.routes)).open(bearer(relay.WayGraph), relay.WayGraph).Check(t.Context())
			if test.is == nil && err != nil || test.is != nil {
				want{where: relay.AtAfterDot, code: 403, text: "ErrorAccessDenied", is: test.is}.checkIs(t, err)
			}
			if about.Address != test.address || about.Certificate != host || about.Host != host || about.TLS == "" {
				t.Errorf("about %+v", about)
			}
		})
	}
	t.Run("a wrong token", func(t *testing.T) {
		t.Parallel()
		_, err := serve(t, sayJSON(401, `{"error":{"code":"InvalidAuthenticationToken","message":"x"}}`)).open(bearer(relay.WayGraph), relay.WayGraph).Check(t.Context())
		want{where: relay.AtAuth, code: 401, text: "InvalidAuthenticationToken"}.check(t, err)
	})
}

func TestGraphFind(t *testing.T) {
	t.Parallel()
	list := sayJSON(200, `{"value":[
		{"id":"a","internetMessageId":"<o'neill 1@acme.example>","subject":"s","receivedDateTime":"2026-11-21T09:00:00Z","parentFolderId":"p/1","from":{"emailAddress":{"name":"Jane","address":"jane@acme.example"}}},
		{"id":"b","internetMessageId":"<o'neill 1@acme.example>","subject":"s\u202e","receivedDateTime":"2026-11-21T10:00:00Z","parentFolderId":"p2"},
		{"id":"c","internetMessageId":"<other>","receivedDateTime":"2026-11-21T10:00:00Z"},
		{"id":"","internetMessageId":"<o'neill 1@acme.example>","receivedDateTime":"2026-11-21T10:00:00Z"}]}`)
	s := serve(t, routes(t, map[string]http.HandlerFunc{
		"GET /v1.0/me/messages":                       list,
		"GET /v1.0/me/mailFolders/sentitems/messages": list,
		"GET /v1.0/me/mailFolders/p%2F1":              sayJSON(200, `{"displayName":"Projekte"}`),
	}))
	client := s.open(bearer(relay.WayGraph), relay.WayGraph)
	items, err := client.Find(t.Context(), webmail.FolderSent, "<o'neill 1@acme.example>")
	if err != nil {
		t.Fatal(err)
	}
	expected := []webmail.Item{
		{ID: "b", Folder: webmail.FolderSent, HeaderID: "<o'neill 1@acme.example>", Subject: "s", Arrived: noon(10)},
		{ID: "a", Folder: webmail.FolderSent, HeaderID: "<o'neill 1@acme.example>", From: "jane@acme.example", Subject: "s", Arrived: noon(9)},
	}
	if !reflect.DeepEqual(items, expected) {
		t.Errorf("found %+v\nwant  %+v", items, expected)
	}
	uri := s.last().uri
	if u, err := url.Parse(uri); err != nil || u.Query().Get("$filter") != "internetMessageId eq '<o''neill 1@acme.example>'" || u.Query().Get("$top") != "10" || strings.Contains(uri, "+") {
		t.Errorf("asked %s", uri)
	}
	items, err = client.Find(t.Context(), webmail.FolderAnywhere, "<o'neill 1@acme.example>")
	if err != nil || len(items) != 2 || items[0].Folder != "" || items[1].Folder != "Projekte" {
		t.Errorf("anywhere: %+v, %v", items, err)
	}
	items, err = client.FindSubject(t.Context(), webmail.FolderSent, "S")
	if err != nil || len(items) != 2 {
		t.Errorf("by subject: %+v, %v", items, err)
	}
	if u, _ := url.Parse(s.last().uri); u.Query().Get("$filter") != "contains(subject,'S')" {
		t.Errorf("asked %s", s.last().uri)
	}
	_, err = client.Find(t.Context(), webmail.FolderInbox, "<1@x>")
	want{where: relay.AtAfterDot, code: 404, text: "ErrorItemNotFound"}.check(t, err)
	_, err = client.Find(t.Context(), webmail.FolderInbox, "<1\n@x>")
	want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, err)
}

func TestGraphDelete(t *testing.T) {
	t.Parallel()
	lacking := sayJSON(400, `{"error":{"code":"BadRequest","message":"Resource not found for the segment 'permanentDelete'."}}`)
	s := serve(t, routes(t, map[string]http.HandlerFunc{
		"POST /v1.0/me/messages/a%3D/permanentDelete": say(204, "", ""),
		"POST /v1.0/me/messages/b/permanentDelete":    lacking,
		"DELETE /v1.0/me/messages/b":                  say(204, "", ""),
		"POST /v1.0/me/messages/c/permanentDelete":    sayJSON(403, `{"error":{"code":"ErrorAccessDenied","message":"x"}}`),
	}))
	client := s.open(bearer(relay.WayGraph), relay.WayGraph)
	if err := client.Delete(t.Context(), webmail.Item{ID: "a="}, webmail.Item{ID: "b"}, webmail.Item{ID: "gone"}); err != nil {
		t.Error(err)
	}
	if got := len(s.seen()); got != 4 {
		t.Errorf("%d requests, want 4", got)
	}
	want{where: relay.AtAfterDot, code: 403, text: "ErrorAccessDenied", is: webmail.ErrNotPermitted}.check(t, client.Delete(t.Context(), webmail.Item{ID: "c"}))
	want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, client.Delete(t.Context(), webmail.Item{}))
}
