package simulator

import (
	"context"
	"net"
	"sync"
)

// door is the simulator's own way to the mailboxes: a listener without a port. What
// comes through it needs no password and meets no fault.
type door struct {
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newDoor() *door { return &door{waiting: make(chan net.Conn), closed: make(chan struct{})} }

// Accept waits for somebody who comes through.
func (d *door) Accept() (net.Conn, error) {
	select {
	case conn := <-d.waiting:
		return conn, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close closes it.
func (d *door) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr is nowhere.
func (d *door) Addr() net.Addr { return &net.UnixAddr{Name: "simulator", Net: "unix"} }

// enter goes through.
func (d *door) enter(ctx context.Context) (net.Conn, error) {
	outside, inside := net.Pipe()
	select {
	case d.waiting <- inside:
		return outside, nil
	case <-d.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
