package netguard

import (
	"encoding/binary"
	"net/netip"
)

// neverDialled stays refused even inside a network that the operator allowed. The
// metadata services of clouds give out credentials to whoever asks; most of them
// are link-local, the others stand here one by one.
var neverDialled = prefixes(
	"0.0.0.0/8", "::/128", // "this host": reaches loopback on Linux
	"169.254.0.0/16", "fe80::/10", // link-local; 169.254.169.254 and its neighbours
	"fd00:ec2::/32",                                 // Amazon: fd00:ec2::254 and the task and pod endpoints
	"fd20:ce::254/128",                              // Google, IPv6
	"100.100.100.200/32",                            // Alibaba
	"168.63.129.16/32",                              // Azure, a public address
	"192.0.0.192/32",                                // Oracle
	"fd00:c1::a9fe:a9fe/128",                        // Oracle, IPv6
	"fd00:42::42/128",                               // Scaleway
	"224.0.0.0/4", "ff00::/8", "255.255.255.255/32", // multicast, broadcast
)

// notPublic4 is what IANA's registry of IPv4 special-purpose addresses (RFC 6890)
// takes out of public unicast.
var notPublic4 = prefixes(
	"0.0.0.0/8",       // RFC 791: this network
	"10.0.0.0/8",      // RFC 1918
	"100.64.0.0/10",   // RFC 6598: carrier-grade NAT
	"127.0.0.0/8",     // RFC 1122
	"169.254.0.0/16",  // RFC 3927
	"172.16.0.0/12",   // RFC 1918
	"192.0.0.0/24",    // RFC 6890: protocol assignments
	"192.0.2.0/24",    // RFC 5737: documentation
	"192.31.196.0/24", // RFC 7535: AS112
	"192.52.193.0/24", // RFC 7450: AMT
	"192.88.99.0/24",  // RFC 7526: 6to4 relays, withdrawn
	"192.168.0.0/16",  // RFC 1918
	"192.175.48.0/24", // RFC 7534: AS112
	"198.18.0.0/15",   // RFC 2544: benchmarks
	"198.51.100.0/24", // RFC 5737
	"203.0.113.0/24",  // RFC 5737
	"224.0.0.0/4",     // RFC 5771: multicast
	"240.0.0.0/4",     // RFC 1112, RFC 919: reserved, broadcast
)

// public6 is the only part of IPv6 that IANA has opened for global unicast
// (RFC 4291 §2.4); notPublic6 is taken out of it again.
var (
	public6    = prefixes("2000::/3")
	notPublic6 = prefixes(
		"2001::/23",         // RFC 2928: protocol assignments, Teredo, ORCHID, benchmarks
		"2001:db8::/32",     // RFC 3849: documentation
		"2002::/16",         // RFC 7526: 6to4
		"2620:4f:8000::/48", // RFC 7534: AS112
		"3ffe::/16",         // RFC 3701: returned
		"3fff::/20",         // RFC 9637: documentation
	)
)

// The ways in which an IPv6 address carries IPv4 addresses.
var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291 §2.5.5.1, withdrawn
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380
)

// isPublic reports whether an address is positively public unicast.
func isPublic(a netip.Addr) bool {
	if a.Is4() {
		return !contains(notPublic4, a)
	}
	return contains(public6, a) && !contains(notPublic6, a)
}

// isTransition reports whether an address stands only for the IPv4 addresses that
// it carries, so that they alone decide.
func isTransition(a netip.Addr) bool {
	return nat64.Contains(a) || sixToFour.Contains(a) || teredo.Contains(a)
}

// carried gives the IPv4 addresses inside an IPv6 address, in every form in which
// a host or a router may unwrap them.
func carried(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	last := v4(b[12:16])
	switch {
	case a.IsLoopback(): // ::1 lies in ::/96 but carries nothing
		return nil
	case a.Is4In6(), compatible.Contains(a), translated.Contains(a), nat64.Contains(a), nat64Local.Contains(a):
		return []netip.Addr{last}
	case sixToFour.Contains(a):
		return []netip.Addr{v4(b[2:6])}
	case teredo.Contains(a):
		// RFC 4380 §4: the server's address, and the client's with every bit turned.
		return []netip.Addr{v4(b[4:8]), v4([]byte{^b[12], ^b[13], ^b[14], ^b[15]})}
	case binary.BigEndian.Uint32(b[8:12])&^0x02000000 == 0x00005efe:
		return []netip.Addr{last} // RFC 5214 §6.1: ISATAP
	}
	return nil
}

func v4(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(list))
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s).Masked())
	}
	return out
}
