package peers

import (
	"strings"
	"testing"
)

// Devices and applications at every listener, and what becomes of their mail without
// an account:
//
//	swaks --587 STARTTLS, 465 implicit, 2525 plain--> relayd --25--> Postfix of the world
func TestEntrance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	mx := w.startExchanger()
	r := w.startRelayd(set("listeners", w.listener("submission", 587, "starttls")+w.listener("submissions", 465, "implicit")+
		w.listener("devices", 2525, "plaintext", set("networks", "["+w.network+"0/24]"), set("submitter", "printer"))))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--domain", "acme.example", "--network", w.network+"0/24")
	r.submitter("machine", "--organisation", "Acme", "--whole-organisation", "--null-sender")
	here := []string{"--local-interface", w.at(9)}
	inside := func(login string, more ...string) []string { return append(r.as(login, here...), more...) }
	jane := []string{"--from", "jane@acme.example", "--to", "bob@b.example"}

	out, code := r.swaks(mail("scan@acme.example", "bob@b.example", "early"), append(here, "--port", "2525", "--from", "scan@acme.example", "--to", "bob@b.example")...)
	if code == 0 || !strings.Contains(out, "451 4.7.0 ") {
		t.Errorf("a plaintext listener without its submitter: %d\n%s", code, out)
	}
	r.submitter("printer", "--organisation", "Acme", "--address", "scan@acme.example")
	accepted := []struct {
		name string
		args []string
		from string
	}{
		{"587 with STARTTLS and PLAIN", append(inside(crm), jane...), "jane@acme.example"},
		{"587 with STARTTLS and LOGIN", append(inside(crm, "--auth", "LOGIN"), jane...), "jane@acme.example"},
		{"465 with implicit TLS", append(overTLS(inside(crm)), jane...), "jane@acme.example"},
		{"a device", append(here, "--port", "2525", "--from", "scan@acme.example", "--to", "bob@b.example"), "scan@acme.example"},
		{"null sender", append(inside("machine"), "--from", "<>", "--to", "bob@b.example"), "machine@acme.example"},
	}
	for _, test := range accepted {
		id := r.mustSwaks(mail(test.from, "bob@b.example", test.name), test.args...)
		if m := r.await(id, done); outcomes(m) != "bob@b.example delivered" || m.Route.Kind != "direct" {
			t.Errorf("%s: %s by the route %s", test.name, outcomes(m), m.Route.Kind)
		}
		arrived := mx.about("bob@b.example", test.name)
		if strings.Contains(arrived.head, w.at(9)) {
			t.Errorf("%s: the address of the client leaks:\n%s", test.name, arrived.head)
		}
	}
	if got := mx.about("bob@b.example", "null sender").header.Get("Return-Path"); got != "<>" {
		t.Errorf("the null sender became %s", got)
	}
	w.checkRefused(t, r, inside, here)
	if n := len(mx.mail("bob@b.example")); n != len(accepted) {
		t.Errorf("%d messages arrived, want %d", n, len(accepted))
	}
}

// checkRefused sends what must not be sent.
func (w *world) checkRefused(t *testing.T, r *relayd, inside func(string, ...string) []string, here []string) {
	t.Helper()
	content := mail("jane@acme.example", "bob@b.example", "never")
	envelope := []string{"--from", "jane@acme.example", "--to", "bob@b.example"}
	for _, test := range []struct {
		name    string
		content string
		args    []string
		says    string
	}{
		{"another's envelope", content, append(inside(crm), "--from", "jane@b.example", "--to", "bob@b.example"), "550 5.7.1 .*jane@b.example"},
		{"another's From", mail("boss@b.example", "bob@b.example", "never"), append(inside(crm), envelope...), "550 5.7.1 .*boss@b.example"},
		{"a second From", "From: eve@b.example\r\n" + content, append(inside(crm), envelope...), "550 5.7.1 .*one From field"},
		{"two authors", mail("jane@acme.example, eve@b.example", "bob@b.example", "never"), append(inside(crm), envelope...), "550 5.7.1 "},
		{"another's Sender", "Sender: boss@b.example\r\n" + content, append(inside(crm), envelope...), "550 5.7.1 .*boss@b.example"},
		{"the null sender", content, append(inside(crm), "--from", "<>", "--to", "bob@b.example"), "550 5.7.1 "},
		{"a device as somebody else", content, append(append([]string{}, here...), "--port", "2525", "--from", "jane@acme.example", "--to", "bob@b.example"), "550 5.7.1 .*jane@acme.example"},
		{"a device from elsewhere", content, append([]string{"--port", "2525", "--local-interface", "127.0.0.1"}, envelope...), ""},
		{"a wrong password", content, append(inside(crm, "--auth-password", "guessed"), envelope...), "535 5.7.8 "},
		{"an unknown login", content, append(inside(crm, "--auth-user", "nobody"), envelope...), "535 5.7.8 "},
		{"from a network that is not allowed", content, append(r.as(crm, "--local-interface", "127.0.0.1"), envelope...), "535 5.7.8 "},
		{"no sign-in", content, append([]string{"--port", "587", "--tls"}, envelope...), "530 5.7.0 "},
		{"no TLS", content, append([]string{"--port", "587"}, envelope...), "530 5.7.0 "},
	} {
		out, code := r.swaks(test.content, test.args...)
		if code == 0 || test.says != "" && group(out, "<[-*~]{2} +("+test.says+")") == "" {
			t.Errorf("%s: swaks ended with %d:\n%s", test.name, code, out)
		}
		if strings.Contains(out, "queued as") {
			t.Errorf("%s was accepted:\n%s", test.name, out)
		}
	}
}

// The policy of an organisation for mail without a verified account:
//
//	swaks --> relayd: held, until the policy is another
//	            |
//	            +--25--> Postfix of the world
func TestFallBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	mx := w.startExchanger()
	r := w.startRelayd()
	r.organisation("Acme", "acme.example", "--fall-back", "hold")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	id := r.mustSwaks(mail("jane@acme.example", "bob@b.example", "policy"), r.as(crm, "--from", "jane@acme.example", "--to", "bob@b.example")...)
	m := r.await(id, held)
	if m.Hold.Rule != "policy.fall_back" || !strings.Contains(m.Hold.Reason, "the organisation holds such mail") {
		t.Errorf("held by %s: %s", m.Hold.Rule, m.Hold.Reason)
	}
	r.do("organisation", "update", "Acme", "--fall-back", "direct")
	if m := r.await(id, done); outcomes(m) != "bob@b.example delivered" {
		t.Error(outcomes(m))
	}
	mx.about("bob@b.example", "policy")

	r.stop()
	r.configure(set("direct.enabled", "false"))
	r.start()
	id = r.mustSwaks(mail("jane@acme.example", "bob@b.example", "no direct"), r.as(crm, "--from", "jane@acme.example", "--to", "bob@b.example")...)
	if m := r.await(id, held); m.Hold.Rule != "policy.no_direct" || !strings.Contains(m.Hold.Reason, "direct.enabled") {
		t.Errorf("held by %s: %s", m.Hold.Rule, m.Hold.Reason)
	}
	if n := len(mx.mail("bob@b.example")); n != 1 {
		t.Errorf("%d messages arrived, want 1", n)
	}
}

// overTLS are the same arguments for port 465.
func overTLS(args []string) []string {
	for i, arg := range args {
		switch arg {
		case "587":
			args[i] = "465"
		case "--tls":
			args[i] = "--tls-on-connect"
		}
	}
	return args
}
