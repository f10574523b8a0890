package oauth

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"syscall"

	"github.com/relayd/relayd/internal/netguard"
)

// The dialers of vendors that cannot be reached.

type refusingDialer struct{}

func (refusingDialer) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

type nameless struct{}

func (nameless) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, &net.DNSError{Err: "no such host", Name: vendorHost, IsNotFound: true}
}

type guarded struct{}

func (guarded) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, netguard.ErrRefused
}

// chattering speaks something else than TLS.
type chattering struct{}

func (chattering) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		_, _ = io.WriteString(theirs, "220 mail.example ESMTP\r\n")
		_ = theirs.Close()
	}()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	return ours, nil
}

type closing struct{}

func (closing) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	_ = theirs.Close()
	return ours, nil
}

type silence struct{}

func (silence) DialContext(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, theirs) }()
	return ours, nil
}

// counting counts the connections.
type counting struct {
	Dialer
	n atomic.Int32
}

func (c *counting) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c.n.Add(1)
	return c.Dialer.DialContext(ctx, network, address)
}

// byHost chooses by the address that is dialled.
type byHost func(ctx context.Context, host string) Dialer

func (b byHost) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return b(ctx, address).DialContext(ctx, network, address)
}
