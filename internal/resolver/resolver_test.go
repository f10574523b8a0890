package resolver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/internal/resolver/resolvertest"
)

const zone = `
	acme.example.        MX 20 backup.acme.example.
	acme.example.        MX 10 MX1.acme.example.
	acme.example.        TXT "v=spf1 " "-all"
	acme.example.        TXT "quote \" slash \\ byte \195\164"
	mx1.acme.example.    A 192.0.2.1
	mx1.acme.example.    AAAA 2001:db8::1
	backup.acme.example. A 192.0.2.2
	six.acme.example.    AAAA 2001:db8::6
	null.example.        MX 0 .
	odd.example.         MX 5 bad\032name.example.
	odd.example.         MX 6 good.example.
	onlyodd.example.     MX 5 bad\032name.example.
	_imaps._tcp.acme.example.  SRV 10 1 993 slow.acme.example.
	_imaps._tcp.acme.example.  SRV 0 1 993 light.acme.example.
	_imaps._tcp.acme.example.  SRV 0 9 994 HEAVY.acme.example.
	_imap._tcp.acme.example.   SRV 0 0 0 .
	_pop3s._tcp.acme.example.  SRV 0 0 995 bad\032name.example.
	www.acme.example.    CNAME mx1.acme.example.
	deep.example.        CNAME www.acme.example.
	dangling.example.    CNAME nowhere.example.
	loop1.example.       CNAME loop2.example.
	loop2.example.       CNAME loop1.example.
`

func newResolver(t *testing.T, servers ...string) *resolver.Resolver {
	t.Helper()
	return resolver.New(resolver.Options{Dialer: &net.Dialer{}, Servers: servers, Timeout: 300 * time.Millisecond})
}

func TestLookupMXInOrderOfPreference(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone)
	r := newResolver(t, dns.Addr())
	for domain, want := range map[string][]resolver.MX{
		"acme.example":  {{10, "mx1.acme.example"}, {20, "backup.acme.example"}},
		"ACME.example.": {{10, "mx1.acme.example"}, {20, "backup.acme.example"}},
		"null.example":  {{0, ""}},
		"odd.example":   {{6, "good.example"}},
	} {
		got, err := r.LookupMX(t.Context(), domain)
		if err != nil || !reflect.DeepEqual(got.Records, want) {
			t.Errorf("%s: %v, %v; want %v", domain, got.Records, err, want)
		}
	}
}

func TestWhatAnAbsenceMeans(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone)
	dns.Trouble("servfail.example", resolvertest.ServFail)
	dns.Trouble("refused.example", resolvertest.Refused)
	dns.Trouble("silent.example", resolvertest.Silent)
	dns.Trouble("garbage.example", resolvertest.Garbage)
	dns.Trouble("acme.example", 0)
	r := newResolver(t, dns.Addr())
	for domain, want := range map[string]error{
		"nowhere.example":                     resolver.ErrNotFound,
		"dangling.example":                    resolver.ErrNotFound,
		"mx1.acme.example":                    resolver.ErrNoData,
		"www.acme.example":                    resolver.ErrNoData,
		"onlyodd.example":                     resolver.ErrUnusable,
		"servfail.example":                    resolver.ErrTemporary,
		"refused.example":                     resolver.ErrTemporary,
		"silent.example":                      resolver.ErrTemporary,
		"garbage.example":                     resolver.ErrTemporary,
		"loop1.example":                       resolver.ErrTemporary,
		"":                                    resolver.ErrNotFound,
		"two..dots.example":                   resolver.ErrNotFound,
		"space in.example":                    resolver.ErrNotFound,
		strings.Repeat("a", 64) + ".example":  resolver.ErrNotFound,
		strings.Repeat("a.", 130) + "example": resolver.ErrNotFound,
	} {
		t.Run(domain, func(t *testing.T) {
			t.Parallel()
			_, err := r.LookupMX(t.Context(), domain)
			if !errors.Is(err, want) {
				t.Fatalf("got %v; want %v", err, want)
			}
			var e *resolver.Error
			if !errors.As(err, &e) || e.Temporary() != errors.Is(want, resolver.ErrTemporary) {
				t.Errorf("%#v does not know whether it is temporary", err)
			}
			var d *net.DNSError
			if !errors.As(err, &d) || d.IsNotFound == d.IsTemporary || d.IsTemporary != e.Temporary() {
				t.Errorf("as net.DNSError: %#v", d)
			}
		})
	}
}

