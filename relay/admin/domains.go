package admin

import (
	"context"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// domains serves claims to domains: an organisation proves by a DNS record that a
// domain is its own.
type domains struct {
	*desk
	owner Ownership
}

func (s domains) register(a huma.API) {
	list(s.desk, a, "domain-claim", "/domain-claims", "List claims to domains, with the records that prove them", s.list)
	create(s.desk, a, "domain-claim", "/domain-claims", "Claim a domain", s.create)
	get(s.desk, a, "domain-claim", "/domain-claims/{id}", "Show a claim to a domain", s.get)
	act(s.desk, a, "check-domain-claim", "/domain-claims/{id}/check", "Look for the record of a claim; if it is there, the domain becomes the organisation's", s.check)
	remove(s.desk, a, "domain-claim", "/domain-claims/{id}", "Delete a claim; a domain that it proved stays", s.remove)
}

func claimOwner(c *relay.DomainClaim) string { return c.Organisation }

func (s domains) view(c *relay.DomainClaim) api.DomainClaim {
	name, value := s.owner.Record(c)
	return api.DomainClaim{
		ID: c.ID, Organisation: c.Organisation, Domain: c.Domain, DNSName: name, DNSType: "TXT", DNSValue: value,
		Created: c.Created.UTC(), Checked: moment(c.Checked), Proved: moment(c.Proved),
	}
}

type listClaims struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
}

func (s domains) list(ctx context.Context, in *listClaims) (*listed[api.DomainClaim], error) {
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.DomainClaims(), in.Paging, func(r *relay.DomainClaim) string { return r.ID },
		func(r *relay.DomainClaim) bool {
			return who.reaches(r.Organisation) && (in.Organisation == "" || in.Organisation == r.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.DomainClaim]{Body: api.List[api.DomainClaim]{Items: views(recs, s.view), Next: next}}, nil
}

func (s domains) create(ctx context.Context, in *creation[api.DomainClaimInput]) (*made[api.DomainClaim], error) {
	switch _, err := find(ctx, s.dir.Organisations(), in.Body.Organisation, ownID); {
	case errors.Is(err, store.ErrNotFound):
		return nil, wrong("organisation", "There is no organisation %q.", relay.Printable(in.Body.Organisation))
	case err != nil:
		return nil, err
	}
	rec, err := s.owner.Claim(ctx, in.Body.Organisation, in.Body.Domain)
	if err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.DomainClaim]{ETag: etag(rec.Revision), Location: api.Prefix + "/domain-claims/" + rec.ID, Body: s.view(rec)}, nil
}

func (s domains) get(ctx context.Context, in *byID) (*shown[api.DomainClaim], error) {
	rec, err := find(ctx, s.dir.DomainClaims(), in.ID, claimOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.DomainClaim]{ETag: etag(rec.Revision), Body: s.view(rec)}, nil
}

func (s domains) check(ctx context.Context, in *byID) (*shown[api.DomainClaim], error) {
	if _, err := find(ctx, s.dir.DomainClaims(), in.ID, claimOwner); err != nil {
		return nil, err
	}
	rec, err := s.owner.Check(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &shown[api.DomainClaim]{ETag: etag(rec.Revision), Body: s.view(rec)}, nil
}

func (s domains) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.DomainClaims(), in.ID, claimOwner); err != nil {
		return nil, err
	}
	return nil, s.dir.DomainClaims().Delete(ctx, in.ID)
}
