package programtest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"time"
)

// Session is an application's connection to the listener of an installation. It
// speaks SMTP by itself, so that no code of relayd vouches for relayd.
type Session struct {
	conn net.Conn
	r    *bufio.Reader
}

// Refusal is an answer other than the one hoped for.
type Refusal struct{ Line string }

// Error is the answer.
func (r *Refusal) Error() string { return "relayd said: " + r.Line }

// Dial connects and greets.
func Dial(ctx context.Context, address string) (*Session, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Session{conn: conn, r: bufio.NewReader(conn)}
	if err := s.greet(); err != nil {
		conn.Close() //nolint:errcheck // it is given up
		return nil, err
	}
	return s, nil
}

func (s *Session) greet() error {
	if err := s.conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if _, err := s.expect("220"); err != nil {
		return err
	}
	return s.Command("EHLO app.example", "250")
}

// Command sends a line and expects an answer with the code.
func (s *Session) Command(line, code string) error {
	if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	_, err := s.expect(code)
	return err
}

// Submit sends a letter and gives the id under which relayd keeps it. A *Refusal
// means that it was told not to; any other error, that the answer never came.
func (s *Session) Submit(l *Letter) (string, error) {
	if err := s.Post(l); err != nil {
		return "", err
	}
	return s.Answer()
}

// Post sends a letter up to and with its final dot.
func (s *Session) Post(l *Letter) error {
	if err := s.conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	from := l.From
	if l.Envelope != nil {
		from = *l.Envelope
	}
	if err := s.Command(fmt.Sprintf("MAIL FROM:<%s> BODY=8BITMIME", from), "250"); err != nil {
		return err
	}
	for _, to := range l.To {
		if err := s.Command("RCPT TO:<"+to+">", "250"); err != nil {
			return err
		}
	}
	if err := s.Command("DATA", "354"); err != nil {
		return err
	}
	_, err := s.conn.Write(l.wire())
	return err
}

// Answer reads the answer to the final dot.
func (s *Session) Answer() (string, error) {
	line, err := s.expect("250")
	if err != nil {
		return "", err
	}
	_, id, found := strings.Cut(line, "queued as ")
	if !found {
		return "", &Refusal{line}
	}
	return id, nil
}

// Write sends what no honest application would. It may fail at any time.
func (s *Session) Write(p []byte) (int, error) { return s.conn.Write(p) }

// Close breaks the connection off.
func (s *Session) Close() { s.conn.Close() } //nolint:errcheck // the end of a connection

// expect reads one reply and gives its last line.
func (s *Session) expect(code string) (string, error) {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case len(line) > 3 && line[3] == '-':
		case !strings.HasPrefix(line, code):
			return "", &Refusal{line}
		default:
			return line, nil
		}
	}
}
