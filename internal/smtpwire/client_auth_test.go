package smtpwire_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
)

// offering is a greeting that offers these mechanisms.
func offering(line string) string {
	return "S: 220 mx\nC~ EHLO\nS: 250-mx\nS: 250 " + line + "\n"
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestAuth: a row is what the server offers and says, and what comes of it.
func TestAuth(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("p", 400)
	for name, c := range map[string]struct {
		script, password, want string
	}{
		"PLAIN with an initial response": {offering("AUTH LOGIN PLAIN") + `
			C: AUTH PLAIN AGphbmUAc2VjcmV0
			S: 235 2.7.0 welcome` + bye, "secret", ""},
		"PLAIN too long for a command line": {offering("AUTH PLAIN") + `
			C: AUTH PLAIN
			S: 334 
			C: ` + b64("\x00jane\x00"+long) + `
			S: 235 welcome` + bye, long, ""},
		"LOGIN": {offering("AUTH LOGIN") + `
			C: AUTH LOGIN
			S: 334 VXNlcm5hbWU6
			C: amFuZQ==
			S: 334 UGFzc3dvcmQ6
			C: c2VjcmV0
			S: 235 welcome` + bye, "secret", ""},
		"LOGIN in other words": {offering("AUTH LOGIN") + `
			C: AUTH LOGIN
			S: 334 ` + b64("Benutzername") + `
			C: amFuZQ==
			S: 334 Passwort bitte
			C: c2VjcmV0
			S: 235 welcome` + bye, "secret", ""},
		"keywords have no case, and the old form counts": {offering("auth=login plain") + `
			C~ ^AUTH PLAIN
			S: 235 welcome` + bye, "secret", ""},
		"refused": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: 535 5.7.8 no` + bye, "secret", "smtp auth: 535 5.7.8 no"},
		"nothing in common": {offering("AUTH XOAUTH2 SCRAM-SHA-1") + bye, "secret",
			"smtp auth: local: no mechanism in common; the server offers XOAUTH2 SCRAM-SHA-1"},
		"no AUTH at all": {offering("SIZE") + bye, "secret", "smtp auth: local: no mechanism the server offers none"},
		"a NUL in the password": {offering("AUTH PLAIN") + bye, "a\x00b",
			"smtp auth: local: no mechanism the login or the password holds a NUL: the login or the password holds a NUL"},
		"the server repeats the password": {offering("AUTH LOGIN") + `
			C: AUTH LOGIN
			S: 334 x
			C: amFuZQ==
			S: 334 x
			C: c2VjcmV0
			S: 535 5.7.8 wrong password: secret` + bye, "secret",
			"smtp auth: 535 5.7.8 (the server's words repeat what was sent, so they are not shown)"},
		"the server repeats the response": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: 535 5.7.8 what is AGphbmUAc2VjcmV0` + bye, "secret",
			"smtp auth: 535 5.7.8 (the server's words repeat what was sent, so they are not shown)"},
		"no SMTP, with the password": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: secret
			end`, "secret", "smtp auth: local: protocol not an SMTP reply: not an SMTP reply"},
		"a 421 instead of an answer": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: 421 4.7.0 too many`, "secret", "smtp auth: 421 4.7.0 too many"},
		"250 is no sign-in": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: 250 ok
			end`, "secret", "smtp auth: local: protocol unexpected answer 250 ok"},
		"PLAIN is asked again: the exchange is ended in order": {offering("AUTH PLAIN") + `
			C~ ^AUTH PLAIN
			S: 334 bW9yZQ==
			C: *
			S: 501 5.7.0 cancelled
			end`, "secret", "smtp auth: local: protocol the server asks more than the mechanism has: the server asks more than the mechanism has"},
		"closed in the middle": {offering("AUTH LOGIN") + `
			C: AUTH LOGIN`, "secret", "smtp auth: local: connection lost while signing in: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := greeted(t, smtpwire.ClientOptions{AllowClearAuth: true}, c.script)
			err := client.Auth(t.Context(), smtpwire.PasswordMechanisms("jane", relay.Secret(c.password))...)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if strings.Contains(got, c.password) || strings.Contains(got, b64(c.password)) {
				t.Error("the error holds the password")
			}
			if client.Usable() {
				_ = client.Quit(t.Context())
			}
			_ = client.Close()
		})
	}
}

// TestForeignMechanism: the clients of go-sasl fit.
func TestForeignMechanism(t *testing.T) {
	t.Parallel()
	c := greeted(t, smtpwire.ClientOptions{AllowClearAuth: true}, offering("AUTH PLAIN")+`
		C: AUTH PLAIN AGphbmUAc2VjcmV0
		S: 235 welcome`)
	if err := c.Auth(t.Context(), sasl.NewPlainClient("", "jane", "secret")); err != nil {
		t.Error(err)
	}
}

// TestBeginning: greetings and answers to EHLO.
func TestBeginning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, want string }{
		"EHLO":                {"S: 220 mx.example hi\nC: EHLO relay.example\nS: 250 mx.example" + bye, ""},
		"a greeting in lines": {"S: 220-mx.example\nS: 220 welcome\nC~ EHLO\nS: 250 mx" + bye, ""},
		"only HELO":           {"S: 220 mx.example\nC: EHLO relay.example\nS: 502 5.5.1 what\nC: HELO relay.example\nS: 250 mx" + bye, ""},
		"neither":             {"S: 220 mx.example\nC~ EHLO\nS: 500 what\nC~ HELO\nS: 550 5.7.1 go away\nend", "smtp connect: 550 5.7.1 go away"},
		"EHLO later":          {"S: 220 mx.example\nC~ EHLO\nS: 450 4.3.0 later\nend", "smtp connect: 450 4.3.0 later"},
		"no service":          {"S: 554 5.3.2 no mail here\nend", "smtp connect: 554 5.3.2 no mail here"},
		"250 as greeting":     {"S: 250 mx.example\nend", "smtp connect: local: protocol unexpected answer 250 mx.example"},
		"not SMTP":            {"S: SSH-2.0-OpenSSH_9.2\nend", `smtp connect: local: protocol not an SMTP reply: "SSH-2.0-OpenSSH_9.2": not an SMTP reply: "SSH-2.0-OpenSSH_9.2"`},
		"bare LF":             {"S<< \"220 mx\\n\"\nend", "smtp connect: local: protocol a line end is not CR LF: a line end is not CR LF"},
		"nothing":             {"", "smtp connect: local: connection lost before the greeting was complete: EOF"},
		"the whole dialogue at once": {"S<< \"220 mx\\r\\n250 mx\\r\\n\"\nend",
			"smtp connect: local: protocol an answer that was not due, with code 250"},
		"closing at once": {"S<< \"220 mx\\r\\n421 4.3.2 full\\r\\n\"\nend", "smtp connect: 421 4.3.2 full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := dial(t, smtpwiretest.Serve(t, nil, c.script), smtpwire.ClientOptions{})
			got := ""
			if err := greetAndHello(t.Context(), client); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if c.want == "" {
				if client.Banner() != "mx.example" {
					t.Errorf("the banner is %q", client.Banner())
				}
				if err := client.Quit(t.Context()); err != nil {
					t.Error(err)
				}
			}
			_ = client.Close()
		})
	}
}

// TestErrorsAreTyped: every failure can be classified.
func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	c := greeted(t, smtpwire.ClientOptions{}, hello+"C~ EHLO\nS: 500 what\nC~ HELO\nS: 500 what\nend")
	err := c.Hello(t.Context())
	var e *smtpwire.ClientError
	if !errors.As(err, &e) || e.Answer("gmail").Provider != "gmail" || e.Answer("").Reply.Code != 500 {
		t.Errorf("%v", err)
	}
	_ = c.Close()
}
