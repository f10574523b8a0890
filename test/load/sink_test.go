package load

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sink is an SMTP server that takes everything and keeps nothing. It does as little
// as it can, so that the machine is left to the servers under test.
type sink struct {
	listener net.Listener
	got      atomic.Int64
	conns    atomic.Int64
	last     atomic.Int64 // when the last message came, in nanoseconds
	served   sync.WaitGroup
	open     sync.Map // net.Conn
}

func startSink(tb testing.TB, host string) *sink {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", host+":0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &sink{listener: l}
	s.served.Go(s.accept)
	tb.Cleanup(func() {
		_ = l.Close()
		s.open.Range(func(c, _ any) bool { return c.(net.Conn).Close() == nil || true })
		s.served.Wait()
	})
	return s
}

func (s *sink) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		s.open.Store(c, nil)
		s.served.Go(func() {
			defer s.open.Delete(c)
			defer c.Close() //nolint:errcheck // the end of a connection
			s.serve(c)
		})
	}
}

var (
	replyOK    = []byte("250 2.0.0 OK\r\n")
	replyGo    = []byte("354 go on\r\n")
	replyHello = []byte("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-CHUNKING\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 104857600\r\n")
)

func (s *sink) serve(c net.Conn) {
	r, w := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	_, _ = w.WriteString("220 sink.example ESMTP\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil || !s.answer(line, r, w) {
			_ = w.Flush()
			return
		}
	}
}

// answer reports whether the dialogue goes on.
func (s *sink) answer(line []byte, r *bufio.Reader, w *bufio.Writer) bool {
	switch verb := string(bytes.ToUpper(line[:min(4, len(line))])); verb {
	case "EHLO", "HELO":
		_, _ = w.Write(replyHello)
	case "AUTH":
		_, _ = w.WriteString("235 2.7.0 welcome\r\n")
	case "DATA":
		_, _ = w.Write(replyGo)
		if w.Flush() != nil || skipData(r) != nil {
			return false
		}
		s.count(w)
	case "BDAT":
		return s.chunk(line, r, w)
	case "QUIT":
		_, _ = w.WriteString("221 2.0.0 bye\r\n")
		return false
	default:
		_, _ = w.Write(replyOK)
	}
	return true
}

func (s *sink) chunk(line []byte, r *bufio.Reader, w *bufio.Writer) bool {
	fields := bytes.Fields(line)
	n, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return false
	}
	if _, err := r.Discard(n); err != nil {
		return false
	}
	if len(fields) == 3 {
		s.count(w)
		return true
	}
	_, _ = w.Write(replyOK)
	return true
}

func (s *sink) count(w *bufio.Writer) {
	_, _ = w.Write(replyOK)
	s.got.Add(1)
	s.last.Store(time.Now().UnixNano())
}

// skipData reads to the final dot. It looks for line ends only, in large steps.
func skipData(r *bufio.Reader) error {
	end := []byte("\r\n.\r\n")
	tail := []byte("\r\n")
	for {
		if _, err := r.Peek(1); err != nil {
			return err
		}
		chunk, err := r.Peek(r.Buffered())
		if err != nil {
			return err
		}
		window := slices.Concat(tail, chunk)
		if i := bytes.Index(window, end); i >= 0 {
			_, err := r.Discard(i + len(end) - len(tail))
			return err
		}
		keep := window[max(0, len(window)-len(end)+1):]
		tail = append([]byte(nil), keep...)
		if _, err := r.Discard(len(chunk)); err != nil {
			return err
		}
	}
}
