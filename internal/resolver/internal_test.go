package resolver

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func TestCacheForgetsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(10, 1<<20)
		key := cacheKey{"a.example.", dns.TypeA}
		c.put(key, &found{}, time.Minute)
		<-time.After(59 * time.Second)
		if c.get(key) == nil {
			t.Error("forgotten too early")
		}
		<-time.After(time.Second)
		if c.get(key) != nil || c.bytes != 0 || c.recent.Len() != 0 {
			t.Error("kept too long")
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache(100, 40_000)
	big := &found{records: []record{{text: strings.Repeat("x", 1000)}}}
	for i := range 1000 {
		c.put(cacheKey{fmt.Sprintf("%d.example.", i), dns.TypeTXT}, big, time.Hour)
		c.get(cacheKey{"0.example.", dns.TypeTXT})
	}
	if c.bytes > 40_000 || len(c.entries) != c.recent.Len() || len(c.entries) < 20 {
		t.Errorf("%d bytes in %d entries", c.bytes, len(c.entries))
	}
	if c.get(cacheKey{"0.example.", dns.TypeTXT}) == nil {
		t.Error("the entry in use was dropped before the others")
	}
	c.put(cacheKey{"huge.example.", dns.TypeTXT}, &found{records: []record{{text: strings.Repeat("x", 50_000)}}}, time.Hour)
	if len(c.entries) < 20 {
		t.Error("an answer larger than the cache emptied it")
	}
	small := newCache(3, 1<<20)
	for i := range 10 {
		small.put(cacheKey{fmt.Sprint(i), 1}, &found{}, time.Hour)
	}
	if len(small.entries) != 3 {
		t.Errorf("%d entries; want 3", len(small.entries))
	}
}

// FuzzParse gives any packet to the reader of answers: it must not panic, and
// what it takes must be bounded and clean.
func FuzzParse(f *testing.F) {
	q := question("acme.example.", dns.TypeMX)
	q.Id = 0x1234
	for _, text := range []string{"acme.example. 60 IN MX 10 mx.acme.example.", "acme.example. 60 IN CNAME b.example.", `acme.example. 60 IN TXT "a\\b"`, "acme.example. 60 IN SRV 0 1 993 imap.acme.example."} {
		rr, err := dns.NewRR(text)
		if err != nil {
			f.Fatal(err)
		}
		reply := new(dns.Msg).SetReply(q)
		reply.Answer = []dns.RR{rr}
		packed, _ := reply.Pack()
		f.Add(packed)
		f.Add(packed[:len(packed)-2])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		msg, err := parse(packet, q)
		if err != nil {
			return
		}
		c := follow(msg, "acme.example.", maxAliases)
		for _, qtype := range []uint16{dns.TypeMX, dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeSRV} {
			for _, rec := range read(msg, c, qtype).records {
				for _, host := range []string{rec.mx.Host, rec.srv.Host} {
					if host != "" && !isHostName(host+".") {
						t.Errorf("host %q came through", host)
					}
				}
			}
		}
	})
}
