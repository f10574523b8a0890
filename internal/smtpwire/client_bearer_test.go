package smtpwire_test

import (
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// TestBearer: a row is what the server offers and says, and what comes of it.
func TestBearer(t *testing.T) {
	t.Parallel()
	const token = "ya29.t0ken-of-jane"
	long := strings.Repeat("eyJ0eXAi.OiJKV1Qi-", 120)
	xoauth2 := func(token string) string { return b64("user=jane,x\x01auth=Bearer " + token + "\x01\x01") }
	standard := func(token string) string {
		return b64("n,a=jane=2Cx,\x01host=mx.example\x01port=587\x01auth=Bearer " + token + "\x01\x01")
	}
	const hidden = "(the server's words repeat what was sent, so they are not shown)"
	for name, c := range map[string]struct{ script, token, want string }{
		"XOAUTH2": {offering("AUTH LOGIN XOAUTH2 PLAIN") + `
			C: AUTH XOAUTH2 ` + xoauth2(token) + `
			S: 235 2.7.0 Accepted` + bye, token, ""},
		"the standard is preferred": {offering("AUTH XOAUTH2 OAUTHBEARER") + `
			C: AUTH OAUTHBEARER ` + standard(token) + `
			S: 235 2.7.0 Accepted` + bye, token, ""},
		"a long token in two steps": {offering("AUTH XOAUTH2") + `
			C: AUTH XOAUTH2
			S: 334 
			C: ` + xoauth2(long) + `
			S: 235 2.7.0 Authentication successful` + bye, long, ""},
		"a long token in two steps, the standard": {offering("AUTH OAUTHBEARER") + `
			C: AUTH OAUTHBEARER
			S: 334 
			C: ` + standard(long) + `
			S: 235 ok` + bye, long, ""},
		"Google's refusal": {offering("AUTH XOAUTH2") + `
			C~ ^AUTH XOAUTH2
			S: 334 ` + b64(`{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}`) + `
			C:
			S: 535-5.7.8 Username and Password not accepted.
			S: 535 5.7.8 gsmtp` + bye, token, "smtp auth: 535 5.7.8 Username and Password not accepted. gsmtp"},
		"the refusal of the standard": {offering("AUTH OAUTHBEARER") + `
			C~ ^AUTH OAUTHBEARER
			S: 334 ` + b64(`{"status":"invalid_token"}`) + `
			C: AQ==
			S: 535 5.7.8 no` + bye, token, "smtp auth: 535 5.7.8 no"},
		"a refusal of a long token": {offering("AUTH XOAUTH2") + `
			C: AUTH XOAUTH2
			S: 334 
			C: ` + xoauth2(long) + `
			S: 334 ` + b64(`{"status":"401"}`) + `
			C:
			S: 535 5.7.8 no` + bye, long, "smtp auth: 535 5.7.8 no"},
		"Microsoft's refusal": {offering("AUTH LOGIN XOAUTH2") + `
			C: AUTH XOAUTH2
			S: 334 
			C: ` + xoauth2(long) + `
			S: 535 5.7.3 Authentication unsuccessful [AM0PR01CA0001.prod.outlook.com]` + bye, long,
			"smtp auth: 535 5.7.3 Authentication unsuccessful [AM0PR01CA0001.prod.outlook.com]"},
		"challenges without reason": {offering("AUTH XOAUTH2") + `
			C~ ^AUTH XOAUTH2
			S: 334 ` + b64(`{}`) + `
			C:
			S: 334 ` + b64(`{}`) + `
			C: *
			S: 501 cancelled
			end`, token, "smtp auth: local: protocol the server asks more than the mechanism has: the server asks more than the mechanism has"},
		"only passwords": {offering("AUTH PLAIN LOGIN") + bye, token,
			"smtp auth: local: no mechanism in common; the server offers PLAIN LOGIN"},
		"a token that cannot be sent": {offering("AUTH XOAUTH2") + bye, "a\x01b",
			"smtp auth: local: no mechanism the user name or the token is empty or holds a control character: " +
				"the user name or the token is empty or holds a control character"},
		"the server repeats the token": {offering("AUTH XOAUTH2") + `
			C~ ^AUTH XOAUTH2
			S: 535 5.7.8 bad token ` + token + bye, token, "smtp auth: 535 5.7.8 " + hidden},
		"the server repeats a piece of the token": {offering("AUTH XOAUTH2") + `
			C: AUTH XOAUTH2
			S: 334 
			C: ` + xoauth2(long) + `
			S: 535 5.7.8 bad token ` + long[40:80] + `...` + bye, long, "smtp auth: 535 5.7.8 " + hidden},
		"the server repeats the line": {offering("AUTH OAUTHBEARER") + `
			C~ ^AUTH OAUTHBEARER
			S: 500 5.5.1 what is AUTH OAUTHBEARER ` + standard(token) + bye, token, "smtp auth: 500 5.5.1 " + hidden},
		"no SMTP, with the token": {offering("AUTH XOAUTH2") + `
			C~ ^AUTH XOAUTH2
			S: ` + token + `
			end`, token, "smtp auth: local: protocol not an SMTP reply: not an SMTP reply"},
		"closed after the challenge": {offering("AUTH XOAUTH2") + `
			C~ ^AUTH XOAUTH2
			S: 334 e30=
			C:`, token, "smtp auth: local: connection lost while signing in: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := greeted(t, smtpwire.ClientOptions{AllowClearAuth: true}, c.script)
			err := client.Auth(t.Context(), smtpwire.BearerMechanisms("jane,x", "mx.example", 587, relay.Secret(c.token))...)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, c.token) || strings.Contains(got, xoauth2(c.token)) || strings.Contains(got, standard(c.token)) {
				t.Error("the error holds the token")
			}
			if client.Usable() {
				_ = client.Quit(t.Context())
			}
			_ = client.Close()
		})
	}
}

// TestMechanismsFor: an account with a token never falls back to its password.
func TestMechanismsFor(t *testing.T) {
	t.Parallel()
	c := &relay.Credentials{
		Account: relay.Account{
			Address:  relay.Address{Local: "jane", Domain: "a.example"},
			Settings: relay.Settings{SMTP: relay.Server{Host: "mx.example", Port: 465}},
		},
		Password: "secret",
	}
	for name, want := range map[relay.SignIn]string{
		relay.SignInPassword: "PLAIN LOGIN",
		relay.SignInConsent:  "OAUTHBEARER XOAUTH2",
		relay.SignInApp:      "OAUTHBEARER XOAUTH2",
	} {
		c.Account.SignIn, c.Token = name, "t0ken"
		var names []string
		for _, m := range smtpwire.MechanismsFor(c) {
			name, initial, err := m.Start()
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			if c.Bearer() && strings.Contains(string(initial), "secret") {
				t.Errorf("%s carries the password", name)
			}
			if name == "OAUTHBEARER" && string(initial) != "n,a=jane@a.example,\x01host=mx.example\x01port=465\x01auth=Bearer t0ken\x01\x01" {
				t.Errorf("OAUTHBEARER says %q", initial)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
		if c.Token = ""; c.Bearer() {
			if _, _, err := smtpwire.MechanismsFor(c)[1].Start(); err == nil {
				t.Error("a sign-in without a token")
			}
		}
	}
}