func TestLookupHost(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone)
	dns.Trouble("half.example", resolvertest.ServFail)
	r := newResolver(t, dns.Addr())
	for _, c := range []struct{ network, host, want string }{
		{"ip", "mx1.acme.example", "[2001:db8::1 192.0.2.1]"},
		{"ip4", "mx1.acme.example", "[192.0.2.1]"},
		{"ip6", "mx1.acme.example", "[2001:db8::1]"},
		{"ip", "six.acme.example", "[2001:db8::6]"},
		{"ip", "backup.acme.example", "[192.0.2.2]"},
		{"ip", "deep.example", "[2001:db8::1 192.0.2.1]"},
		{"ip", "192.0.2.9", "[192.0.2.9]"},
		{"ip", "[2001:db8::9]", "[2001:db8::9]"},
		{"ip4", "localhost", "[127.0.0.1]"},
		{"ip", "api.localhost.", "[::1 127.0.0.1]"},
	} {
		got, err := r.LookupNetIP(t.Context(), c.network, c.host)
		if err != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s %s: %v, %v; want %s", c.network, c.host, got, err, c.want)
		}
	}
	if _, err := r.LookupNetIP(t.Context(), "ip4", "six.acme.example"); !errors.Is(err, resolver.ErrNoData) {
		t.Errorf("no IPv4 address: %v", err)
	}
	if _, err := r.LookupNetIP(t.Context(), "ip", "half.example"); !errors.Is(err, resolver.ErrTemporary) {
		t.Errorf("trouble: %v", err)
	}
	answer, err := r.LookupHost(t.Context(), "ip", "deep.example")
	if err != nil || answer.Name != "mx1.acme.example" {
		t.Errorf("the end of the aliases is %q, %v", answer.Name, err)
	}
}

func TestLookupSRVInOrder(t *testing.T) {
	t.Parallel()
	r := newResolver(t, resolvertest.New(t, zone).Addr())
	for name, want := range map[string][]resolver.SRV{
		"_imaps._tcp.acme.example": {
			{0, 9, 994, "heavy.acme.example"}, {0, 1, 993, "light.acme.example"}, {10, 1, 993, "slow.acme.example"},
		},
		"_imap._tcp.acme.example": {{}}, // decidedly not offered
	} {
		got, err := r.LookupSRV(t.Context(), name)
		if err != nil || !reflect.DeepEqual(got.Records, want) {
			t.Errorf("%s: %v, %v; want %v", name, got.Records, err, want)
		}
	}
	for name, want := range map[string]error{
		"_pop3s._tcp.acme.example":      resolver.ErrUnusable,
		"_submission._tcp.acme.example": resolver.ErrNotFound,
		"acme.example":                  resolver.ErrNoData,
	} {
		if _, err := r.LookupSRV(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", name, err, want)
		}
	}
}

func TestLookupTXTJoinsAndUnescapes(t *testing.T) {
	t.Parallel()
	r := newResolver(t, resolvertest.New(t, zone).Addr())
	got, err := r.LookupTXT(t.Context(), "acme.example")
	want := []string{"v=spf1 -all", "quote \" slash \\ byte ä"}
	if err != nil || !reflect.DeepEqual(got.Records, want) {
		t.Errorf("got %q, %v; want %q", got.Records, err, want)
	}
}

func TestBehaviourOfServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trouble resolvertest.Trouble
		overTCP int
		want    string
	}{
		"well":                       {0, 0, "[192.0.2.1]"},
		"cut, so again over TCP":     {resolvertest.Truncated, 1, "[192.0.2.1]"},
		"cut in the midst, the same": {resolvertest.CutMidway, 1, "[192.0.2.1]"},
		"no EDNS, so without":        {resolvertest.NoEDNS, 0, "[192.0.2.1]"},
		"forged answers first":       {resolvertest.Forged, 0, "[192.0.2.1]"},
		"records of other names":     {resolvertest.WrongNames, 0, "[]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dns := resolvertest.New(t, zone)
			dns.Trouble("mx1.acme.example", c.trouble)
			got, err := newResolver(t, dns.Addr()).LookupNetIP(t.Context(), "ip4", "mx1.acme.example")
			if fmt.Sprint(got) != c.want || (err == nil) != (c.want != "[]") {
				t.Errorf("got %v, %v; want %s", got, err, c.want)
			}
			if n := dns.AskedOverTCP(); n != c.overTCP {
				t.Errorf("%d questions over TCP; want %d", n, c.overTCP)
			}
		})
	}
}

