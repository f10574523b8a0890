// Package wiretest lets tests speak SMTP to a server as written dialogs: adding
// a case is adding lines.
//
// Each line of a dialog is one step:
//
//	S: 250 2.1.0    a reply comes whose last line begins so
//	S+ AUTH PLAIN   one line of that reply holds this text
//	S- STARTTLS     no line of it does
//	C: NOOP         the client sends this line with CR LF
//	R: "a\r\nb"     the client sends exactly these octets, in one segment
//	TLS             the client leads a TLS handshake
//	SHUT            the client ends its half of the connection
//	END             the server has closed the connection, without another reply
//
// Empty lines and lines that begin with # are for the reader.
package wiretest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a dialog waits for one step.
const Patience = 10 * time.Second

// Client is a client that follows dialogs.
type Client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	last []string // the lines of the last reply
}

// Dial connects to addr; the connection is closed with the test.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Fatal(err)
	}
	return New(t, conn)
}

// New follows dialogs over conn, which is closed with the test.
func New(t testing.TB, conn net.Conn) *Client {
	t.Cleanup(func() { conn.Close() })
	return &Client{t: t, conn: conn, r: bufio.NewReader(conn)}
}

// Run follows a dialog; the first step that fails ends the test.
func (c *Client) Run(dialog string) {
	c.t.Helper()
	for line := range strings.SplitSeq(dialog, "\n") {
		line = strings.TrimLeft(line, " \t")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := c.step(line); err != nil {
			c.t.Fatalf("%q: %v", line, err)
		}
	}
}

// Last gives the lines of the last reply.
func (c *Client) Last() []string { return c.last }

// Conn is the connection, for what a dialog cannot say.
func (c *Client) Conn() net.Conn { return c.conn }

func (c *Client) step(line string) error {
	if err := c.conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	switch {
	case line == "TLS":
		return c.startTLS()
	case line == "SHUT":
		return c.conn.(interface{ CloseWrite() error }).CloseWrite()
	case line == "END":
		return c.end()
	case len(line) < 3:
		return errors.New("not a step")
	}
	kind, text := line[:3], line[3:]
	switch kind {
	case "C: ":
		return c.send(text + "\r\n")
	case "R: ":
		raw, err := strconv.Unquote(text)
		if err != nil {
			return err
		}
		return c.send(raw)
	case "S: ":
		return c.expect(text)
	case "S+ ", "S- ":
		if c.lastHolds(text) != (kind == "S+ ") {
			return errors.New("the reply was:\n" + strings.Join(c.last, "\n"))
		}
		return nil
	}
	return errors.New("not a step")
}

// send writes; that the server closed in the meantime shows at the next S or END.
func (c *Client) send(s string) error {
	_, err := io.WriteString(c.conn, s)
	if isClosed(err) {
		return nil
	}
	return err
}

func (c *Client) expect(prefix string) error {
	lines, err := c.reply()
	c.last = lines
	if err != nil {
		return err
	}
	if got := lines[len(lines)-1]; !strings.HasPrefix(got, prefix) {
		return errors.New("the reply was: " + got)
	}
	return nil
}

// reply reads one reply and holds its form to RFC 5321 §4.2.
func (c *Client) reply() ([]string, error) {
	var lines []string
	for {
		raw, err := c.r.ReadBytes('\n')
		if err != nil {
			return lines, errors.New("no whole reply: " + err.Error() + "; so far: " + string(raw))
		}
		text, ok := bytes.CutSuffix(raw, []byte("\r\n"))
		if !ok || len(text) < 4 || (text[3] != ' ' && text[3] != '-') || bytes.ContainsAny(text, "\r\n\x00") {
			return lines, errors.New("not a reply line: " + strconv.Quote(string(raw)))
		}
		lines = append(lines, string(text))
		if text[3] == ' ' {
			return lines, nil
		}
	}
}

func (c *Client) lastHolds(text string) bool {
	for _, line := range c.last {
		if strings.Contains(line, text) {
			return true
		}
	}
	return false
}

func (c *Client) end() error {
	b, err := c.r.ReadByte()
	switch {
	case err == nil:
		rest, _ := c.r.ReadString('\n')
		return errors.New("the server said: " + string(b) + rest)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errors.New("the connection is still open")
	}
	return nil
}

// startTLS leads a handshake without a look at the certificate, which other
// tests look at.
func (c *Client) startTLS() error {
	conn := tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test client on loopback
	if err := conn.Handshake(); err != nil {
		return err
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return nil
}

func isClosed(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
