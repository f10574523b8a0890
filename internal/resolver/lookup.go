package resolver

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// LookupMX gives the mail exchangers of a domain, in the order of preference.
func (r *Resolver) LookupMX(ctx context.Context, domain string) (Answer[MX], error) {
	found, err := r.lookup(ctx, domain, dns.TypeMX)
	if err != nil {
		return Answer[MX]{}, err
	}
	answer := collect(found, func(rec record) MX { return rec.mx })
	slices.SortStableFunc(answer.Records, func(a, b MX) int {
		return cmp.Or(cmp.Compare(a.Preference, b.Preference), cmp.Compare(a.Host, b.Host))
	})
	answer.Records = bounded(answer.Records)
	return answer, nil
}

// LookupSRV gives where a service is offered, such as "_imaps._tcp.acme.example": the
// lowest priority first and, unlike RFC 2782, the heaviest first within one. Who looks
// for settings wants the same answer each time; who balances load draws lots himself.
func (r *Resolver) LookupSRV(ctx context.Context, name string) (Answer[SRV], error) {
	found, err := r.lookup(ctx, name, dns.TypeSRV)
	if err != nil {
		return Answer[SRV]{}, err
	}
	answer := collect(found, func(rec record) SRV { return rec.srv })
	slices.SortStableFunc(answer.Records, func(a, b SRV) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Port, b.Port))
	})
	answer.Records = bounded(answer.Records)
	return answer, nil
}

// LookupTXT gives the TXT records of a name, each as one text.
func (r *Resolver) LookupTXT(ctx context.Context, name string) (Answer[string], error) {
	found, err := r.lookup(ctx, name, dns.TypeTXT)
	if err != nil {
		return Answer[string]{}, err
	}
	answer := collect(found, func(rec record) string { return rec.text })
	answer.Records = bounded(answer.Records)
	return answer, nil
}

// LookupNetIP gives the addresses of a host, as net.Resolver does: the network is
// "ip", "ip4" or "ip6". An address in text is its own answer.
func (r *Resolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	answer, err := r.LookupHost(ctx, network, host)
	return answer.Records, err
}

// LookupHost gives the addresses of a host, IPv6 first (RFC 6724 §2.1), and whether
// they are authentic.
func (r *Resolver) LookupHost(ctx context.Context, network, host string) (Answer[netip.Addr], error) {
	if addrs := literal(network, host); addrs != nil {
		return Answer[netip.Addr]{Name: host, Records: addrs}, nil
	}
	var types []uint16
	if !strings.HasSuffix(network, "4") {
		types = append(types, dns.TypeAAAA)
	}
	if !strings.HasSuffix(network, "6") {
		types = append(types, dns.TypeA)
	}
	return r.lookupAddrs(ctx, host, types)
}

// lookupAddrs asks for both families at the same time and joins the answers. One
// family is enough; without any, a failure weighs more than "there is none".
func (r *Resolver) lookupAddrs(ctx context.Context, host string, types []uint16) (Answer[netip.Addr], error) {
	type half struct {
		answer Answer[netip.Addr]
		err    error
	}
	halves := make([]chan half, len(types))
	for i, t := range types {
		halves[i] = make(chan half, 1)
		go func() {
			found, err := r.lookup(ctx, host, t)
			halves[i] <- half{collect(found, func(rec record) netip.Addr { return rec.addr }), err}
		}()
	}
	joined, errs := Answer[netip.Addr]{Authentic: true}, make([]error, 0, len(types))
	for _, c := range halves {
		h := <-c
		if h.err != nil {
			errs = append(errs, h.err)
			continue
		}
		joined.Name, joined.Authentic = h.answer.Name, joined.Authentic && h.answer.Authentic
		joined.Records = append(joined.Records, h.answer.Records...)
	}
	if len(joined.Records) == 0 {
		return Answer[netip.Addr]{}, worst(errs)
	}
	joined.Records = bounded(joined.Records)
	return joined, nil
}

// worst chooses the error that says least: what is unknown for one family is
// unknown for the host.
func worst(errs []error) error {
	for _, kind := range []error{ErrTemporary, ErrNoData} {
		for _, err := range errs {
			if errors.Is(err, kind) {
				return err
			}
		}
	}
	return errs[0]
}

// literal answers what needs no server: an address in text, and the name of the
// machine itself (RFC 6761 §6.3).
func literal(network, host string) []netip.Addr {
	var addrs []netip.Addr
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		addrs = []netip.Addr{a}
	} else if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		addrs = []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		return strings.HasSuffix(network, "4") && !a.Is4() || strings.HasSuffix(network, "6") && a.Is4()
	})
}

func collect[T any](f *found, get func(record) T) Answer[T] {
	if f == nil {
		return Answer[T]{}
	}
	answer := Answer[T]{Name: f.name, Authentic: f.authentic, Records: make([]T, len(f.records))}
	for i, rec := range f.records {
		answer.Records[i] = get(rec)
	}
	return answer
}

// bounded cuts a list at MaxRecords.
func bounded[T any](list []T) []T { return list[:min(len(list), MaxRecords)] }
