package netguard

import (
	"net"
	"net/netip"
	"slices"
)

// rules is what decides; it never changes once it is published.
type rules struct {
	allow, plain []netip.Prefix
	ports        []uint16
	only         []netip.AddrPort
	own          []netip.AddrPort
}

func newRules(o Options, own []netip.AddrPort) *rules {
	return &rules{
		allow: maskAll(o.Allow),
		plain: maskAll(o.Plain),
		ports: append(DefaultPorts(), o.Ports...),
		only:  slices.Clone(o.Only),
		own:   own,
	}
}

// refuse gives the reason why an endpoint must not be dialled, or nothing.
func (r *rules) refuse(to netip.AddrPort, interfaces func() ([]net.Addr, error)) string {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case !to.IsValid():
		return "not an address"
	case r.only != nil:
		return r.refuseUnlisted(to)
	case !slices.Contains(r.ports, to.Port()):
		return "this port is not for mail"
	case r.isOwn(to, interfaces):
		return "relayd itself listens there"
	}
	return r.refuseAddr(to.Addr())
}

func (r *rules) refuseUnlisted(to netip.AddrPort) string {
	if slices.ContainsFunc(r.only, func(p netip.AddrPort) bool {
		return p.Addr().Unmap() == to.Addr() && p.Port() == to.Port()
	}) {
		return ""
	}
	return "not one of the configured servers"
}

// refuseAddr decides on the address alone. Whatever IPv4 addresses an IPv6 address
// carries are judged as well: packets to it may end there.
func (r *rules) refuseAddr(a netip.Addr) string {
	if a.Zone() != "" {
		return "an address with a zone"
	}
	forms := append(carried(a), a)
	for _, f := range forms {
		if contains(neverDialled, f) {
			return "metadata services, link-local, multicast and unspecified addresses are never dialled"
		}
	}
	if contains(r.allow, a) {
		return ""
	}
	for _, f := range forms {
		if !contains(r.allow, f) && !isPublic(f) && !(f == a && isTransition(a)) {
			return "not a public address, and not in an allowed network"
		}
	}
	return ""
}

// isOwn reports whether one of relayd's listeners answers at the endpoint.
func (r *rules) isOwn(to netip.AddrPort, interfaces func() ([]net.Addr, error)) bool {
	targets := append(carried(to.Addr()), to.Addr())
	for _, own := range r.own {
		if own.Port() != to.Port() {
			continue
		}
		listens := own.Addr().Unmap()
		for _, a := range targets {
			if a == listens || (listens.IsUnspecified() && isLocal(a, interfaces)) {
				return true
			}
		}
	}
	return false
}

// isLocal reports whether the address belongs to this machine. If the interfaces
// cannot be listed every address counts as local: better one refusal too many
// than mail that is sent to ourselves in a circle.
func isLocal(a netip.Addr, interfaces func() ([]net.Addr, error)) bool {
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	addrs, err := interfaces()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(addrs, func(n net.Addr) bool {
		p, err := netip.ParsePrefix(n.String())
		return err == nil && p.Addr().Unmap().WithZone("") == a
	})
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

func maskAll(list []netip.Prefix) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(list))
	for _, p := range list {
		out = append(out, unmapPrefix(p).Masked())
	}
	return out
}

// unmapPrefix turns ::ffff:10.0.0.0/104 into 10.0.0.0/8, since addresses are
// compared unmapped.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
