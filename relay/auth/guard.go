package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// How long the answer to a sign-in waits.
//
// Failures are counted three times: by address, by name and by the pair of both.
// The delay doubles with each failure, up to a limit. A refusal waits for the
// slowest of the three. So does a success, unless its pair signed in not long ago:
// then only the failures of the pair itself count. That way
//
//   - who guesses from one address, at one name or at many, is slowed;
//   - who guesses at one name from many addresses is slowed;
//   - the real owner at the usual address is slowed by neither, and elsewhere is
//     delayed by at most the limit, and never locked out;
//   - a success clears the failures of its own pair only, so that nobody can clear
//     the counter of an address or of a name by signing in with a login of their own.
type guard struct {
	first, max time.Duration
	seed       maphash.Seed

	mu        sync.Mutex
	addresses counters
	names     counters
	pairs     counters
}

// counter is what is remembered of one address, name or pair: nothing of a
// password, and of a name only its hash.
type counter struct {
	failures int
	failed   time.Time // the last failure
	success  time.Time // the last success; of pairs only
}

func newGuard(o Options) *guard {
	return &guard{
		first: o.FirstDelay, max: max(o.MaxDelay, o.FirstDelay), seed: maphash.MakeSeed(),
		addresses: newCounters(o.Tracked, o.Forget),
		names:     newCounters(o.Tracked, o.Forget),
		pairs:     newCounters(o.Tracked, o.Forget),
	}
}

// delay counts a sign-in and tells how long its answer waits, from its start.
func (g *guard) delay(addr netip.Addr, login string, success bool, now time.Time) time.Duration {
	network, name := networkOf(addr), maphash.String(g.seed, login)
	pair := maphash.Comparable(g.seed, pairKey{network, name})
	g.mu.Lock()
	defer g.mu.Unlock()
	address := g.addresses.at(maphash.Comparable(g.seed, network), now)
	named := g.names.at(name, now)
	both := g.pairs.at(pair, now)
	if success {
		return g.succeed(address, named, both, now)
	}
	for _, c := range []*counter{address, named, both} {
		c.failures++
		c.failed = now
	}
	return max(g.step(address), g.step(named), g.step(both))
}

func (g *guard) succeed(address, named, both *counter, now time.Time) time.Duration {
	wait := g.step(both)
	if both.success.IsZero() {
		wait = max(wait, g.step(address), g.step(named))
	}
	both.failures, both.success = 0, now
	return wait
}

// step is the delay after so many failures: none, first, twice that, and so on.
func (g *guard) step(c *counter) time.Duration {
	wait := g.first
	for n := 1; n < c.failures && wait < g.max; n++ {
		wait *= 2
	}
	if c.failures == 0 {
		return 0
	}
	return min(wait, g.max)
}

type pairKey struct {
	network netip.Prefix
	name    uint64
}

// networkOf is what counts as one address: an IPv6 host has a whole /64 to choose
// addresses from (RFC 6177 §2, RFC 8981).
func networkOf(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	prefix, err := addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // the zero address, of a client without one: all of them count together
	}
	return prefix
}
