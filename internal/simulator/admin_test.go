package simulator_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/simulator"
)

// TestAdministration is another process that lets things go wrong.
func TestAdministration(t *testing.T) {
	t.Parallel()
	s := startAs(t, simulator.Plain())
	post := func(path, body string, want int) string {
		t.Helper()
		a := mustCall(t, s, "POST", "/simulator/"+path, "", "application/json", body)
		if a.status != want {
			t.Errorf("%s %s: %d %s, want %d", path, body, a.status, a.body, want)
		}
		return string(a.body)
	}
	post("faults", `{"at":"data stored","times":1,"hangup":true,"who":"john@acme.example"}`, 204)
	post("faults", `{"at":"token","reply":"429 slow_down: later","retryAfter":"30s","delay":"10ms"}`, 204)
	if a := mustCall(t, s, "GET", "/simulator/faults", "", "", ""); !strings.Contains(string(a.body), `"retryAfter":"30s"`) {
		t.Errorf("faults: %s", a.body)
	}
	c := program(t, s, sasl.NewPlainClient("", jane, appPassword))
	if err := submit(t, c, jane, mailOf(jane)); err == nil {
		t.Error("the connection did not break")
	}
	var outbox []struct {
		Via, From string
		To        []string
		Content   []byte
	}
	if err := json.Unmarshal(mustCall(t, s, "GET", "/simulator/outbox", "", "", "").body, &outbox); err != nil {
		t.Fatal(err)
	}
	if len(outbox) != 1 || outbox[0].Via != "smtp" || outbox[0].To[0] != john || string(outbox[0].Content) != mailOf(jane) {
		t.Errorf("outbox: %+v", outbox)
	}
	for _, path := range []string{"faults", "outbox"} {
		if a := mustCall(t, s, "DELETE", "/simulator/"+path, "", "", ""); a.status != 204 {
			t.Errorf("DELETE %s: %d", path, a.status)
		}
		if a := mustCall(t, s, "GET", "/simulator/"+path, "", "", ""); strings.TrimSpace(string(a.body)) != "[]" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	token := s.IssueToken(jane, googleMail)
	program(t, s, &xoauth2{user: jane, token: token})
	post("accounts/jane@acme.example", `{"expireTokens":true,"limit":0,"password":"new"}`, 204)
	reply(t, program(t, s, nil).Auth(&xoauth2{user: jane, token: token}), 535, "5.7.8", "")
	c = program(t, s, sasl.NewPlainClient("", jane, "new"))
	reply(t, submit(t, c, jane, mailOf(jane)), 554, "5.7.1", "limit")
	token = s.IssueToken(jane, googleMail)
	post("accounts/jane@acme.example", `{"revokeConsent":true}`, 204)
	reply(t, program(t, s, nil).Auth(&xoauth2{user: jane, token: token}), 535, "5.7.8", "")
	post("tenant", `{"smtpAuthDisabled":true,"tokenLifetime":"5s","dropScopes":["openid"],"refuseOldTokens":true}`, 204)
	reply(t, program(t, s, nil).Auth(sasl.NewPlainClient("", jane, "new")), 535, "5.7.139", "disabled for the Tenant")

	post("accounts/nobody@acme.example", `{}`, 404)
	post("tenant", `{"expireSecret":"nobody"}`, 404)
	for _, body := range []string{`{"at":"nowhere"}`, `{"at":"token","times":-1}`, `{"at":"token","typo":1}`, `{"at":"token","delay":"soon"}`, `{`} {
		if answer := post("faults", body, 400); !strings.Contains(answer, "error") {
			t.Errorf("%s: %s", body, answer)
		}
	}
	if a := mustCall(t, s, "POST", "/simulator/faults", "", "text/plain", `{"at":"token"}`); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form of a browser: %d", a.status)
	}
}

func TestMountedHandlers(t *testing.T) {
	t.Parallel()
	hello := func(word string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, word, r.ProtoMajor) })
	}
	s := start(t, simulator.Options{HTTP: map[string]http.Handler{"POST /EWS/Exchange.asmx": hello("ews")}})
	s.Handle("GET /autodiscover/autodiscover.json", hello("auto"))
	if a := mustCall(t, s, "POST", "/EWS/Exchange.asmx", "", "", ""); string(a.body) != "ews1" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := mustCall(t, s, "GET", "/autodiscover/autodiscover.json", "", "", ""); string(a.body) != "auto1" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if address, ok := s.CheckPassword("john", "john's"); !ok || address != john {
		t.Errorf("CheckPassword: %q %v", address, ok)
	}
	if _, ok := s.CheckPassword("john", "no"); ok {
		t.Error("CheckPassword takes anything")
	}
	if address, password, ok := s.Password("john"); !ok || address != john || password != "john's" {
		t.Errorf("Password: %q %q %v", address, password, ok)
	}
	if _, err := s.Submit(t.Context(), simulator.Submission{Address: jane, Via: "ews", Content: []byte(letter), Folder: "Drafts"}); err != nil {
		t.Fatal(err)
	}
	if n := len(messages(t, s, jane, "Drafts")); n != 1 || len(messages(t, s, john, "INBOX")) != 1 || len(messages(t, s, jane, "Sent")) != 0 {
		t.Errorf("%d copies in the named folder", n)
	}
	if _, err := s.Submit(t.Context(), simulator.Submission{Address: "nobody@acme.example"}); err == nil {
		t.Error("nobody sent")
	}
}
