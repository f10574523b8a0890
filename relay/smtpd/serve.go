package smtpd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// Listen opens every listener, or none. It must come before Run, so that a port
// that is taken is noticed at the start.
func (s *Server) Listen(ctx context.Context) error {
	for _, p := range s.ports {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.Address)
		if err != nil {
			return errors.Join(fmt.Errorf("open listener %s: %w", p.Name, err), s.Close())
		}
		p.ln = ln
	}
	return nil
}

// Addr is where the listener of this name listens, or nil.
func (s *Server) Addr(name string) net.Addr {
	for _, p := range s.ports {
		if p.Name == name && p.ln != nil {
			return p.ln.Addr()
		}
	}
	return nil
}

// Close closes the listeners of a Server that does not Run.
func (s *Server) Close() error {
	var errs []error
	for _, p := range s.ports {
		if p.ln != nil {
			errs = append(errs, p.ln.Close())
			p.ln = nil
		}
	}
	return errors.Join(errs...)
}

// run is what one Run owns.
type run struct {
	*Server
	serving context.Context // ends every connection at once
	wg      sync.WaitGroup  // accept loops and connections

	mu       sync.Mutex
	open     map[*smtpwire.ServerConn]struct{}
	draining bool
}

// Run serves until ctx ends. Then it listens no more, ends idle connections with
// 421, lets running transactions finish within DrainTimeout, and returns nil. An
// error means that a listener failed by itself.
func (s *Server) Run(ctx context.Context) error {
	serving, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	r := &run{Server: s, serving: serving, open: make(map[*smtpwire.ServerConn]struct{})}
	failed := make(chan error, len(s.ports))
	for _, p := range s.ports {
		r.wg.Add(1)
		go func() {
			defer r.wg.Done()
			if err := r.accept(ctx, p); err != nil {
				failed <- fmt.Errorf("listener %s: %w", p.Name, err)
			}
		}()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	return errors.Join(err, r.end(breakOff))
}

// end drains, and breaks off what does not end in time.
func (r *run) end(breakOff func()) error {
	var errs []error
	for _, p := range r.ports {
		errs = append(errs, p.ln.Close())
	}
	r.drain()
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	timer := time.NewTimer(r.opts.DrainTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		breakOff()
		<-done
	}
	return errors.Join(errs...)
}

func (r *run) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
	for c := range r.open {
		c.Drain()
	}
}

// The pauses after an Accept that failed, for example because there are no more
// file descriptors: doubled from the first to the longest.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// accept takes connections until the listener is closed.
func (r *run) accept(ctx context.Context, p *port) error {
	pause := firstPause
	for {
		nc, err := p.ln.Accept()
		switch {
		case err == nil:
			pause = firstPause
			r.admit(p, nc)
			continue
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the listener was closed because this is the end
		case errors.Is(err, net.ErrClosed):
			return err
		}
		r.opts.Log.Error("cannot take a connection", "listener", p.Name, "error", err.Error(), "pause", pause.String())
		if !wait(ctx, pause) {
			return nil
		}
		pause = min(2*pause, longestPause)
	}
}

// wait returns after d, or false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// admit serves a connection in a goroutine of its own, or refuses it.
func (r *run) admit(p *port, nc net.Conn) {
	from := addrOf(nc)
	reason := ""
	if !p.allows(from.Addr()) {
		reason = RefusedNetwork
	} else {
		reason = r.limits.enter(from.Addr())
	}
	if reason != "" {
		r.refuse(p, nc, reason)
		r.opts.Observer.ConnectionRefused(p.Name, from, reason)
		return
	}
	r.wg.Go(func() {
		defer r.limits.leave(from.Addr())
		r.serve(p, nc, from)
	})
}

// addrOf is the client's address; that of a connection which is not TCP is zero.
func addrOf(nc net.Conn) netip.AddrPort {
	tcp, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// allows reports whether the client's address lies in the listener's networks.
func (p *port) allows(addr netip.Addr) bool {
	addr = addr.WithZone("")
	for _, n := range p.Networks {
		if n.Contains(addr) {
			return true
		}
	}
	return len(p.Networks) == 0
}

// refuseTime is how long the words of a refusal may take; a fresh connection
// takes them at once.
const refuseTime = time.Second

// refuse says why, where that can be said in clear, and closes.
func (r *run) refuse(p *port, nc net.Conn, reason string) {
	defer nc.Close()
	if p.Mode == smtpwire.ModeImplicit || nc.SetWriteDeadline(time.Now().Add(refuseTime)) != nil {
		return
	}
	reply := smtpwire.NewReply(421, relay.Enhanced{4, 7, 0}, r.opts.Hostname+" Too many connections, try again later")
	if reason == RefusedNetwork {
		// RFC 5321 §3.1: 554 in place of the greeting means that nothing will be taken.
		reply = smtpwire.NewReply(554, relay.Enhanced{5, 7, 1}, r.opts.Hostname+" Your network may not use this port")
	}
	nc.Write(reply.Append(nil)) //nolint:errcheck // the client is sent away either way
}

// serve leads one connection from its start to its end.
func (r *run) serve(p *port, nc net.Conn, from netip.AddrPort) {
	sess := r.newSession(&p.Listener, relay.Client{Addr: from, Listener: p.Name})
	conn := p.engine.Conn(nc, sess.client, sess)
	r.opts.Observer.ConnectionOpened(p.Name)
	r.mu.Lock()
	r.open[conn] = struct{}{}
	if r.draining {
		conn.Drain()
	}
	r.mu.Unlock()
	err := conn.Serve(r.serving)
	r.mu.Lock()
	delete(r.open, conn)
	r.mu.Unlock()
	r.opts.Observer.ConnectionClosed(sess.client, conn.Received(), err)
}
