package simulator

import (
	"strings"
	"testing"
)

func TestParseOAuthBearer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		response, user, token string
		ok                    bool
	}{
		{"n,a=jane@acme.example,\x01host=mail.example\x01port=587\x01auth=Bearer T\x01\x01", "jane@acme.example", "T", true},
		{"n,a=a=2Cb=3Dc@acme.example,\x01auth=bearer T\x01\x01", "a,b=c@acme.example", "T", true},
		{"n,,\x01auth=Bearer T\x01\x01", "", "", false},
		{"y,a=j,\x01auth=Bearer T\x01\x01", "", "", false},
		{"n,a=j,\x01auth=Basic T\x01\x01", "", "", false},
		{"n,a=j,\x01auth=Bearer T\x01", "", "", false},
		{"", "", "", false},
	} {
		user, token, ok := parseOAuthBearer(test.response)
		if ok != test.ok || (ok && (user != test.user || token != test.token)) {
			t.Errorf("%q: %q %q %v", test.response, user, token, ok)
		}
	}
}

func FuzzParseBearer(f *testing.F) {
	f.Add("user=jane@acme.example\x01auth=Bearer T\x01\x01")
	f.Add("n,a=jane@acme.example,\x01auth=Bearer T\x01\x01")
	f.Add("user=\x01\x01")
	f.Fuzz(func(t *testing.T, response string) {
		if user, token, ok := parseXOAUTH2(response); ok && (user == "" || token == "" || strings.Contains(user, "\x01")) {
			t.Errorf("XOAUTH2: %q %q", user, token)
		}
		if user, token, ok := parseOAuthBearer(response); ok && (user == "" || token == "") {
			t.Errorf("OAUTHBEARER: %q %q", user, token)
		}
	})
}

func TestCapabilityLinesOnly(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"* CAPABILITY IMAP4rev1 IDLE\r\nA1 OK done\r\n":                         true,
		"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n":                            true,
		"A1 OK [CAPABILITY IMAP4rev1] in\r\n":                                   true,
		"Subject: CAPABILITY IMAP4rev1\r\n":                                     false,
		"* 1 FETCH (BODY[] {30}\r\n* CAPABILITY IMAP4rev1 in a letter\r\n)\r\n": false,
	} {
		if got := capabilities([]byte(line)) >= 0; got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
