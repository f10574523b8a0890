package resolvertest

import (
	"github.com/miekg/dns"
)

// ServeDNS answers one question.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name := dns.CanonicalName(q.Question[0].Name)
	tcp := w.LocalAddr().Network() == "tcp"
	s.mu.Lock()
	s.asked[name]++
	if tcp {
		s.overTCP++
	}
	trouble := s.trouble[name]
	reply := s.answer(q)
	s.mu.Unlock()
	if !tcp && cutsUDP(w, q, reply, trouble) {
		return
	}
	misbehave(w, q, reply, trouble)
}

// answer makes the honest answer. The caller holds the lock.
func (s *Server) answer(q *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(q)
	reply.RecursionAvailable, reply.AuthenticatedData = true, s.validate
	name, qtype := dns.CanonicalName(q.Question[0].Name), q.Question[0].Qtype
	for hops := 0; hops < 20; hops++ {
		records, exists := s.zone[name]
		if !exists {
			reply.Rcode = dns.RcodeNameError
			break
		}
		var alias *dns.CNAME
		for _, rr := range records {
			if c, ok := rr.(*dns.CNAME); ok {
				alias = c
			}
			if rr.Header().Rrtype == qtype {
				reply.Answer = append(reply.Answer, rr)
			}
		}
		if alias == nil || qtype == dns.TypeCNAME {
			break
		}
		reply.Answer = append(reply.Answer, alias)
		name = dns.CanonicalName(alias.Target)
	}
	if len(reply.Answer) == 0 || reply.Rcode == dns.RcodeNameError {
		reply.Ns = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
			Ns:  "ns.", Mbox: "hostmaster.", Minttl: 60,
		}}
	}
	return reply
}

// cutsUDP writes the answer in pieces that a UDP client must ask for again.
func cutsUDP(w dns.ResponseWriter, q, reply *dns.Msg, trouble Trouble) bool {
	switch trouble {
	case Truncated:
		cut := new(dns.Msg).SetReply(q)
		cut.Truncated = true
		_ = w.WriteMsg(cut)
	case CutMidway:
		reply.Truncated = true
		packed, _ := reply.Pack()
		_, _ = w.Write(packed[:len(packed)-3])
	default:
		return false
	}
	return true
}

func misbehave(w dns.ResponseWriter, q, reply *dns.Msg, trouble Trouble) {
	switch trouble {
	case Silent:
		return
	case ServFail:
		reply = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	case Refused:
		reply = new(dns.Msg).SetRcode(q, dns.RcodeRefused)
	case NoEDNS:
		if q.IsEdns0() != nil {
			reply = new(dns.Msg).SetRcode(q, dns.RcodeFormatError)
		}
	case Garbage:
		_, _ = w.Write([]byte{byte(q.Id >> 8), byte(q.Id), 0x80, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3})
		return
	case WrongNames:
		for _, rr := range reply.Answer {
			rr = dns.Copy(rr)
			rr.Header().Name = "elsewhere.example."
			reply.Answer = []dns.RR{rr}
		}
	case Forged:
		forge(w, q)
	}
	_ = w.WriteMsg(reply)
}

// forge writes what an attacker off the path could: answers whose ID or question
// is wrong.
func forge(w dns.ResponseWriter, q *dns.Msg) {
	forged, _ := dns.NewRR(q.Question[0].Name + " 300 IN A 192.0.2.66")
	wrongID := new(dns.Msg).SetReply(q)
	wrongID.Id++
	wrongID.Answer = []dns.RR{forged}
	_ = w.WriteMsg(wrongID)
	wrongQuestion := new(dns.Msg).SetReply(q)
	wrongQuestion.Question[0].Name = "other.example."
	wrongQuestion.Answer = []dns.RR{forged}
	_ = w.WriteMsg(wrongQuestion)
}
