package webmail_test

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"

	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

func TestGmailSend(t *testing.T) {
	t.Parallel()
	s := serve(t, sayJSON(200, `{"id":"18c","threadId":"18c","labelIds":["SENT"]}`))
	receipt, err := s.open(bearer(relay.WayGmailAPI), relay.WayGmailAPI).Send(t.Context(), content(message))
	if err != nil || receipt.ID != "18c" || receipt.Reply.String() != "200 OK 18c" {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	got := s.last()
	if got.method != "POST" || got.uri != "/upload/gmail/v1/users/me/messages/send?uploadType=media" || got.contentType != "message/rfc822" ||
		got.authorization != "Bearer ya29.token-of-jane" || string(got.body) != message || got.length != int64(len(message)) {
		t.Errorf("asked %+v", got)
	}
}

func TestGmailBaseOfTheApplication(t *testing.T) {
	t.Parallel()
	s := serve(t, sayJSON(200, `{"id":"1"}`))
	s.options.GmailBase = "https://elsewhere.example"
	c := bearer(relay.WayGmailAPI)
	c.App = &relay.App{Endpoints: relay.Endpoints{Gmail: "https://" + host + "/proxy"}}
	if _, err := s.open(c, relay.WayGmailAPI).Send(t.Context(), content(message)); err != nil {
		t.Fatal(err)
	}
	if got := s.last().uri; got != "/proxy/upload/gmail/v1/users/me/messages/send?uploadType=media" {
		t.Errorf("asked %s", got)
	}
}

func TestGmailCheck(t *testing.T) {
	t.Parallel()
	const profile = "GET /gmail/v1/users/me/profile"
	about, err := serve(t, routes(t, map[string]http.HandlerFunc{profile: sayJSON(200, `{"emailAddress":"jane@acme.example"}`)})).
		open(bearer(relay.WayGmailAPI), relay.WayGmailAPI).Check(t.Context())
	if err != nil || about.Address != "jane@acme.example" || about.Certificate != host {
		t.Errorf("about %+v, %v", about, err)
	}
	scope := `{"error":{"code":403,"message":"Request had insufficient authentication scopes.","status":"PERMISSION_DENIED","details":[{"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}`
	about, err = serve(t, sayJSON(403, scope)).open(bearer(relay.WayGmailAPI), relay.WayGmailAPI).Check(t.Context())
	want{where: relay.AtAfterDot, code: 403, text: "PERMISSION_DENIED: ", is: webmail.ErrNotPermitted}.check(t, err)
	if about.Certificate != host {
		t.Errorf("about %+v", about)
	}
	_, err = serve(t, sayJSON(200, `{}`)).open(bearer(relay.WayGmailAPI), relay.WayGmailAPI).Check(t.Context())
	want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrAnswer}.check(t, err)
}

func gmailMessage(id, labels, headerID, ms string) http.HandlerFunc {
	return sayJSON(200, `{"id":"`+id+`","labelIds":[`+labels+`],"internalDate":"`+ms+`","payload":{"headers":[
		{"name":"Message-Id","value":"`+headerID+`"},{"name":"From","value":"Jane <jane@acme.example>"},{"name":"Subject","value":"probe 17"}]}}`)
}

