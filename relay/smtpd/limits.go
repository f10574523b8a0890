package smtpd

import (
	"net/netip"
	"sync"
)

// limits counts connections: in all, by address and by submitter. It remembers
// only what is open, so its size is bounded by the connections themselves.
type limits struct {
	total, perAddress, perSubmitter int

	mu          sync.Mutex
	open        int
	byAddress   map[netip.Addr]int
	bySubmitter map[string]int
}

func newLimits(o Options) *limits {
	return &limits{
		total: o.MaxConnections, perAddress: o.MaxConnectionsPerAddress, perSubmitter: o.MaxConnectionsPerSubmitter,
		byAddress: make(map[netip.Addr]int), bySubmitter: make(map[string]int),
	}
}

// enter counts a connection, or gives the reason why it may not be. Every enter
// without a reason is followed by one leave.
func (l *limits) enter(addr netip.Addr) (reason string) {
	who := network(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.total:
		return RefusedTotal
	case l.byAddress[who] >= l.perAddress:
		return RefusedPerAddress
	}
	l.open++
	l.byAddress[who]++
	return ""
}

func (l *limits) leave(addr netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	decrease(l.byAddress, network(addr))
}

// enterSubmitter counts a connection that signed in; false means that the
// submitter has enough of them. Every true is followed by one leaveSubmitter.
func (l *limits) enterSubmitter(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bySubmitter[id] >= l.perSubmitter {
		return false
	}
	l.bySubmitter[id]++
	return true
}

func (l *limits) leaveSubmitter(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	decrease(l.bySubmitter, id)
}

func decrease[K comparable](m map[K]int, key K) {
	if m[key]--; m[key] <= 0 {
		delete(m, key)
	}
}

// siteBits is what one IPv6 customer has at the least: every address in it may be
// the same client (RFC 6177 §2).
const siteBits = 64

// network is whom connections are counted for: an IPv4 address, or an IPv6 /64.
func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr
	}
	prefix, err := addr.Prefix(siteBits)
	if err != nil {
		return netip.Addr{}
	}
	return prefix.Addr()
}
