package direct

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/resolver"
)

// exchangers gives the hosts of a destination in the order in which they are to be
// tried, or the verdict that ends the matter.
func (d *Deliverer) exchangers(ctx context.Context, domain string) ([]string, *verdict) {
	if strings.HasPrefix(domain, "[") { // RFC 5321 §4.1.3
		if !d.opts.Literals {
			return refuse(literalRefused())
		}
		return []string{domain}, nil
	}
	answer, err := d.opts.Resolver.LookupMX(ctx, domain)
	switch {
	case err == nil:
	case errors.Is(err, resolver.ErrNoData):
		return []string{domain}, nil // RFC 5321 §5.1: the domain is its own exchanger
	default:
		return refuse(ofLookup(err))
	}
	hosts := order(answer.Records, func(n int, swap func(i, j int)) { rand.Shuffle(n, swap) })
	if len(hosts) == 0 {
		if slices.ContainsFunc(answer.Records, func(mx resolver.MX) bool { return mx.Host != "" }) {
			return refuse(noAddress()) // numbers only
		}
		return refuse(nullMX())
	}
	if hosts = before(hosts, answer.Records, d.isOwn); len(hosts) == 0 {
		return refuse(loop())
	}
	return hosts, nil
}

func refuse(v verdict) ([]string, *verdict) { return nil, &v }

// order sorts exchangers by preference, and those of equal preference at random
// (RFC 5321 §5.1). The null MX counts as nothing: RFC 7505 §3 allows it alone only,
// and beside others it is a mistake of the zone.
func order(records []resolver.MX, shuffle func(n int, swap func(i, j int))) []string {
	records = slices.Clone(records)
	shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
	slices.SortStableFunc(records, func(a, b resolver.MX) int { return int(a.Preference) - int(b.Preference) })
	var hosts []string
	for _, mx := range records {
		if isName(mx.Host) && !slices.Contains(hosts, mx.Host) {
			hosts = append(hosts, mx.Host)
		}
	}
	return hosts
}

// isName tells names from numbers: an address in an MX record is a mistake that
// RFC 5321 §5.1 does not provide for, and a way around the DNS.
func isName(host string) bool {
	if host == "" {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err != nil
}

// before cuts the list at our own host: RFC 5321 §5.1 forbids relaying to a host of
// the same or a lower rank than ours, because that is how mail goes in circles.
func before(hosts []string, records []resolver.MX, isOwn func(string) bool) []string {
	limit := -1
	for _, mx := range records {
		if isOwn(mx.Host) && (limit < 0 || int(mx.Preference) < limit) {
			limit = int(mx.Preference)
		}
	}
	if limit < 0 {
		return hosts
	}
	return slices.DeleteFunc(hosts, func(host string) bool {
		return !slices.ContainsFunc(records, func(mx resolver.MX) bool {
			return mx.Host == host && int(mx.Preference) < limit
		})
	})
}

func (d *Deliverer) isOwn(host string) bool {
	return host != "" && (strings.EqualFold(host, d.opts.Hostname) ||
		slices.ContainsFunc(d.opts.OwnNames, func(own string) bool { return strings.EqualFold(own, host) }))
}

// addresses gives the addresses of one exchanger that are to be tried: the families
// in turn, so that one that does not work from here cannot hide the other, and at
// random within each.
func (d *Deliverer) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if text, ok := strings.CutPrefix(host, "["); ok {
		text = strings.TrimPrefix(strings.TrimSuffix(text, "]"), "IPv6:")
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, &resolver.Error{Name: host, Type: "literal", Kind: resolver.ErrNotFound, Cause: err}
		}
		return []netip.Addr{addr}, nil
	}
	answer, err := d.opts.Resolver.LookupHost(ctx, d.opts.Network, host)
	if err != nil {
		return nil, err
	}
	var families [2][]netip.Addr
	for _, a := range answer.Records {
		family := 0
		if a.Is4() {
			family = 1
		}
		families[family] = append(families[family], a)
	}
	for _, f := range families {
		rand.Shuffle(len(f), func(i, j int) { f[i], f[j] = f[j], f[i] })
	}
	return inTurn(families[0], families[1], d.opts.MaxPerHost), nil
}

// inTurn takes from both lists in turn, at most limit in all.
func inTurn[T any](a, b []T, limit int) []T {
	var out []T
	for i := 0; len(out) < limit && (i < len(a) || i < len(b)); i++ {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) && len(out) < limit {
			out = append(out, b[i])
		}
	}
	return out
}
