package upstream_test

import (
	"bufio"
	"encoding/base64"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
)

// loop is a server that takes any number of messages, but only of one account.
func loop(tb testing.TB, name string) *smtpwiretest.Server {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() { takeAll(tb, conn, name) })
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		sessions.Wait()
	})
	return &smtpwiretest.Server{Addr: l.Addr().String(), Port: l.Addr().(*net.TCPAddr).Port}
}

func takeAll(tb testing.TB, conn net.Conn, name string) {
	defer conn.Close()
	r, w := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	say := func(s string) { _, _ = w.WriteString(s + "\r\n") }
	say("220 mx")
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+name+"@a.example\x00secret"))
	for inData := false; ; {
		if r.Buffered() == 0 {
			if w.Flush() != nil {
				return
			}
		}
		raw, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if inData {
			if inData = string(raw) != ".\r\n"; !inData {
				say("250 2.0.0 queued")
			}
			continue
		}
		line := strings.TrimSuffix(string(raw), "\r\n")
		switch {
		case strings.HasPrefix(line, "EHLO"):
			say("250-mx\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 AUTH PLAIN")
		case line == login:
			say("235 welcome")
		case line == "MAIL FROM:<"+name+"@a.example>", strings.HasPrefix(line, "RCPT"):
			say("250 ok")
		case line == "DATA":
			inData = true
			say("354 go")
		case line == "QUIT":
			say("221 bye")
			_ = w.Flush()
			return
		default:
			tb.Errorf("the server of %s was told %q", name, line)
			return
		}
	}
}
