package programtest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Sink is the provider at the other end: an SMTP server that remembers everything
// that it took, and does what it is told.
type Sink struct {
	listener net.Listener
	Down     atomic.Bool // it answers every MAIL with 451
	Hang     atomic.Bool // it takes connections and says nothing
	Mute     atomic.Bool // it takes messages and hangs up instead of saying so
	// Wait is called before each final answer; it may be nil.
	Wait func()

	script Script

	// Moody makes it defer some senders and recipients, and hang up before and after it
	// took a message, by chance.
	Moody atomic.Bool

	served sync.WaitGroup
	ended  chan struct{}
	mu     sync.Mutex
	open   map[net.Conn]struct{}
	taken  []Arrival
	news   chan struct{} // closed and replaced at every arrival
}

// Arrival is one message that the sink took, noted before it is answered.
type Arrival struct {
	HeaderID string
	From     string // MAIL FROM
	To       []string
	Sum      [32]byte // of its body
	Whole    [32]byte // of header and body
	At       time.Time
}

// StartSink runs a sink on a free port of loopback until the test ends. wait may be
// nil.
func StartSink(tb testing.TB, wait func()) *Sink {
	tb.Helper()
	return StartSinkAt(tb, "127.0.0.1:0", wait)
}

// StartSinkAt is StartSink at an address.
func StartSinkAt(tb testing.TB, address string, wait func()) *Sink {
	tb.Helper()
	return startSink(tb, address, wait, Script{})
}

func startSink(tb testing.TB, address string, wait func(), script Script) *Sink {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		tb.Fatal(err)
	}
	s := &Sink{listener: l, Wait: wait, script: script, ended: make(chan struct{}), open: map[net.Conn]struct{}{}, news: make(chan struct{})}
	s.served.Go(s.accept)
	tb.Cleanup(s.close)
	return s
}

// Addr is where it listens.
func (s *Sink) Addr() net.Addr { return s.listener.Addr() }

// Taken gives what arrived so far, oldest first.
func (s *Sink) Taken() []Arrival {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Arrival(nil), s.taken...)
}

// News returns a channel that is closed when the next message arrives.
func (s *Sink) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

func (s *Sink) close() {
	close(s.ended)
	_ = s.listener.Close() // the end
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close() // the end
	}
	s.mu.Unlock()
	s.served.Wait()
}

func (s *Sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = struct{}{}
		s.mu.Unlock()
		s.served.Go(func() {
			s.serve(c)
			_ = c.Close() // the end of a connection
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
		})
	}
}

// envelope is the transaction of one connection.
type envelope struct {
	from string
	to   []string
}

func (s *Sink) serve(c net.Conn) {
	if s.Hang.Load() {
		<-s.ended
		return
	}
	c = s.script.line(c)
	r, w := bufio.NewReader(c), bufio.NewWriter(c)
	var e envelope
	if answered, goOn := s.act(AtGreeting, "", w); !goOn {
		_ = w.Flush() // nobody may be there any more
		return
	} else if !answered {
		s.say(w, "220 sink.example ESMTP")
	}
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil || !s.obey(strings.TrimRight(line, "\r\n"), &e, r, w) {
			_ = w.Flush() // nobody may be there any more
			return
		}
	}
}

func (*Sink) say(w *bufio.Writer, line string) { _, _ = w.WriteString(line + "\r\n") }

// obey answers one command; false ends the connection.
func (s *Sink) obey(line string, e *envelope, r *bufio.Reader, w *bufio.Writer) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		s.say(w, "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 AUTH PLAIN")
	case "AUTH":
		if answered, goOn := s.act(AtAuth, rest, w); answered {
			return goOn
		}
		s.say(w, "235 2.7.0 welcome")
	case "MAIL":
		*e = envelope{}
		if answered, goOn := s.act(AtMail, path(rest), w); answered {
			return goOn
		}
		*e = envelope{from: path(rest)}
		if s.Down.Load() || s.mood(20) {
			*e = envelope{}
			s.say(w, "451 4.3.0 out of order")
			break
		}
		s.say(w, "250 2.1.0 ok")
	case "RCPT":
		if e.from == "" {
			s.say(w, "503 5.5.1 MAIL first")
			break
		}
		if s.mood(6) {
			s.say(w, "451 4.3.0 not now")
			break
		}
		e.to = append(e.to, path(rest))
		s.say(w, "250 2.1.5 ok")
	case "DATA":
		return s.take(e, r, w)
	case "QUIT":
		s.say(w, "221 2.0.0 bye")
		return false
	default:
		s.say(w, "250 2.0.0 ok")
	}
	return true
}

// take reads a content to its final dot, remembers it, and answers.
func (s *Sink) take(e *envelope, r *bufio.Reader, w *bufio.Writer) bool {
	if len(e.to) == 0 {
		s.say(w, "503 5.5.1 RCPT first")
		return true
	}
	s.say(w, "354 go on")
	if w.Flush() != nil {
		return false
	}
	content, err := readContent(r)
	if err != nil || s.mood(25) {
		return false
	}
	if answered, goOn := s.act(AtDot, e.from, w); answered {
		*e = envelope{}
		return goOn
	}
	header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	s.note(Arrival{HeaderID: field(header, "message-id:"), From: e.from, To: e.to, Sum: sha256.Sum256(body), Whole: sha256.Sum256(content), At: time.Now()})
	from := e.from
	*e = envelope{}
	if answered, goOn := s.act(AtTaken, from, w); answered {
		return goOn
	}
	if s.Wait != nil {
		s.Wait()
	}
	if s.Mute.Load() || s.mood(25) {
		return false
	}
	s.say(w, "250 2.0.0 taken")
	return true
}

// mood is true once in n times, if the sink is moody.
func (s *Sink) mood(n int) bool { return s.Moody.Load() && rand.IntN(n) == 0 } //nolint:gosec // chances of a test

func (s *Sink) note(a Arrival) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, a)
	close(s.news)
	s.news = make(chan struct{})
}

// readContent reads lines up to the final dot and takes stuffed dots out (RFC 5321
// §4.5.2).
func readContent(r *bufio.Reader) ([]byte, error) {
	var content []byte
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if bytes.Equal(line, []byte(".\r\n")) {
			return content, nil
		}
		content = append(content, bytes.TrimPrefix(line, []byte("."))...)
	}
}

// path is the address between the angle brackets of MAIL and RCPT.
func path(argument string) string {
	_, rest, _ := strings.Cut(argument, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

// field is the value of a header field; name is in lower case and ends in a colon.
func field(header []byte, name string) string {
	for line := range bytes.Lines(header) {
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			return strings.TrimSpace(string(line[len(name):]))
		}
	}
	return ""
}
