package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// DialContext connects to address, a host name or IP address with a numeric port.
// network is "tcp", "tcp4" or "tcp6"; a Guard with Only also dials UDP. A refusal
// wraps ErrRefused.
func (g *Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := g.dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := g.admit(network, address)
	if err != nil {
		return nil, g.report(address, err)
	}
	addrs, err := g.lookup(ctx, network, host)
	if err != nil {
		return nil, err
	}
	targets := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		targets = append(targets, netip.AddrPortFrom(a, port))
	}
	return g.race(ctx, network, address, targets)
}

// admit checks what can be checked before a name is looked up, so that a refused
// port does not even cause a DNS query.
func (g *Guard) admit(network, address string) (host string, port uint16, err error) {
	r := g.rules.Load()
	switch network {
	case "tcp", "tcp4", "tcp6":
	case "udp", "udp4", "udp6":
		if r.only == nil {
			return "", 0, fmt.Errorf("%w: network %q", ErrRefused, network)
		}
	default:
		return "", 0, fmt.Errorf("%w: network %q", ErrRefused, network)
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, fmt.Errorf("%w: a host and a numeric port are needed", ErrRefused)
	}
	if r.only == nil && !slices.Contains(r.ports, uint16(n)) {
		return "", 0, fmt.Errorf("%w: port %d is not for mail", ErrRefused, n)
	}
	return host, uint16(n), nil
}

// lookup gives the addresses to try, in their order.
func (g *Guard) lookup(ctx context.Context, network, host string) ([]netip.Addr, error) {
	family := "ip" + network[len("tcp"):]
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	addrs, err := g.resolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return interleave(addrs, g.maxAddresses), nil
}

// interleave puts the families in turn, the first one first (RFC 8305 §4), each
// address once and at most limit in all.
func interleave(addrs []netip.Addr, limit int) []netip.Addr {
	var families [2][]netip.Addr
	seen := make(map[netip.Addr]bool, len(addrs))
	first := addrs[0].Unmap().Is4()
	for _, a := range addrs {
		a = a.Unmap()
		if seen[a] {
			continue
		}
		seen[a] = true
		if a.Is4() == first {
			families[0] = append(families[0], a)
		} else {
			families[1] = append(families[1], a)
		}
	}
	var out []netip.Addr
	for i := 0; len(out) < limit && (i < len(families[0]) || i < len(families[1])); i++ {
		for _, f := range families {
			if i < len(f) && len(out) < limit {
				out = append(out, f[i])
			}
		}
	}
	return out
}

type dialled struct {
	conn net.Conn
	err  error
}

// race starts one attempt after the other and returns the first connection. It
// waits for every attempt that it started, so that none outlives it.
func (g *Guard) race(ctx context.Context, network, asked string, targets []netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialled, len(targets))
	timer := time.NewTimer(0) // the first one at once
	defer timer.Stop()
	var (
		won           net.Conn
		errs          []error
		next, running int
	)
	for running > 0 || (won == nil && next < len(targets)) {
		var due <-chan time.Time
		if won == nil && next < len(targets) {
			due = timer.C
		}
		select {
		case <-due:
			to := targets[next]
			next, running = next+1, running+1
			go func() {
				conn, err := g.connect(ctx, network, asked, to)
				results <- dialled{conn, err}
			}()
			timer.Reset(g.stagger)
		case r := <-results:
			running--
			won, errs = settle(won, r, errs, cancel)
			timer.Reset(0) // RFC 8305 §5: a failure starts the next one at once
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errors.Join(errs...)
}

// settle keeps the first connection, ends the other attempts, and closes what
// connects too late.
func settle(won net.Conn, r dialled, errs []error, cancel func()) (net.Conn, []error) {
	switch {
	case r.err != nil:
		return won, append(errs, r.err)
	case won != nil:
		_ = r.conn.Close() // it lost the race: nothing was written to it
		return won, errs
	}
	cancel()
	return r.conn, errs
}

// attempt dials one address. The decision is taken in Control, on the address that
// the kernel is about to be given; asked is the address as it was asked for.
func (g *Guard) attempt(ctx context.Context, network, asked string, to netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{
		Timeout: g.timeout,
		Control: func(_, address string, _ syscall.RawConn) error {
			return g.report(asked, g.control(address))
		},
	}
	return d.DialContext(ctx, network, to.String())
}

func (g *Guard) control(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q cannot be parsed", ErrRefused, address)
	}
	return g.Check(to)
}

// report tells Options.Refused of a refusal and gives the error back.
func (g *Guard) report(asked string, err error) error {
	if errors.Is(err, ErrRefused) && g.refused != nil {
		g.refused(asked, err.Error())
	}
	return err
}
