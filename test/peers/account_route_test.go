package peers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// bodies are what applications send that changes easily on the way.
func bodies() map[string]string {
	random := rand.New(rand.NewPCG(1, 2))
	return map[string]string{
		"plain":        "Dear Bob,\r\n\r\nthe offer is attached.\r\n",
		"empty":        "",
		"8-bit":        "Grüße aus Köln, \xe4\xf6\xfc in Latin-1, 你好\r\n",
		"dots":         ".\r\n..\r\n.dot\r\n...\r\nMAIL FROM:<x@y.example>\r\n.\r\n",
		"blank lines":  "\r\n\r\n\r\nafter three\r\n\r\n\r\n",
		"blanks":       "trailing blanks   \r\n\ttab\t\r\n   \r\n",
		"long lines":   strings.Repeat("0123456789", 99) + "01234567\r\n" + strings.Repeat("x", 998) + "\r\n",
		"longer lines": strings.Repeat("y", 5000) + "\r\n" + strings.Repeat(".", 3000) + "\r\n", // no RFC permits them, applications send them
		"From of mbox": "From here on\r\n>From quoted\r\n",
		"1 MiB":        lines(random, 1<<20),
		"5 MiB":        lines(random, 5<<20),
	}
}

// lines are random lines of base64 and of dots, up to a size.
func lines(random *rand.Rand, size int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/."
	var b strings.Builder
	for b.Len() < size {
		for range 76 {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
		b.WriteString("\r\n")
	}
	return b.String()
}

// The main job:
//
//	our client --587--> relayd --587, AUTH as jane--> Postfix --> Postfix --> bob's Maildir
//	                      |                           (acme)      (b.example)
//	                      +--IMAPS--> Dovecot, jane's Sent
func TestThroughTheSendersAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startDNS()
	jane := person{"jane", "secret of jane"}
	mx, home := w.startExchanger(), w.startProvider(map[string]string{"Gesendet": `\Sent`}, jane)
	r := w.startRelayd(ports(home.dovecot.IMAPS))
	r.organisation("Acme", "acme.example")
	r.submitter(crm, "--organisation", "Acme", "--whole-organisation")
	r.connect(jane, home)
	if left := append(home.inbox(jane), home.folder(jane, "Gesendet")...); len(left) != 0 {
		t.Errorf("the verification left %d messages behind", len(left))
	}

	ids := map[string]string{}
	c := r.signedIn(crm)
	for name, body := range bodies() {
		content := "From: Jane Doe <jane@acme.example>\r\nTo: bob@b.example\r\nBcc: carol@b.example\r\nSubject: " + name +
			"\r\nMessage-ID: <" + strings.ReplaceAll(name, " ", "-") + "@crm.acme.example>\r\n\r\n" + body
		id, err := send(c, "bounces@acme.example", []string{"bob@b.example", "carol@b.example"}, content)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ids[name] = id
	}
	if err := c.Quit(context.Background()); err != nil {
		t.Error(err)
	}
	for name, body := range bodies() {
		w.checkMainJob(r, home, jane, ids[name], name)
		for _, mailbox := range []string{"bob@b.example", "carol@b.example"} {
			arrived := mx.about(mailbox, name)
			if arrived.body != body {
				t.Errorf("%s: %s got another body: %s", name, mailbox, difference(arrived.body, body))
			}
			if got := arrived.header.Get("From"); got != "Jane Doe <jane@acme.example>" {
				t.Errorf("%s: From is %s", name, got)
			}
			if arrived.header["Bcc"] != nil || arrived.header.Get("Return-Path") != "<jane@acme.example>" {
				t.Errorf("%s: %s reads\n%s", name, mailbox, arrived.head)
			}
		}
		filed := about(t, name, func() []letter { return home.folder(jane, "Gesendet") })
		if filed.body != body || filed.flags != "S" || filed.header.Get("Bcc") != "carol@b.example" {
			t.Errorf("%s: filed with the flags %q: %s\n%s", name, filed.flags, difference(filed.body, body), filed.head)
		}
	}
	if n := len(home.folder(jane, "Gesendet")); n != len(ids) {
		t.Errorf("%d messages in Sent, want %d", n, len(ids))
	}
}

// checkMainJob checks what relayd tells of a message, and what the provider does.
func (w *world) checkMainJob(r *relayd, home *provider, who person, id, name string) {
	w.t.Helper()
	m := r.await(id, done)
	if want := "bob@b.example delivered, carol@b.example delivered"; outcomes(m) != want {
		w.t.Errorf("%s: %s", name, outcomes(m))
	}
	if m.Route.Kind != "account" || m.Copy.Status != "filed" || m.Copy.Folder != "Gesendet" {
		w.t.Errorf("%s: route %+v, copy %+v", name, m.Route, m.Copy)
	}
	queued := regexp.MustCompile(`queued as (\S+)`).FindStringSubmatch(m.Recipients[0].Reply)
	if queued == nil {
		w.t.Fatalf("%s: the provider's reply is %q", name, m.Recipients[0].Reply)
	}
	login, from := home.sentBy(queued[1])
	if login != who.login || from != who.address() {
		w.t.Errorf("%s: the provider took it from user %q with MAIL FROM <%s>", name, login, from)
	}
}

// difference tells where two texts part.
func difference(got, want string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("at %d: %.60q, want %.60q", i, got[max(0, i-10):], want[max(0, i-10):])
		}
	}
	if len(got) == len(want) {
		return "the same"
	}
	return fmt.Sprintf("%d octets, want %d", len(got), len(want))
}
