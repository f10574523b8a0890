package direct

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/resolver"
)

func records(list string) []resolver.MX {
	var out []resolver.MX
	for item := range strings.FieldsSeq(list) {
		host, preference, _ := strings.Cut(item, ":")
		out = append(out, resolver.MX{Host: strings.TrimPrefix(host, "."), Preference: uint16(preference[0]-'0') * 10})
	}
	return out
}

// backwards is a shuffle that can be foreseen.
func backwards(n int, swap func(i, j int)) {
	for i := range n / 2 {
		swap(i, n-1-i)
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"a:1 b:2 c:3":     "a b c",
		"c:3 b:2 a:1":     "a b c",
		"a:1 b:1 c:0":     "c b a",
		"a:1 a:2":         "a",
		".:0":             "",
		".:0 a:1":         "a",
		"192.0.2.1:1":     "",
		"192.0.2.1:1 a:2": "a",
	} {
		if got := strings.Join(order(records(list), backwards), " "); got != want {
			t.Errorf("%s: %s; want %s", list, got, want)
		}
	}
}

func TestEqualPreferencesAreMixed(t *testing.T) {
	t.Parallel()
	d := New(Options{Hostname: "relay.example", Resolver: staticMX(records("a:1 b:1 c:1 d:1"))})
	first := map[string]int{}
	for range 200 {
		hosts, end := d.exchangers(t.Context(), "x.example")
		if end != nil {
			t.Fatal(end)
		}
		first[hosts[0]]++
	}
	if len(first) != 4 {
		t.Errorf("first were only %v", first)
	}
}

func TestBeforeOurOwnRank(t *testing.T) {
	t.Parallel()
	isOwn := func(host string) bool { return host == "us" || host == "us2" }
	for list, want := range map[string]string{
		"a:1 b:2":            "a b",
		"a:1 us:2 b:3":       "a",
		"a:1 us:1":           "",
		"us:1":               "",
		"a:1 b:2 us:3 us2:2": "a",
		"a:1 a:3 us:2":       "a",
	} {
		all := records(list)
		hosts := order(all, func(int, func(i, j int)) {})
		if got := strings.Join(before(hosts, all, isOwn), " "); got != want {
			t.Errorf("%s: %q; want %q", list, got, want)
		}
	}
}

func TestInTurn(t *testing.T) {
	t.Parallel()
	six, four := []int{61, 62, 63}, []int{41}
	for limit, want := range map[int][]int{0: nil, 1: {61}, 2: {61, 41}, 3: {61, 41, 62}, 9: {61, 41, 62, 63}} {
		if got := inTurn(six, four, limit); !slices.Equal(got, want) {
			t.Errorf("%d: %v; want %v", limit, got, want)
		}
	}
}

// staticMX gives the same exchangers for every domain.
type staticMX []resolver.MX

func (s staticMX) LookupMX(context.Context, string) (resolver.Answer[resolver.MX], error) {
	return resolver.Answer[resolver.MX]{Records: s}, nil
}

func (s staticMX) LookupHost(context.Context, string, string) (resolver.Answer[netip.Addr], error) {
	return resolver.Answer[netip.Addr]{}, &resolver.Error{Kind: resolver.ErrNoData}
}
