// Package smtpwiretest plays SMTP servers for tests: each is a script, and the
// script is the dialogue.
//
// A script is played line by line:
//
//	S: 220 mx.example      send this line
//	S<< "250 o\r\n"        send these octets, in Go's quotes
//	C: EHLO relay.example  the client must send exactly this line
//	C~ ^AUTH PLAIN         the client must send a line that matches
//	tls                    the TLS handshake
//	pause                  wait until the test calls Server.Resume
//	reached                let the test go on that waits in Server.Reached
//	silence                read nothing and send nothing until the client closes
//	end                    the client must close here
//	reset                  break the connection by a TCP reset
//
// At its end the script closes the connection. Several C lines in a row without an
// S line between them prove that the client sent them in one flight.
package smtpwiretest

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a script waits for the client.
const patience = 10 * time.Second

// Server plays one script for each connection, in their order.
type Server struct {
	Addr string
	Port int

	tb      testing.TB
	tls     *tls.Config
	resume  chan struct{}
	reached chan struct{}
	scripts chan string
	done    sync.WaitGroup
	mu      sync.Mutex
	conns   []net.Conn
}

// Serve starts a server on loopback. cert may be nil if no script says tls. The
// test fails if a script is not followed, or if a script was not played.
func Serve(tb testing.TB, cert *tls.Certificate, scripts ...string) *Server {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{
		Addr: l.Addr().String(), Port: l.Addr().(*net.TCPAddr).Port,
		tb: tb, resume: make(chan struct{}, len(scripts)+1),
		reached: make(chan struct{}), scripts: make(chan string, len(scripts)),
	}
	if cert != nil {
		s.tls = &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS10} //nolint:gosec // a test of old versions
	}
	for _, script := range scripts {
		s.scripts <- script
	}
	s.done.Go(func() { s.accept(l) })
	tb.Cleanup(func() {
		s.awaitScripts()
		_ = l.Close()
		s.hangUp()
		s.done.Wait()
		if n := len(s.scripts); n > 0 {
			tb.Errorf("%d scripts were never played", n)
		}
	})
	return s
}

// TLSConfig changes the server's TLS settings before the first connection.
func (s *Server) TLSConfig(change func(*tls.Config)) { change(s.tls) }

// Resume lets one script go on behind its pause.
func (s *Server) Resume() { s.resume <- struct{}{} }

// Reached waits until a script comes to its word reached.
func (s *Server) Reached() {
	s.tb.Helper()
	select {
	case <-s.reached:
	case <-time.After(patience):
		s.tb.Error("no script came to its word reached")
	}
}

// awaitScripts gives the kernel time to hand over a connection that the client has
// closed already.
func (s *Server) awaitScripts() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(2 * time.Second); len(s.scripts) > 0; {
		select {
		case <-tick.C:
		case <-limit:
			return
		}
	}
}

func (s *Server) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case script := <-s.scripts:
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.done.Go(func() { s.play(conn, script) })
		default:
			_ = conn.Close()
			s.tb.Error("a connection that no script is for")
		}
	}
}

// hangUp ends what is still being played.
func (s *Server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.SetDeadline(time.Unix(1, 0))
	}
	close(s.resume)
}

func (s *Server) play(conn net.Conn, script string) {
	defer conn.Close()
	p := &player{s: s, conn: conn, raw: conn, r: bufio.NewReader(conn)}
	for number, line := range strings.Split(script, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if err := p.step(line); err != nil {
			s.tb.Errorf("script line %d, %s: %v", number+1, line, err)
			return
		}
	}
}

// player is one connection of a script.
type player struct {
	s    *Server
	raw  net.Conn
	conn net.Conn
	r    *bufio.Reader
}

func (p *player) step(line string) error {
	verb, text, _ := strings.Cut(line, " ")
	switch verb {
	case "S:":
		_, err := io.WriteString(p.conn, text+"\r\n")
		return err
	case "S<<":
		raw, err := strconv.Unquote(text)
		if err == nil {
			_, err = io.WriteString(p.conn, raw)
		}
		return err
	case "C:", "C~":
		return p.expect(verb, text)
	case "tls":
		conn := tls.Server(p.raw, p.s.tls)
		p.conn, p.r = conn, bufio.NewReader(conn)
		if err := conn.Handshake(); err != nil && text == "" {
			return err
		} // "tls fails": the client refuses it
		return nil
	case "pause":
		<-p.s.resume
		return nil
	case "reached":
		select {
		case p.s.reached <- struct{}{}:
			return nil
		case <-time.After(patience):
			return errors.New("the test does not wait in Reached")
		}
	case "silence":
		_, _ = io.Copy(io.Discard, p.conn) // whatever comes, nothing is said
		return nil
	case "end":
		return p.expectEnd()
	case "reset":
		return p.raw.(*net.TCPConn).SetLinger(0)
	}
	return errors.New("the script has a word that is not known")
}

func (p *player) expect(verb, want string) error {
	got, err := p.r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("waiting for the client: %w", err)
	}
	got, ok := strings.CutSuffix(got, "\r\n")
	switch {
	case !ok:
		return fmt.Errorf("a bare LF ended %q", got)
	case verb == "C:" && got != want:
		return fmt.Errorf("the client sent %q", got)
	case verb == "C~" && !regexp.MustCompile(want).MatchString(got):
		return fmt.Errorf("the client sent %q", got)
	}
	return nil
}

func (p *player) expectEnd() error {
	rest, err := io.ReadAll(p.r)
	if len(rest) > 0 {
		return fmt.Errorf("the client sent %q", rest)
	}
	var reset *net.OpError
	if err != nil && !errors.As(err, &reset) {
		return err
	}
	return nil
}

// OnlyTLS10 makes the server know nothing newer than TLS 1.0.
func (s *Server) OnlyTLS10() {
	s.TLSConfig(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS10 })
}
