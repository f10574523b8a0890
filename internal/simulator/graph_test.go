package simulator_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
)

func TestGraphSends(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	token := s.IssueToken(jane, graphSend, graphRead)
	a := mustCall(t, s, "POST", "/v1.0/me/sendMail", token, "text/plain", inBase64(newsletter))
	if a.status != http.StatusAccepted || len(a.body) != 0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	outbox := s.Outbox()
	if len(outbox) != 1 || outbox[0].Via != "graph" || outbox[0].From != jane ||
		strings.Join(outbox[0].To, " ") != "john@acme.example bob@world.example hidden@world.example" ||
		!bytes.Contains(outbox[0].Content, []byte("From: <jane@acme.example>\r\n")) || bytes.Contains(outbox[0].Content, []byte("Bcc")) {
		t.Errorf("outbox: %+v", outbox)
	}
	sent := messages(t, s, jane, "Sent Items")
	if len(sent) != 1 || !bytes.Contains(sent[0].Content, []byte("Bcc: hidden@world.example")) || !sent[0].Seen {
		t.Errorf("Sent Items: %+v", sent)
	}
	if n := len(messages(t, s, john, "INBOX")); n != 1 {
		t.Errorf("John has %d messages", n)
	}
	a = mustCall(t, s, "POST", "/v1.0/users/shared@acme.example/sendMail", token, "text/plain; charset=utf-8", inBase64(newsletter))
	if a.status != http.StatusAccepted || len(messages(t, s, "shared@acme.example", "Sent Items")) != 1 {
		t.Errorf("as a shared mailbox: %d %s", a.status, a.body)
	}
}

// TestGraphRefuses: nothing of this is sent.
func TestGraphRefuses(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	send, outlook := s.IssueToken(jane, graphSend), s.IssueToken(jane, smtpSend)
	for _, test := range []struct {
		name, path, token, kind, body string
		fault                         simulator.Fault
		status                        int
		code                          string
	}{
		{name: "no token", status: 401, code: "InvalidAuthenticationToken", body: inBase64(newsletter)},
		{name: "a token of Outlook", token: outlook, status: 401, code: "InvalidAuthenticationToken", body: inBase64(newsletter)},
		{name: "a token to read", token: s.IssueToken(jane, graphRead), status: 403, code: "ErrorAccessDenied", body: inBase64(newsletter)},
		{name: "another's mailbox", path: "/v1.0/users/john@acme.example/sendMail", token: send, status: 404, code: "ErrorInvalidUser"},
		{name: "not base64", token: send, status: 400, code: "ErrorMimeContentInvalidBase64String", body: newsletter},
		{name: "nothing", token: send, status: 400, code: "ErrorMimeContentInvalidBase64String"},
		{name: "not a message", token: send, status: 400, code: "ErrorMimeContentInvalid", body: inBase64("no header")},
		{name: "JSON", token: send, kind: "application/json", status: 400, code: "UnableToDeserializePostBody", body: inBase64(newsletter)},
		{name: "no recipients", token: send, status: 400, code: "ErrorInvalidRecipients", body: inBase64("From: a@b.example\r\n\r\n")},
		{name: "too large", token: send, status: 413, code: "RequestEntityTooLarge", body: strings.Repeat("QUFB", 1<<20+1)},
		{name: "too often", token: send, status: 429, code: "ApplicationThrottled", body: inBase64(newsletter),
			fault: simulator.Fault{Reply: "429 ApplicationThrottled: too many requests", RetryAfter: 7 * time.Second}},
		{name: "success that is none", token: send, status: 200, body: inBase64(newsletter), fault: simulator.Fault{Reply: "200 OK"}},
		{name: "an error without details", token: send, status: 503, code: "simulatedFault", body: inBase64(newsletter), fault: simulator.Fault{Times: 1}},
	} {
		if test.path == "" {
			test.path = "/v1.0/me/sendMail"
		}
		if test.kind == "" {
			test.kind = "text/plain"
		}
		if test.fault != (simulator.Fault{}) {
			test.fault.At, test.fault.Times = simulator.AtGraphSend, 1
			s.Inject(test.fault)
		}
		a := mustCall(t, s, "POST", test.path, test.token, test.kind, test.body)
		if a.status != test.status || (test.code != "" && !strings.Contains(string(a.body), `"code":"`+test.code+`"`)) {
			t.Errorf("%s: %d %s, want %d %s", test.name, a.status, a.body, test.status, test.code)
		}
		if test.fault.RetryAfter > 0 && a.header.Get("Retry-After") != "7" {
			t.Errorf("%s: Retry-After %q", test.name, a.header.Get("Retry-After"))
		}
	}
	if n := len(s.Outbox()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
	if err := s.SetLimit(jane, 0); err != nil {
		t.Fatal(err)
	}
	if a := mustCall(t, s, "POST", "/v1.0/me/sendMail", send, "text/plain", inBase64(newsletter)); a.status != 429 {
		t.Errorf("over the limit: %d %s", a.status, a.body)
	}
}

func TestGraphIsCutOff(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		at     simulator.Place
		stored int
	}{{simulator.AtGraphSend, 0}, {simulator.AfterGraphSend, 1}} {
		s := startAs(t, simulator.Office365())
		s.Inject(simulator.Fault{At: test.at, Times: 1, Hangup: true})
		if a, err := call(t, s, "POST", "/v1.0/me/sendMail", s.IssueToken(jane, graphSend), "text/plain", inBase64(newsletter)); err == nil {
			t.Errorf("%s: %d", test.at, a.status)
		}
		if n := len(messages(t, s, jane, "Sent Items")); n != test.stored {
			t.Errorf("%s: %d messages stored, want %d", test.at, n, test.stored)
		}
	}
}

