package peers

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
)

// One setting of the account is wrong at a time; the answer names it.
//
//	relayd account verify --> relayd --587, 465--> Postfix --auth--+
//	                             |                                 v
//	                             +----IMAP, IMAPS------------> Dovecot
func TestVerificationNamesTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS("smtp.acme.example. A "+w.at(hostProvider), "idle.acme.example. A "+w.at(hostRelay+100))
	jane := person{"jane", "secret of jane"}
	home := w.startProvider(nil, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS, home.dovecot.IMAP))
	r.organisation("Acme", "acme.example")
	r.do("user", "create", jane.address())
	good := home.settings(jane)
	r.doWith(jane.password+"\n", append([]string{"account", "create", jane.address(), "--password-stdin"}, good...)...)

	imap := "mail.acme.example" + home.dovecot.IMAP[strings.LastIndexByte(home.dovecot.IMAP, ':'):]
	for _, test := range []struct {
		name     string
		change   []string // flags after the good ones
		password string
		field    string
		says     string
	}{
		{"host of SMTP", []string{"--smtp", "mial.acme.example:587"}, "", "smtp.host", "no server with the name mial.acme.example"},
		{"host of IMAP", []string{"--imap", "mial.acme.example:993"}, "", "imap.host", "no server with the name mial.acme.example"},
		{"certificate of SMTP", []string{"--smtp", "smtp.acme.example:587"}, "", "smtp.host", "certificate of smtp.acme.example is not valid"},
		{"port of SMTP", []string{"--smtp", "mail.acme.example:25"}, "", "smtp.port", "Nothing answers on port 25"},
		{"port of IMAP", []string{"--imap", "mail.acme.example:143"}, "", "imap.port", "Nothing answers on port 143"},
		{"forbidden port", []string{"--smtp", "mail.acme.example:22"}, "", "smtp.host", "may not connect"},
		{"port that speaks something else", []string{"--imap", "mail.acme.example:587", "--imap-tls", "starttls"}, "", "imap.port", "is not the incoming server for IMAP"},
		{"TLS mode of SMTP", []string{"--smtp-tls", "implicit"}, "", "smtp.tls", "STARTTLS"},
		{"TLS mode of IMAP", []string{"--imap", imap, "--imap-tls", "implicit"}, "", "imap.tls", "STARTTLS"},
		{"no TLS at SMTP", []string{"--smtp-tls", "none"}, "", "smtp.tls", "without TLS"},
		{"name at SMTP", []string{"--smtp-login", "janet"}, "", "smtp.login", "takes this password"},
		{"name at IMAP", []string{"--imap-login", "janet"}, "", "imap.login", "takes this password"},
		{"password", nil, "guessed", "password", "refuses the user name jane"},
		{"Sent folder", []string{"--sent-folder", "Nowhere"}, "", "sent_folder", "Nowhere"},
	} {
		password := jane.password
		if test.password != "" {
			password = test.password
		}
		update := slices.Concat([]string{"account", "update", jane.address(), "--password-stdin", "--sent-folder", ""}, good, test.change)
		r.doWith(password+"\n", update...)
		v, errs, code := r.verify(jane.address())
		if code != 1 || v.State != "failed" || v.Field != test.field || !strings.Contains(v.Message, test.says) {
			t.Errorf("%s: exit code %d, %s, field %q: %s", test.name, code, v.State, v.Field, v.Message)
		}
		if !strings.Contains(errs, "the setting to mend is "+test.field) || strings.Contains(errs+v.Message, password) {
			t.Errorf("%s: told as %q", test.name, errs)
		}
	}

	r.checkVerified(t, home, jane, good)
}

// checkVerified mends the account and verifies it over both ways of TLS.
func (r *relayd) checkVerified(t *testing.T, home *provider, who person, good []string) {
	t.Helper()
	starttls := []string{"--smtp", "mail.acme.example:465", "--imap", "mail.acme.example" + home.dovecot.IMAP[strings.LastIndexByte(home.dovecot.IMAP, ':'):], "--imap-tls", "starttls"}
	for _, change := range [][]string{nil, starttls} {
		r.doWith(who.password+"\n", slices.Concat([]string{"account", "update", who.address(), "--password-stdin", "--sent-folder", ""}, good, change)...)
		v, errs, code := r.verify(who.address())
		if code != 0 || v.State != "done" {
			t.Errorf("verification with %v: %d, %s", change, code, errs)
		}
		for _, step := range v.Steps {
			// A mailbox in which nothing was ever sent has no folder to try yet.
			if step.State != "done" && step.Name != "sent.append" {
				t.Errorf("%s: %s: %s", step.Name, step.State, step.Detail)
			}
		}
		if out := r.do("account", "show", who.address()); !strings.Contains(out, "verified") || !strings.Contains(out, "Keeps Message-ID:") {
			t.Errorf("the account reads\n%s", out)
		}
		if left := len(home.inbox(who)); left != 0 {
			t.Errorf("the verification left %d messages behind", left)
		}
	}
}

// verify verifies an account and gives the answer, what was told and the exit code.
func (r *relayd) verify(address string) (v api.Verification, errs string, code int) {
	r.t.Helper()
	out, errs, code := r.command("", "account", "verify", address, "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		r.t.Fatalf("account verify --json said %q, %q", out, errs)
	}
	return v, errs, code
}
