package admin

import (
	"context"
	"errors"
	"net/netip"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// inside finds the organisation inside whose domains an address lies, and refuses
// it if there is none, if the caller does not reach it, or if it is another one
// than wanted (empty: any).
func (d *desk) inside(ctx context.Context, a relay.Address, wanted string) (*relay.Organisation, error) {
	owner, err := d.dir.OrganisationOf(ctx, a.Domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wrong("address", "%s cannot be used: no organisation owns the domain %s. Add the domain to its organisation first.", a, a.Domain)
	}
	if err != nil {
		return nil, err
	}
	if who := callerOf(ctx); !who.reaches(owner.ID) {
		return nil, wrong("address", "%s cannot be used: the domain %s belongs to another organisation.", a, a.Domain)
	}
	if wanted != "" && owner.ID != wanted {
		return nil, wrong("address", "%s cannot be used: the domain %s belongs to the organisation %q (%s).", a, a.Domain, owner.Name, owner.ID)
	}
	return owner, nil
}

// checkSenders checks whom a submitter shall be able to send as: nobody outside what
// its organisation owns. The operator's own submitters have no such bound.
func checkSenders(s *api.Senders, organisation *relay.Organisation) error {
	for i, typed := range s.Addresses {
		a, err := mailaddr.Parse(typed)
		if err != nil {
			return wrong("senders.addresses", "%q is not an e-mail address.", relay.Printable(typed))
		}
		if organisation != nil && !organisation.Owns(a.Domain) {
			return wrong("senders.addresses", "%s lies outside the domains of the organisation %q.", a, organisation.Name)
		}
		s.Addresses[i] = a.String()
	}
	for i, typed := range s.Domains {
		domain, err := mailaddr.ParseDomain(typed)
		if err != nil {
			return wrong("senders.domains", "%q is not a domain name.", relay.Printable(typed))
		}
		if organisation != nil && !organisation.Owns(domain) {
			return wrong("senders.domains", "%s does not belong to the organisation %q.", domain, organisation.Name)
		}
		s.Domains[i] = domain
	}
	if s.Organisation && organisation == nil {
		return wrong("senders.organisation", "The submitter belongs to no organisation. Name one, or list addresses or domains.")
	}
	return nil
}

// networks writes CIDR prefixes in their plain form; a single address becomes the
// prefix of itself.
func networks(typed []string) ([]string, error) {
	out := make([]string, 0, len(typed))
	for _, t := range typed {
		prefix, err := netip.ParsePrefix(t)
		if err != nil {
			addr, addrErr := netip.ParseAddr(t)
			if addrErr != nil || addr.Zone() != "" {
				return nil, wrong("networks", "%q is not a network. Write it like 10.0.0.0/8.", relay.Printable(t))
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		out = append(out, prefix.Masked().String())
	}
	return out, nil
}

// plainText refuses control characters and controls of writing direction in what
// is shown, logged or written into a header (attacks W9).
func plainText(field, s string) error {
	if relay.Printable(s) != s {
		return wrong(field, "Only printable characters and single spaces may stand here.")
	}
	return nil
}

// host checks the name or address of a server.
func host(field, typed string) (string, error) {
	if addr, err := netip.ParseAddr(typed); err == nil && addr.Zone() == "" {
		return addr.String(), nil
	}
	domain, err := mailaddr.ParseDomain(typed)
	if err != nil {
		return "", wrong(field, "%q is not the name of a server.", relay.Printable(typed))
	}
	return domain, nil
}