func TestGraphTakesFourRequestsAtATime(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	token := s.IssueToken(jane, graphSend)
	s.Inject(simulator.Fault{At: simulator.AfterGraphSend, Delay: 2 * time.Second, Times: 4})
	statuses := make(chan int)
	for range 4 {
		go func() {
			a, err := call(t, s, "POST", "/v1.0/me/sendMail", token, "text/plain", inBase64(newsletter))
			if err != nil {
				t.Error(err)
			}
			statuses <- a.status
		}()
	}
	waitFor(t, func() bool { return len(s.Outbox()) == 4 })
	if a := mustCall(t, s, "POST", "/v1.0/me/sendMail", token, "text/plain", inBase64(newsletter)); a.status != 429 || !strings.Contains(string(a.body), "MailboxConcurrency") {
		t.Errorf("the fifth: %d %s", a.status, a.body)
	}
	for range 4 {
		if status := <-statuses; status != 202 {
			t.Errorf("one of four: %d", status)
		}
	}
}

func TestGraphFindsMessages(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Office365())
	token := s.IssueToken(jane, graphSend, graphWrite)
	for i := range 2 {
		content := strings.Replace(newsletter, "<9@", fmt.Sprintf("<%d@", i), 1)
		if a := mustCall(t, s, "POST", "/v1.0/me/sendMail", token, "text/plain", inBase64(content)); a.status != 202 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	list := func(folder string, q url.Values) []any {
		t.Helper()
		a := mustCall(t, s, "GET", "/v1.0/me"+folder+"/messages?"+q.Encode(), token, "", "")
		if a.status != 200 {
			t.Fatalf("%d %s", a.status, a.body)
		}
		return a.value(t)["value"].([]any)
	}
	byID := url.Values{"$filter": {"internetMessageId eq '<1@acme.example>'"}, "$select": {"internetMessageId, subject,internetMessageHeaders"}}
	found := list("/mailFolders/sentitems", byID)
	if len(found) != 1 {
		t.Fatalf("found %v", found)
	}
	one := found[0].(map[string]any)
	if one["internetMessageId"] != "<1@acme.example>" || one["subject"] != "It's new" || one["from"] != nil || one["internetMessageHeaders"] == nil {
		t.Errorf("found %v", one)
	}
	for filter, want := range map[string]int{"contains(subject,'IT''S')": 2, "contains(subject,'old')": 0, "": 2} {
		if n := len(list("/mailFolders/sentitems", url.Values{"$filter": {filter}})); n != want {
			t.Errorf("%s: %d, want %d", filter, n, want)
		}
	}
	if n := len(list("", url.Values{"$top": {"1"}})); n != 1 {
		t.Errorf("$top=1 gives %d", n)
	}
	for _, folder := range []string{"/mailFolders/inbox", "/mailFolders/junkemail"} {
		if n := len(list(folder, byID)); n != 0 {
			t.Errorf("%s: %d", folder, n)
		}
	}
	path := "/v1.0/me/messages/" + one["id"].(string)
	if a := mustCall(t, s, "GET", path+"/$value", token, "", ""); !bytes.Contains(a.body, []byte("Message-ID: <1@acme.example>\r\n")) {
		t.Errorf("$value: %d %s", a.status, a.body)
	}
	if a := mustCall(t, s, "GET", path, token, "", ""); a.value(t)["subject"] != "It's new" {
		t.Errorf("message: %s", a.body)
	}
	if a := mustCall(t, s, "DELETE", path, token, "", ""); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if n := len(list("/mailFolders/deleteditems", byID)); n != 1 || len(list("/mailFolders/sentitems", byID)) != 0 {
		t.Errorf("%d in the deleted items", n)
	}
	if a := mustCall(t, s, "DELETE", path, token, "", ""); a.status != 404 {
		t.Errorf("deleted twice: %d", a.status)
	}
	gone := list("/mailFolders/deleteditems", byID)[0].(map[string]any)
	if a := mustCall(t, s, "POST", "/v1.0/me/messages/"+gone["id"].(string)+"/permanentDelete", token, "", ""); a.status != 204 {
		t.Errorf("permanentDelete: %d %s", a.status, a.body)
	}
	if n := len(list("", byID)); n != 0 {
		t.Errorf("%d left", n)
	}
	if a := mustCall(t, s, "GET", "/v1.0/me", token, "", ""); a.value(t)["mail"] != jane {
		t.Errorf("profile: %s", a.body)
	}
	if a := mustCall(t, s, "GET", "/v1.0/me/mailFolders/sentitems", token, "", ""); a.value(t)["displayName"] != "Sent Items" {
		t.Errorf("folder: %s", a.body)
	}
	for _, bad := range []string{"/messages?$filter=startswith(subject,'x')", "/messages?$top=0", "/mailFolders/archive/messages", "/messages/x"} {
		if a := mustCall(t, s, "GET", "/v1.0/me"+strings.ReplaceAll(bad, " ", "%20"), token, "", ""); a.status != 400 && a.status != 404 {
			t.Errorf("%s: %d", bad, a.status)
		}
	}
	s.Inject(simulator.Fault{At: simulator.AtGraphRead, Times: 1, Reply: "504 UnknownError: late"})
	if a := mustCall(t, s, "GET", "/v1.0/me", token, "", ""); a.status != 504 {
		t.Errorf("fault: %d", a.status)
	}
}
