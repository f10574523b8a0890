// Package resolvertest is a small DNS server on loopback for tests. Its zone is
// written as in a zone file:
//
//	dns := resolvertest.New(t, `
//	    acme.example.    MX 10 mx.acme.example.
//	    mx.acme.example. A  127.0.0.7
//	`)
//
// Names that are not in the zone do not exist. Trouble is asked for by name.
package resolvertest

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// Trouble is how the server misbehaves for one name.
type Trouble int

// The kinds of trouble.
const (
	ServFail   Trouble = iota + 1 // SERVFAIL
	Refused                       // REFUSED
	Silent                        // no answer at all
	Truncated                     // over UDP cut off, over TCP whole
	CutMidway                     // like Truncated, but the cut is in the middle of a record
	NoEDNS                        // FORMERR to every question with EDNS
	Forged                        // an answer with a wrong ID and one to a wrong question come first
	Garbage                       // bytes that are no DNS message
	WrongNames                    // the answer holds records of names that nobody asked for
)

// Server is a running DNS server.
type Server struct {
	addr     string
	udp, tcp *dns.Server

	mu       sync.Mutex
	zone     map[string][]dns.RR
	trouble  map[string]Trouble
	asked    map[string]int
	overTCP  int
	validate bool
}

// New starts a server on 127.0.0.1 that ends with the test.
func New(t testing.TB, zone string) *Server {
	t.Helper()
	return NewAt(t, "127.0.0.1:0", zone)
}

// NewAt is New at an address and port, for clients that know port 53 only.
func NewAt(t testing.TB, address, zone string) *Server {
	t.Helper()
	s := &Server{zone: map[string][]dns.RR{}, trouble: map[string]Trouble{}, asked: map[string]int{}}
	s.Add(t, zone)
	packets, listener := listen(t, address)
	s.addr = packets.LocalAddr().String()
	s.udp = &dns.Server{PacketConn: packets, Handler: s}
	s.tcp = &dns.Server{Listener: listener, Handler: s}
	var ended sync.WaitGroup
	for _, server := range []*dns.Server{s.udp, s.tcp} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		ended.Go(func() { _ = server.ActivateAndServe() })
		<-started
	}
	t.Cleanup(func() {
		_ = s.udp.Shutdown()
		_ = s.tcp.Shutdown()
		ended.Wait()
	})
	return s
}

// listen opens a UDP and a TCP socket of the same port.
func listen(t testing.TB, address string) (net.PacketConn, net.Listener) {
	t.Helper()
	var lc net.ListenConfig
	for range 20 {
		packets, err := lc.ListenPacket(t.Context(), "udp", address)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := lc.Listen(t.Context(), "tcp", packets.LocalAddr().String())
		if err == nil {
			return packets, listener
		}
		_ = packets.Close()
	}
	t.Fatal("no port is free for both UDP and TCP")
	return nil, nil
}

// Addr is the server's address and port.
func (s *Server) Addr() string { return s.addr }

// Add puts more records into the zone. A record without a time to live has 300 s.
func (s *Server) Add(t testing.TB, zone string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := dns.NewZoneParser(strings.NewReader(trimLines(zone)), ".", "")
	p.SetDefaultTTL(300)
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		name := dns.CanonicalName(rr.Header().Name)
		s.zone[name] = append(s.zone[name], rr)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone: %v", err)
	}
}

// Remove takes every record of a name out of the zone.
func (s *Server) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.zone, dns.CanonicalName(name))
}

// Trouble makes the server misbehave for a name; 0 mends it.
func (s *Server) Trouble(name string, trouble Trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble[dns.CanonicalName(name)] = trouble
}

// Validate makes the server say that it validated its answers (the AD bit).
func (s *Server) Validate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.validate = true
}

// Asked tells how many questions about a name arrived.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[dns.CanonicalName(name)]
}

// AskedOverTCP tells how many questions arrived over TCP.
func (s *Server) AskedOverTCP() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overTCP
}

// trimLines lets a zone be indented in the source of a test: a line that begins
// with a space would repeat the name of the one before.
func trimLines(zone string) string {
	var b strings.Builder
	for line := range strings.Lines(zone) {
		b.WriteString(strings.TrimLeft(line, " \t"))
	}
	b.WriteByte('\n')
	return b.String()
}
