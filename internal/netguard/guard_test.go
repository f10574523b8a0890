package netguard

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// verdicts is what the guard answers on port 25 for attacks X1 to X3 and every way
// of hiding an IPv4 address in an IPv6 address.
var verdicts = []struct {
	addr   string
	public bool   // passes with no configuration
	allow  string // passes when this network is allowed; empty: never
}{
	// X1
	{addr: "127.0.0.1", allow: "127.0.0.0/8"},
	{addr: "127.255.255.254", allow: "127.0.0.0/8"},
	{addr: "0.0.0.0"},
	{addr: "0.1.2.3"},
	{addr: "::"},
	{addr: "::1", allow: "::1/128"},
	{addr: "::ffff:127.0.0.1", allow: "127.0.0.0/8"},
	{addr: "::127.0.0.1", allow: "127.0.0.0/8,::/96"},
	// X2
	{addr: "fe80::1%eth0"},
	{addr: "fe80::1"},
	{addr: "2606:4700::1111%eth0"},
	{addr: "169.254.169.254"},
	{addr: "169.254.170.2"},
	{addr: "fd00:ec2::254"},
	{addr: "fd20:ce::254"},
	{addr: "100.100.100.200"},
	{addr: "168.63.129.16"},
	{addr: "192.0.0.192"},
	{addr: "::ffff:169.254.169.254"},
	{addr: "64:ff9b::169.254.169.254"},
	{addr: "64:ff9b:1::169.254.169.254"},
	{addr: "2002:a9fe:a9fe::1"},
	{addr: "2001:0:4136:e378:8000:63bf:5601:5601"}, // Teredo client 169.254.169.254
	{addr: "2606:4700::5efe:169.254.169.254"},      // ISATAP
	{addr: "::ffff:0:169.254.169.254"},             // RFC 2765
	// X3
	{addr: "10.0.0.1", allow: "10.0.0.0/8"},
	{addr: "172.16.0.1", allow: "172.16.0.0/12"},
	{addr: "172.31.255.255", allow: "172.16.0.0/12"},
	{addr: "192.168.1.1", allow: "192.168.1.0/24"},
	{addr: "100.64.0.1", allow: "100.64.0.0/10"},
	{addr: "198.18.0.1", allow: "198.18.0.0/15"},
	{addr: "fd12::1", allow: "fd12::/16"},
	{addr: "fec0::1", allow: "fec0::/10"},
	{addr: "192.0.2.1", allow: "192.0.2.0/24"},
	{addr: "240.0.0.1", allow: "240.0.0.0/4"},
	{addr: "224.0.0.1"},
	{addr: "255.255.255.255"},
	{addr: "ff02::1"},
	{addr: "2001:db8::1", allow: "2001:db8::/32"},
	{addr: "64:ff9b::10.0.0.1", allow: "10.0.0.0/8"},
	{addr: "64:ff9b:1::10.0.0.1", allow: "64:ff9b:1::/48"},
	{addr: "2002:0a00:0001::1", allow: "10.0.0.0/8"},
	{addr: "2001:0:4136:e378:8000:63bf:f5ff:fffe", allow: "10.0.0.0/8"}, // Teredo client 10.0.0.1
	{addr: "2001:0:0a00:0001:8000:63bf:f7f7:f7f7", allow: "10.0.0.0/8"}, // Teredo server 10.0.0.1
	{addr: "2606:4700::200:5efe:10.0.0.1", allow: "10.0.0.0/8"},
	// What the world's mail servers have.
	{addr: "8.8.8.8", public: true},
	{addr: "172.15.255.255", public: true},
	{addr: "172.32.0.1", public: true},
	{addr: "::ffff:8.8.8.8", public: true},
	{addr: "2606:4700::1111", public: true},
	{addr: "2a00:1450:4001::1a", public: true},
	{addr: "64:ff9b::8.8.8.8", public: true},
	{addr: "2002:0808:0808::1", public: true},
}

func TestAttackX1X2X3Addresses(t *testing.T) {
	t.Parallel()
	everything := New(Options{Allow: prefixes("0.0.0.0/0", "::/0")})
	nothing := New(Options{})
	for _, v := range verdicts {
		to := netip.AddrPortFrom(netip.MustParseAddr(v.addr), 25)
		if err := nothing.Check(to); (err == nil) != v.public {
			t.Errorf("%s without configuration: %v, want public %t", v.addr, err, v.public)
		}
		if v.public {
			continue
		}
		if err := everything.Check(to); (err == nil) != (v.allow != "") {
			t.Errorf("%s with everything allowed: %v, want passing %t", v.addr, err, v.allow != "")
		}
		if v.allow == "" {
			continue
		}
		if err := New(Options{Allow: list(v.allow)}).Check(to); err != nil {
			t.Errorf("%s with %s allowed: %v", v.addr, v.allow, err)
		}
	}
}

func TestMappedPrefixMeansItsIPv4Network(t *testing.T) {
	t.Parallel()
	g := New(Options{Allow: list("::ffff:10.0.0.0/104")})
	if err := g.Check(netip.MustParseAddrPort("10.1.2.3:25")); err != nil {
		t.Error(err)
	}
}

