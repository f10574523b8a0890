package smtpwire_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/internal/smtpwire"
)

// client --SMTP--> Postfix --virtual--> Maildir
//
// A real server with PIPELINING and CHUNKING agrees with every way of sending, on
// one connection, and files the same octets.
func TestPostfixTakesEveryWay(t *testing.T) {
	t.Parallel()
	p := relaytest.StartPostfix(t, relaytest.PostfixOptions{Host: "127.0.0.93", Name: "mx.b.example", Owner: 65534, Main: []string{
		"virtual_mailbox_domains = b.example", "virtual_mailbox_maps = inline:{bob@b.example=bob/}",
	}})
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	c := smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: "relay.example"})
	defer c.Close()
	if err := greetAndHello(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if e := c.Extensions(); !e.Chunking || !e.Pipelining || !e.DSN || e.MaxSize != 104857600 {
		t.Fatalf("%+v", e)
	}
	big := strings.Repeat("x\r\n.\r\n..\r\n", 20000)
	for _, m := range []struct {
		text string
		to   []string
		want string // the beginning of each recipient's outcome
	}{
		{"small", []string{"bob@b.example"}, "ok"},
		{"mixed", []string{"nobody@b.example", "bob@b.example"}, "rcpt 550 5.1.1|ok"},
		{"refused", []string{"nobody@b.example"}, "rcpt 550 5.1.1"},
		{"no line end", []string{"bob@b.example"}, "ok"},
		{"big " + big, []string{"bob@b.example"}, "ok"},
		{"big refused " + big, []string{"nobody@b.example"}, "rcpt 550 5.1.1"},
		{"big mixed " + big, []string{"bob@b.example", "nobody@b.example"}, "ok|rcpt 550 5.1.1"},
	} {
		tx := message(m.to...)
		tx.Body = body("Subject: x\r\n\r\n" + m.text)
		receipt, err := c.Send(t.Context(), tx)
		if err != nil {
			t.Fatalf("%.20s: %v", m.text, err)
		}
		for i, want := range strings.Split(m.want, "|") {
			if got := outcome(smtpwire.Receipt{Answers: receipt.Answers[i : i+1]}); !strings.HasPrefix(got, want) {
				t.Errorf("%.20s, recipient %d: %s", m.text, i, got)
			}
		}
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
	relaytest.Eventually(t, 20*time.Second, func() []string {
		if mail := p.Mailbox("bob"); len(mail) >= 5 {
			return mail
		}
		return nil
	})
	whole := 0
	for _, mail := range p.Mailbox("bob") {
		if strings.Contains(mail, strings.ReplaceAll(big, "\r\n", "\n")) {
			whole++
		}
	}
	if n := len(p.Mailbox("bob")); n != 5 || whole != 2 {
		t.Errorf("%d messages, %d of them large and whole", n, whole)
	}
}

// BenchmarkPostfix compares the two ways of sending with a real server. Without an
// acknowledgement at once, one flight takes 47 ms a message on loopback.
func BenchmarkPostfix(b *testing.B) {
	p := relaytest.StartPostfix(b, relaytest.PostfixOptions{Host: "127.0.0.94", Name: "mx.b.example", Owner: 65534, Main: []string{
		"virtual_mailbox_domains = b.example", "virtual_mailbox_maps = inline:{bob@b.example=bob/}", "virtual_transport = discard:",
	}})
	for name, oneFlight := range map[string]int{"DATA": -1, "one flight": 0} {
		for _, size := range []int{4 << 10, 32 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				conn, err := net.Dial("tcp", p.Address)
				if err != nil {
					b.Fatal(err)
				}
				c := smtpwire.NewClient(conn, smtpwire.ClientOptions{Hello: "relay.example", OneFlight: oneFlight})
				defer c.Close()
				if err := greetAndHello(b.Context(), c); err != nil {
					b.Fatal(err)
				}
				tx := message("bob@b.example")
				tx.Body = body("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72))
				for b.Loop() {
					receipt, err := c.Send(b.Context(), tx)
					if err != nil || receipt.Err() != nil {
						b.Fatal(err, receipt.Err())
					}
				}
			})
		}
	}
}
