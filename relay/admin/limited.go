package admin

import (
	"net"
	"sync"
)

// limited closes connections above a number at once, so that whoever opens many
// and says nothing cannot use up files and memory (attacks R5). Those that stay
// end by their timeouts.
type limited struct {
	net.Listener
	slots chan struct{}
}

func newLimited(l net.Listener, n int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, n)}
}

// Accept gives the next connection for which there is room.
func (l *limited) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
		default:
			_ = conn.Close() // it is refused, so its end does not matter
		}
	}
}

type limitedConn struct {
	net.Conn
	release func()
}

// Close ends the connection and makes room for another.
func (c *limitedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
