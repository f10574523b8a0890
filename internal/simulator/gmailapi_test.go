package simulator_test

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
)

func TestGmailAPI(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Gmail())
	token := s.IssueToken(jane, gmailSend, gmailRead)
	const upload = "/upload/gmail/v1/users/me/messages/send?uploadType=media"
	a := mustCall(t, s, "POST", upload, token, "message/rfc822", newsletter)
	if a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	id := a.value(t)["id"].(string)
	raw := mustCall(t, s, "GET", "/gmail/v1/users/me/messages/"+id+"?format=raw", token, "", "").value(t)["raw"].(string)
	content, err := base64.URLEncoding.DecodeString(raw)
	if err != nil || !bytes.Contains(content, []byte("X-Google-Original-From: Boss <boss@other.example>")) || !bytes.Contains(content, []byte("Bcc:")) {
		t.Errorf("Sent: %s", content)
	}
	if outbox := s.Outbox(); len(outbox) != 1 || outbox[0].Via != "gmail" || len(outbox[0].To) != 3 || bytes.Contains(outbox[0].Content, []byte("Bcc")) {
		t.Errorf("outbox: %+v", outbox)
	}
	again := `{"raw":"` + base64.URLEncoding.EncodeToString([]byte(strings.Replace(newsletter, "<9@", "<10@", 1))) + `"}`
	if a := mustCall(t, s, "POST", "/gmail/v1/users/jane@acme.example/messages/send", token, "application/json", again); a.status != 200 {
		t.Errorf("JSON: %d %s", a.status, a.body)
	}
	for q, want := range map[string]int{"rfc822msgid:9@acme.example": 1, "rfc822msgid:<9@acme.example> in:sent": 1, "in:inbox": 0, "in:anywhere": 2, "rfc822msgid:8@acme.example": 0} {
		a := mustCall(t, s, "GET", "/gmail/v1/users/me/messages?"+url.Values{"q": {q}}.Encode(), token, "", "")
		if found := a.value(t)["messages"].([]any); len(found) != want {
			t.Errorf("%s: %s, want %d", q, a.body, want)
		}
	}
	if a := mustCall(t, s, "GET", "/gmail/v1/users/me/messages/"+id, token, "", ""); !strings.Contains(string(a.body), `"labelIds":["SENT"]`) || !strings.Contains(string(a.body), "X-Google-Original-From") {
		t.Errorf("metadata: %s", a.body)
	}
	if a := mustCall(t, s, "GET", "/gmail/v1/users/me/profile", token, "", ""); a.value(t)["emailAddress"] != jane {
		t.Errorf("profile: %s", a.body)
	}
	full := s.IssueToken(jane, googleMail)
	for _, want := range []int{204, 404} {
		if a := mustCall(t, s, "DELETE", "/gmail/v1/users/me/messages/"+id, full, "", ""); a.status != want {
			t.Errorf("delete: %d %s", a.status, a.body)
		}
	}
	for _, test := range []struct {
		name, path, token, kind, body string
		fault                         simulator.Fault
		status                        int
		reason                        string
	}{
		{name: "no token", status: 401, reason: "authError"},
		{name: "a token to read", token: s.IssueToken(jane, gmailRead), status: 403, reason: "insufficientPermissions"},
		{name: "another's mailbox", path: "/upload/gmail/v1/users/john@acme.example/messages/send?uploadType=media", token: token, status: 403, reason: "forbidden"},
		{name: "no uploadType", path: "/upload/gmail/v1/users/me/messages/send", token: token, status: 400, reason: "badContent"},
		{name: "another content", token: token, kind: "text/plain", status: 400, reason: "badContent"},
		{name: "no recipients", token: token, body: "From: a@b.example\r\n\r\n", status: 400, reason: "invalidArgument"},
		{name: "not a message", token: token, body: "no header", status: 400, reason: "invalidArgument"},
		{name: "JSON without raw", path: "/gmail/v1/users/me/messages/send", token: token, body: "{}", status: 400, reason: "invalidArgument"},
		{name: "JSON with nonsense", path: "/gmail/v1/users/me/messages/send", token: token, body: `{"raw":"!"}`, status: 400, reason: "invalidArgument"},
		{name: "too often", token: token, status: 403, reason: "rateLimitExceeded", fault: simulator.Fault{Reply: "403 rateLimitExceeded: Too many requests"}},
	} {
		if test.path == "" {
			test.path = upload
		}
		if test.kind == "" {
			test.kind = "message/rfc822"
		}
		if test.fault.Reply != "" {
			test.fault.At, test.fault.Times = simulator.AtGmailSend, 1
			s.Inject(test.fault)
		}
		a := mustCall(t, s, "POST", test.path, test.token, test.kind, test.body)
		if a.status != test.status || !strings.Contains(string(a.body), `"reason":"`+test.reason+`"`) {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.status, a.body, test.status, test.reason)
		}
	}
	if err := s.SetLimit(jane, 0); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(t, s, "POST", upload, token, "message/rfc822", newsletter); a.status != 429 {
		t.Errorf("over the limit: %d %s", a.status, a.body)
	}
	if err := s.SetLimit(jane, -1); err != nil {
		t.Fatal(err)
	}
	s.Inject(simulator.Fault{At: simulator.AfterGmailSend, Times: 1, Hangup: true})
	if a, err := call(t, s, "POST", upload, token, "message/rfc822", newsletter); err == nil {
		t.Errorf("cut off after it was stored: %d", a.status)
	}
	if n := len(s.Outbox()); n != 3 {
		t.Errorf("%d messages were sent, want 3", n)
	}
}
