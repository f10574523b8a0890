// Package netguard makes every outgoing connection of the program.
//
// People and mail decide which hosts relayd connects to: a user types the name of
// a server, a recipient's domain names its MX hosts. The guard keeps such names
// from reaching what only relayd can reach (SSRF). One dial:
//  1. refuse networks other than TCP and ports that are not for mail or HTTPS,
//     before any name is looked up;
//  2. resolve the name, keep a bounded number of addresses, families in turn;
//  3. start with the first address, the next one after a short delay or at a
//     failure (RFC 8305 §5); the first connection wins, the others are closed;
//  4. for each address decide in net.Dialer.Control, on the binary address that is
//     about to be dialled: names, spellings and earlier answers do not count.
//
// An address passes if it is positively public unicast, or in a network that the
// operator allowed; metadata services and relayd's own listeners never pass.
//
// [Budget] bounds what the other side of a connection can make us read and wait.
package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// ErrRefused means that the guard does not let the program connect there. The
// text around it is for logs; a person gets one coarse sentence.
var ErrRefused = errors.New("connecting there is not allowed")

// The defaults of Options.
const (
	DefaultTimeout      = 30 * time.Second       // Postfix: smtp_connect_timeout
	DefaultStagger      = 250 * time.Millisecond // RFC 8305 §5: Connection Attempt Delay
	DefaultMaxAddresses = 5                      // Postfix: smtp_mx_address_limit
)

// DefaultPorts are the ports of SMTP, IMAP and HTTPS. They are always allowed.
func DefaultPorts() []uint16 { return []uint16{25, 465, 587, 143, 993, 443} }

// Resolver finds the addresses of a name. network is "ip", "ip4" or "ip6".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options configures a Guard. The zero Options allows the public Internet on
// DefaultPorts.
type Options struct {
	Allow []netip.Prefix // private and loopback networks that may be connected to
	Plain []netip.Prefix // networks beside loopback where TLS mode none is permitted
	Ports []uint16       // allowed beside DefaultPorts

	// Only, if set, replaces all other rules: exactly these endpoints may be
	// dialled, by TCP and UDP, wherever they are. It is for servers that the
	// operator configured by address, such as DNS resolvers.
	Only []netip.AddrPort

	Resolver     Resolver      // nil is the system's
	Timeout      time.Duration // for one address; 0 is DefaultTimeout
	Stagger      time.Duration // before the next address is tried as well; 0 is DefaultStagger
	MaxAddresses int           // of one name; 0 is DefaultMaxAddresses

	// Refused, if set, is told of every refusal, for the audit log: the address as
	// it was asked for, and the reason. It must not block.
	Refused func(asked, reason string)
}

// Guard dials for the program. Its methods may be called concurrently.
type Guard struct {
	rules        atomic.Pointer[rules]
	resolver     Resolver
	timeout      time.Duration
	stagger      time.Duration
	maxAddresses int
	refused      func(asked, reason string)

	// The two steps that touch the world; tests replace them.
	interfaces func() ([]net.Addr, error)
	connect    func(ctx context.Context, network, asked string, to netip.AddrPort) (net.Conn, error)
}

// New makes a Guard.
func New(o Options) *Guard {
	g := &Guard{
		resolver:     o.Resolver,
		timeout:      orDefault(o.Timeout, DefaultTimeout),
		stagger:      orDefault(o.Stagger, DefaultStagger),
		maxAddresses: orDefault(o.MaxAddresses, DefaultMaxAddresses),
		refused:      o.Refused,
		interfaces:   net.InterfaceAddrs,
	}
	g.connect = g.attempt
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	g.rules.Store(newRules(o, nil))
	return g
}

// SetRules replaces Allow, Plain, Ports and Only by those of o, for a reload of
// the configuration. Connections that exist are not touched.
func (g *Guard) SetRules(o Options) {
	for {
		old := g.rules.Load()
		if g.rules.CompareAndSwap(old, newRules(o, old.own)) {
			return
		}
	}
}

// SetOwn tells where relayd itself listens: these are never dialled. An
// unspecified address (0.0.0.0, ::) stands for every address of this machine.
func (g *Guard) SetOwn(own []netip.AddrPort) {
	for {
		old := g.rules.Load()
		next := *old
		next.own = slices.Clone(own)
		if g.rules.CompareAndSwap(old, &next) {
			return
		}
	}
}

// Check says whether the guard would dial the endpoint: nil, or an error that
// wraps ErrRefused with the reason.
func (g *Guard) Check(to netip.AddrPort) error {
	if reason := g.rules.Load().refuse(to, g.interfaces); reason != "" {
		return fmt.Errorf("%w: %s: %s", ErrRefused, to, reason)
	}
	return nil
}

// PlainAllowed reports whether TLS mode none is permitted for a server at a: on
// loopback and in the networks that the operator listed.
func (g *Guard) PlainAllowed(a netip.Addr) bool {
	a = a.Unmap()
	if a.Zone() != "" || !a.IsValid() {
		return false
	}
	return a.IsLoopback() || contains(g.rules.Load().plain, a)
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}