func TestAttackX5Ports(t *testing.T) {
	t.Parallel()
	g := New(Options{Allow: list("10.0.0.0/8"), Ports: []uint16{2525}})
	for port, ok := range map[uint16]bool{
		25: true, 465: true, 587: true, 143: true, 993: true, 443: true, 2525: true,
		22: false, 80: false, 6379: false, 0: false, 24: false,
	} {
		err := g.Check(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port))
		if (err == nil) != ok || (err != nil && !errors.Is(err, ErrRefused)) {
			t.Errorf("port %d: %v, want passing %t", port, err, ok)
		}
	}
}

func TestAttackX5OwnListeners(t *testing.T) {
	t.Parallel()
	cases := []struct{ own, to, want string }{
		{"127.0.0.1:587", "127.0.0.1:587", "refused"},
		{"127.0.0.1:587", "[::ffff:127.0.0.1]:587", "refused"},
		{"127.0.0.1:587", "[64:ff9b::127.0.0.1]:587", "refused"},
		{"127.0.0.1:587", "127.0.0.2:587", "passes"},
		{"127.0.0.1:587", "127.0.0.1:465", "passes"},
		{"0.0.0.0:587", "127.0.0.77:587", "refused"},
		{"[::]:587", "10.9.8.7:587", "refused"}, // an interface of this machine
		{"[::]:587", "10.9.8.6:587", "passes"},
		{"[::]:587", "[::1]:587", "refused"},
	}
	for _, c := range cases {
		g := New(Options{Allow: list("127.0.0.0/8,10.0.0.0/8,::1/128")})
		g.interfaces = func() ([]net.Addr, error) {
			return []net.Addr{&net.IPNet{IP: net.ParseIP("10.9.8.7"), Mask: net.CIDRMask(8, 32)}}, nil
		}
		g.SetOwn([]netip.AddrPort{netip.MustParseAddrPort(c.own)})
		g.SetRules(Options{Allow: list("127.0.0.0/8,10.0.0.0/8,::1/128")}) // a reload keeps the own addresses
		err := g.Check(netip.MustParseAddrPort(c.to))
		if (err == nil) != (c.want == "passes") {
			t.Errorf("listening on %s, dialling %s: %v, want %s", c.own, c.to, err, c.want)
		}
	}
}

func TestUnlistableInterfacesCountAsOwn(t *testing.T) {
	t.Parallel()
	g := New(Options{Allow: list("10.0.0.0/8")})
	g.interfaces = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
	g.SetOwn([]netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:25")})
	if err := g.Check(netip.MustParseAddrPort("10.0.0.1:25")); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
}

func TestPlainAllowed(t *testing.T) {
	t.Parallel()
	g := New(Options{Plain: list("10.1.0.0/16")})
	for addr, ok := range map[string]bool{
		"127.0.0.1": true, "::1": true, "::ffff:127.0.0.1": true, "10.1.2.3": true, "::ffff:10.1.2.3": true,
		"10.2.0.1": false, "8.8.8.8": false, "fe80::1%eth0": false, "64:ff9b::127.0.0.1": false,
	} {
		if got := g.PlainAllowed(netip.MustParseAddr(addr)); got != ok {
			t.Errorf("PlainAllowed(%s) = %t", addr, got)
		}
	}
	if g.PlainAllowed(netip.Addr{}) {
		t.Error("the zero address must not be allowed")
	}
}

func TestOnlyReplacesEveryOtherRule(t *testing.T) {
	t.Parallel()
	g := New(Options{Only: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.53:53")}, Allow: list("0.0.0.0/0")})
	for to, ok := range map[string]bool{
		"127.0.0.53:53": true, "[::ffff:127.0.0.53]:53": true, "127.0.0.53:25": false, "8.8.8.8:53": false,
	} {
		if err := g.Check(netip.MustParseAddrPort(to)); (err == nil) != ok {
			t.Errorf("%s: %v, want passing %t", to, err, ok)
		}
	}
}

// FuzzCarried: whatever hides an address that is never dialled stays refused, even
// with every network allowed.
func FuzzCarried(f *testing.F) {
	for _, v := range verdicts {
		a := netip.MustParseAddr(v.addr).WithZone("").As16()
		f.Add(a[:])
	}
	g := New(Options{Allow: prefixes("0.0.0.0/0", "::/0")})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) != 16 {
			return
		}
		a := netip.AddrFrom16([16]byte(raw))
		passes := g.Check(netip.AddrPortFrom(a, 25)) == nil
		for _, c := range append(carried(a), a.Unmap()) {
			if passes && contains(neverDialled, c) {
				t.Errorf("%s passes although it carries %s", a, c)
			}
		}
	})
}

func list(s string) []netip.Prefix {
	var out []netip.Prefix
	for start := 0; start < len(s); {
		end := start
		for end < len(s) && s[end] != ',' {
			end++
		}
		out = append(out, netip.MustParsePrefix(s[start:end]))
		start = end + 1
	}
	return out
}