func TestGmailFind(t *testing.T) {
	t.Parallel()
	const path = "GET /gmail/v1/users/me/messages"
	s := serve(t, routes(t, map[string]http.HandlerFunc{
		path:         sayJSON(200, `{"messages":[{"id":"a"},{"id":"b"},{"id":"c"},{"id":"gone"},{"id":""}]}`),
		path + "/a":  gmailMessage("a", `"SENT","INBOX"`, "<1@acme.example>", "1795251600000"),
		path + "/b":  gmailMessage("b", `"SPAM"`, "<1@acme.example>", "1795255200000"),
		path + "/c":  gmailMessage("c", `"SENT"`, "<other@acme.example>", "x"),
		path + "/..": sayJSON(500, ""),
	}))
	client := s.open(bearer(relay.WayGmailAPI), relay.WayGmailAPI)
	items, err := client.Find(t.Context(), webmail.FolderAnywhere, "<1@acme.example>")
	if err != nil {
		t.Fatal(err)
	}
	expected := []webmail.Item{
		{ID: "b", Folder: webmail.FolderJunk, HeaderID: "<1@acme.example>", From: "jane@acme.example", Subject: "probe 17", Arrived: noon(10)},
		{ID: "a", Folder: webmail.FolderInbox, HeaderID: "<1@acme.example>", From: "jane@acme.example", Subject: "probe 17", Arrived: noon(9)},
	}
	if !reflect.DeepEqual(items, expected) {
		t.Errorf("found %+v\nwant  %+v", items, expected)
	}
	query := func(i int) url.Values {
		u, err := url.Parse(s.seen()[i].uri)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query()
	}
	if q := query(0); q.Get("q") != "rfc822msgid:1@acme.example" || q.Get("includeSpamTrash") != "true" || q.Has("labelIds") {
		t.Errorf("asked %v", q)
	}
	before := len(s.seen())
	items, err = client.FindSubject(t.Context(), webmail.FolderSent, `PROBE "17`)
	if err != nil || len(items) != 0 {
		t.Errorf("found %+v, %v: the subject has no quotation mark", items, err)
	}
	if q := query(before); q.Get("q") != `subject:"PROBE  17"` || q.Get("labelIds") != "SENT" {
		t.Errorf("asked %v", q)
	}
	if items, err = client.FindSubject(t.Context(), webmail.FolderSent, `PROBE`); err != nil || len(items) != 3 {
		t.Errorf("found %+v, %v", items, err)
	}
	for _, find := range []func() error{
		func() error { _, err := client.Find(t.Context(), webmail.FolderSent, "a\x7f"); return err },
		func() error { _, err := client.FindSubject(t.Context(), webmail.FolderSent, ""); return err },
		func() error { return client.Delete(t.Context(), webmail.Item{}) },
	} {
		want{where: relay.AtConnect, text: "local: protocol", is: webmail.ErrBadValue}.check(t, find())
	}
}

func TestGmailFindFails(t *testing.T) {
	t.Parallel()
	client := serve(t, routes(t, map[string]http.HandlerFunc{
		"GET /gmail/v1/users/me/messages":   sayJSON(200, `{"messages":[{"id":"a"}]}`),
		"GET /gmail/v1/users/me/messages/a": sayJSON(500, `{}`),
	})).open(bearer(relay.WayGmailAPI), relay.WayGmailAPI)
	_, err := client.Find(t.Context(), webmail.FolderSent, "<1@acme.example>")
	want{where: relay.AtConnect, text: "local: protocol HTTP 500"}.check(t, err)
	client = serve(t, sayJSON(429, `{}`)).open(bearer(relay.WayGmailAPI), relay.WayGmailAPI)
	_, err = client.Find(t.Context(), webmail.FolderSent, "<1@acme.example>")
	want{where: relay.AtAfterDot, code: 429, text: "Too Many Requests"}.check(t, err)
}

func TestGmailDelete(t *testing.T) {
	t.Parallel()
	s := serve(t, routes(t, map[string]http.HandlerFunc{
		"DELETE /gmail/v1/users/me/messages/a": say(204, "", ""),
		"DELETE /gmail/v1/users/me/messages/b": sayJSON(403, `{"error":{"errors":[{"reason":"insufficientPermissions"}],"code":403,"message":"x"}}`),
	}))
	client := s.open(bearer(relay.WayGmailAPI), relay.WayGmailAPI)
	if err := client.Delete(t.Context(), webmail.Item{ID: "a"}, webmail.Item{ID: "gone"}); err != nil {
		t.Error(err)
	}
	want{where: relay.AtAfterDot, code: 403, text: "insufficientPermissions: x", is: webmail.ErrNotPermitted}.check(t, client.Delete(t.Context(), webmail.Item{ID: "b"}))
}
