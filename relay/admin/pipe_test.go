package admin

import (
	"log/slog"
	"net"
	"sync"
)

// pipeListener gives prepared connections, for tests with a clock of their own.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func conns(all ...net.Conn) chan net.Conn {
	c := make(chan net.Conn, len(all))
	for _, conn := range all {
		c <- conn
	}
	return c
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
