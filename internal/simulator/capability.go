package simulator

import (
	"bytes"
	"net"
	"strings"
)

// announcing is a listener whose connections name more capabilities of IMAP than
// go-imap has words for.
type announcing struct {
	net.Listener
	extra []string
}

// Accept waits for a connection.
func (a *announcing) Accept() (net.Conn, error) {
	conn, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return announcingConn{Conn: conn, extra: " " + strings.Join(a.extra, " ")}, nil
}

type announcingConn struct {
	net.Conn
	extra string
}

// Write adds the capabilities where a list of them begins.
func (c announcingConn) Write(b []byte) (int, error) {
	at := capabilities(b)
	if at < 0 {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(bytes.Join([][]byte{b[:at], []byte(c.extra), b[at:]}, nil)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// capabilities gives the end of "* CAPABILITY IMAP4rev1" or "OK [CAPABILITY
// IMAP4rev1" in the first line of an answer, or -1. Elsewhere it would be somebody's
// mail.
func capabilities(b []byte) int {
	line, _, _ := bytes.Cut(b, []byte("\r\n"))
	list := []byte("CAPABILITY IMAP4rev1")
	at := bytes.Index(line, list)
	if at < 0 {
		return -1
	}
	before := line[:at]
	if !bytes.Equal(before, []byte("* ")) && !bytes.HasSuffix(before, []byte(" OK [")) {
		return -1
	}
	return at + len(list)
}
