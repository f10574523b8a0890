package relaytest

import (
	"net"
	"net/smtp"
	"strings"
	"testing"
	"time"
)

// client --SMTP--> Postfix --virtual--> Maildir
func TestPostfixDeliversIntoItsMaildir(t *testing.T) {
	t.Parallel()
	p := StartPostfix(t, PostfixOptions{Host: "127.0.0.91", Name: "mx.b.example", Owner: 65534, Main: []string{
		"virtual_mailbox_domains = b.example", "virtual_mailbox_maps = inline:{bob@b.example=bob/}",
	}})
	c, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	s, err := smtp.NewClient(c, "mx.b.example")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mail("jane@acme.example"); err != nil {
		t.Fatal(err)
	}
	if err := s.Rcpt("nobody@b.example"); err == nil {
		t.Error("an unknown recipient was accepted")
	}
	if err := s.Rcpt("bob@b.example"); err != nil {
		t.Fatal(err)
	}
	w, err := s.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("Subject: hello\r\n\r\nbody\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	mail := Eventually(t, 10*time.Second, func() []string { return p.Mailbox("bob") })
	if !strings.Contains(mail[0], "Subject: hello") {
		t.Errorf("the mailbox holds %q", mail)
	}
}

func TestLastLineOfAParameterCounts(t *testing.T) {
	t.Parallel()
	got := strings.Join(lastOfEach([]string{"a = 1", "b =", "a=2", "c = x=y"}), "; ")
	if got != "b =; a=2; c = x=y" {
		t.Errorf("kept %s", got)
	}
}