func TestSecondServerAnswersAndIsRemembered(t *testing.T) {
	t.Parallel()
	bad, good := resolvertest.New(t, zone), resolvertest.New(t, zone)
	for _, name := range []string{"mx1.acme.example", "backup.acme.example"} {
		bad.Trouble(name, resolvertest.ServFail)
	}
	r := newResolver(t, bad.Addr(), good.Addr())
	for _, name := range []string{"mx1.acme.example", "backup.acme.example"} {
		if _, err := r.LookupNetIP(t.Context(), "ip4", name); err != nil {
			t.Fatal(err)
		}
	}
	if n := bad.Asked("backup.acme.example"); n != 0 {
		t.Errorf("the failing server was asked first again, %d times", n)
	}
}

func TestAuthenticAnswers(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone)
	r := newResolver(t, dns.Addr())
	if a, err := r.LookupMX(t.Context(), "acme.example"); err != nil || a.Authentic {
		t.Errorf("authentic without AD: %v %v", a, err)
	}
	dns.Validate()
	if a, err := r.LookupHost(t.Context(), "ip", "mx1.acme.example"); err != nil || !a.Authentic {
		t.Errorf("not authentic with AD: %v %v", a, err)
	}
}

// A10 of the attack list: answers of any size are cut.
func TestA10ManyRecordsAreCut(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "many.example. MX %d mx%d.many.example.\n", 1000-i, i)
		fmt.Fprintf(&many, "host.example. A 10.0.%d.%d\n", i/250, i%250)
	}
	dns := resolvertest.New(t, many.String())
	dns.Trouble("many.example", resolvertest.Truncated)
	dns.Trouble("host.example", resolvertest.Truncated)
	r := newResolver(t, dns.Addr())
	mx, err := r.LookupMX(t.Context(), "many.example")
	if err != nil || len(mx.Records) != resolver.MaxRecords || mx.Records[0].Host != "mx999.many.example" {
		t.Errorf("%d exchangers, first %v, %v", len(mx.Records), mx.Records[0], err)
	}
	addrs, err := r.LookupNetIP(t.Context(), "ip4", "host.example")
	if err != nil || len(addrs) != resolver.MaxRecords {
		t.Errorf("%d addresses, %v", len(addrs), err)
	}
}

func TestCancelledLookupEndsAtOnce(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone)
	dns.Trouble("silent.example", resolvertest.Silent)
	r := resolver.New(resolver.Options{Dialer: &net.Dialer{}, Servers: []string{dns.Addr()}, Timeout: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.LookupMX(ctx, "silent.example"); !errors.Is(err, resolver.ErrTemporary) {
		t.Errorf("got %v", err)
	}
	if n := dns.Asked("silent.example"); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestAnswersAreCached(t *testing.T) {
	t.Parallel()
	dns := resolvertest.New(t, zone+"\nbrief.example. 0 A 192.0.2.4")
	dns.Trouble("servfail.example", resolvertest.ServFail)
	r := newResolver(t, dns.Addr())
	for range 3 {
		_, _ = r.LookupMX(t.Context(), "acme.example")
		_, _ = r.LookupMX(t.Context(), "nowhere.example")
		_, _ = r.LookupNetIP(t.Context(), "ip4", "brief.example")
		_, _ = r.LookupMX(t.Context(), "servfail.example")
	}
	for name, want := range map[string]int{"acme.example": 1, "nowhere.example": 1, "brief.example": 3, "servfail.example": 6} {
		if n := dns.Asked(name); n != want {
			t.Errorf("%s was asked for %d times; want %d", name, n, want)
		}
	}
}

func TestServersHavePorts(t *testing.T) {
	t.Parallel()
	r := resolver.New(resolver.Options{Servers: []string{"192.0.2.53", " ", "[2001:db8::53]", "2001:db8::54", "127.0.0.1:5353"}})
	want := []string{"192.0.2.53:53", "[2001:db8::53]:53", "[2001:db8::54]:53", "127.0.0.1:5353"}
	if got := r.Servers(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v; want %v", got, want)
	}
	if got := resolver.SystemServers("/does/not/exist"); len(got) != 2 || got[0] != "127.0.0.1:53" {
		t.Errorf("without a file: %v", got)
	}
	if got, err := resolver.New(resolver.Options{}).LookupNetIP(t.Context(), "ip", "::1"); err != nil || got[0] != netip.IPv6Loopback() {
		t.Errorf("%v, %v", got, err)
	}
}
