package resolver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// found is the answer to one question, as it is cached: the records, or the kind
// of their absence.
type found struct {
	name      string
	records   []record
	authentic bool
	absent    error // ErrNotFound, ErrNoData or ErrUnusable; nil if there are records
	ttl       time.Duration
}

// lookup answers from the cache, or asks.
func (r *Resolver) lookup(ctx context.Context, name string, qtype uint16) (*found, error) {
	fail := func(kind, cause error) error {
		return &Error{Name: name, Type: dns.TypeToString[qtype], Kind: kind, Cause: cause}
	}
	fqdn := dns.CanonicalName(name)
	if !isHostName(fqdn) {
		return nil, fail(ErrNotFound, errors.New("not a host name"))
	}
	key := cacheKey{fqdn, qtype}
	f := r.cache.get(key)
	if f == nil {
		var err error
		if f, err = r.resolve(ctx, fqdn, qtype); err != nil {
			return nil, fail(ErrTemporary, err)
		}
		r.cache.put(key, f, min(f.ttl, r.opts.MaxTTL))
	}
	if f.absent != nil {
		return nil, fail(f.absent, nil)
	}
	return f, nil
}

// resolve asks, and asks again for the end of a chain of aliases that the answer
// did not reach.
func (r *Resolver) resolve(ctx context.Context, fqdn string, qtype uint16) (*found, error) {
	authentic, ttl := true, MaxNegativeTTL+r.opts.MaxTTL
	for aliases := 0; aliases <= maxAliases; {
		msg, err := r.ask(ctx, fqdn, qtype)
		if err != nil {
			return nil, err
		}
		c := follow(msg, fqdn, maxAliases-aliases)
		f := read(msg, c, qtype)
		f.authentic, f.ttl = f.authentic && authentic, min(f.ttl, ttl, c.ttl)
		if c.tooLong {
			break
		}
		if !errors.Is(f.absent, ErrNoData) || !c.open(msg) {
			return f, nil
		}
		authentic, ttl = f.authentic, min(ttl, c.ttl)
		fqdn, aliases = c.end, aliases+c.length
	}
	return nil, fmt.Errorf("more than %d aliases", maxAliases)
}

// ask puts the question to the servers in turn, beginning with the one that
// answered last, until one gives an answer that decides.
func (r *Resolver) ask(ctx context.Context, fqdn string, qtype uint16) (*dns.Msg, error) {
	var failures []error
	first := int(r.first.Load())
	for i := range r.opts.Rounds * len(r.servers) {
		at := (first + i) % len(r.servers)
		msg, err := r.exchange(ctx, r.servers[at], fqdn, qtype)
		if err == nil {
			r.first.Store(int64(at))
			return msg, nil
		}
		failures = append(failures, fmt.Errorf("ask %s: %w", r.servers[at], err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// isHostName reports whether a name can stand in a question about mail: labels of
// letters, digits, hyphens and (for _dmarc and the like) underscores. Everything
// else in an answer is dropped as well, so that no odd byte of a foreign zone
// reaches a log, a connection or a report.
func isHostName(fqdn string) bool {
	if len(fqdn) < 2 || len(fqdn) > 254 || !strings.HasSuffix(fqdn, ".") {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(fqdn, "."), ".") {
		if label == "" || len(label) > 63 { // RFC 1035 §2.3.4
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
