package simulator

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// DNS is a name server that knows one small zone and nothing else. With it the
// direct route can be tried without a network.
type DNS struct {
	server *dns.Server
	addr   string
	ended  chan error
	close  sync.Once

	mu   sync.Mutex
	zone map[string][]dns.RR // by lower-case name
}

// StartDNS runs a name server on a free UDP port of host until ctx ends or Close is
// called. zone is written as in a zone file, with full names.
func StartDNS(ctx context.Context, host, zone string) (*DNS, error) {
	if err := loopback(host); err != nil {
		return nil, err
	}
	d := &DNS{zone: make(map[string][]dns.RR), ended: make(chan error, 1)}
	if err := d.Add(zone); err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	conn, err := lc.ListenPacket(ctx, "udp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("open the name server: %w", err)
	}
	ready := make(chan struct{})
	d.addr = conn.LocalAddr().String()
	d.server = &dns.Server{PacketConn: conn, Handler: d, NotifyStartedFunc: func() { close(ready) }}
	go func() { d.ended <- d.server.ActivateAndServe() }()
	<-ready
	context.AfterFunc(ctx, d.Close)
	return d, nil
}

// Addr is where it answers, as "address:port".
func (d *DNS) Addr() string { return d.addr }

// Add puts more records into the zone.
func (d *DNS) Add(zone string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	parser := dns.NewZoneParser(strings.NewReader(zone), ".", "")
	parser.SetDefaultTTL(60)
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		name := strings.ToLower(rr.Header().Name)
		d.zone[name] = append(d.zone[name], rr)
	}
	if err := parser.Err(); err != nil {
		return fmt.Errorf("read the zone: %w", err)
	}
	return nil
}

// ServeDNS answers one question.
func (d *DNS) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	answer := new(dns.Msg)
	answer.SetReply(q)
	answer.Authoritative, answer.RecursionAvailable = true, true
	if len(q.Question) == 1 {
		d.mu.Lock()
		records, known := d.zone[strings.ToLower(q.Question[0].Name)]
		for _, rr := range records {
			if rr.Header().Rrtype == q.Question[0].Qtype {
				answer.Answer = append(answer.Answer, rr)
			}
		}
		d.mu.Unlock()
		if !known {
			answer.Rcode = dns.RcodeNameError
		}
	}
	_ = w.WriteMsg(answer) // who asked asks again if it does not arrive
}

// Close ends the server and waits for it.
func (d *DNS) Close() {
	d.close.Do(func() {
		if d.server.Shutdown() == nil { // else it has ended already
			<-d.ended //nolint:errcheck // it tells only that it was shut down
		}
	})
}
