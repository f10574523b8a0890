package resolver

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// chain is where the aliases of an answer lead.
type chain struct {
	end     string // canonical name with its dot
	length  int
	ttl     time.Duration
	tooLong bool
}

// open reports whether the end of the chain still has to be asked for: the answer
// has an alias, but says nothing about where it ends.
func (c chain) open(msg *dns.Msg) bool {
	return c.length > 0 && msg.Rcode == dns.RcodeSuccess && authority(msg) == nil
}

// follow goes from the name asked for along the CNAME records of an answer.
func follow(msg *dns.Msg, fqdn string, limit int) chain {
	c := chain{end: fqdn, ttl: time.Duration(1<<62 - 1)}
	for {
		alias := aliasOf(msg, c.end)
		if alias == nil {
			return c
		}
		if c.length++; c.length > limit {
			c.tooLong = true
			return c
		}
		c.end, c.ttl = dns.CanonicalName(alias.Target), min(c.ttl, seconds(alias.Hdr.Ttl))
	}
}

func aliasOf(msg *dns.Msg, fqdn string) *dns.CNAME {
	for _, rr := range msg.Answer {
		if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, fqdn) {
			return alias
		}
	}
	return nil
}

// read takes the records of the wanted type at the end of the chain. Records of
// other names are not believed.
func read(msg *dns.Msg, c chain, qtype uint16) *found {
	f := &found{name: strings.TrimSuffix(c.end, "."), authentic: msg.AuthenticatedData, ttl: MaxNegativeTTL}
	shortest, seen := c.ttl, false
	for _, rr := range msg.Answer {
		h := rr.Header()
		if h.Rrtype != qtype || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, c.end) {
			continue
		}
		shortest, seen = min(shortest, seconds(h.Ttl)), true
		if rec, ok := decode(rr); ok {
			f.records = append(f.records, rec)
		}
	}
	switch {
	case len(f.records) > 0:
		f.ttl = shortest
	case seen:
		f.absent, f.ttl = ErrUnusable, min(shortest, MaxNegativeTTL)
	case msg.Rcode == dns.RcodeNameError:
		f.absent, f.ttl = ErrNotFound, negativeTTL(msg)
	default:
		f.absent, f.ttl = ErrNoData, negativeTTL(msg)
	}
	return f
}

// negativeTTL is how long an absence is believed (RFC 2308 §5); without an SOA
// record it is not kept at all.
func negativeTTL(msg *dns.Msg) time.Duration {
	soa := authority(msg)
	if soa == nil {
		return 0
	}
	return min(seconds(soa.Hdr.Ttl), seconds(soa.Minttl), MaxNegativeTTL)
}

func authority(msg *dns.Msg) *dns.SOA {
	for _, rr := range msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

// decode turns one record into ours. A host that is no host name is dropped.
func decode(rr dns.RR) (record, bool) {
	switch rr := rr.(type) {
	case *dns.A:
		a, ok := netip.AddrFromSlice(rr.A)
		return record{addr: a.Unmap()}, ok
	case *dns.AAAA:
		a, ok := netip.AddrFromSlice(rr.AAAA) // not unmapped: the dialer's rules look at it as it is
		return record{addr: a}, ok
	case *dns.MX:
		if rr.Mx == "." {
			return record{mx: MX{Preference: rr.Preference}}, true
		}
		host := dns.CanonicalName(rr.Mx)
		return record{mx: MX{rr.Preference, strings.TrimSuffix(host, ".")}}, isHostName(host)
	case *dns.SRV:
		srv := SRV{Priority: rr.Priority, Weight: rr.Weight, Port: rr.Port}
		if rr.Target == "." { // RFC 2782: the service is decidedly not available
			return record{srv: srv}, true
		}
		host := dns.CanonicalName(rr.Target)
		srv.Host = strings.TrimSuffix(host, ".")
		return record{srv: srv}, isHostName(host)
	case *dns.TXT:
		var text strings.Builder
		for _, part := range rr.Txt {
			text.WriteString(unescape(part))
		}
		return record{text: text.String()}, true
	}
	return record{}, false
}

// unescape undoes the presentation form (RFC 1035 §5.1) in which the library
// gives the strings of a TXT record.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(s[i])
	}
	return b.String()
}

func seconds(n uint32) time.Duration { return time.Duration(n) * time.Second }
