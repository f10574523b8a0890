package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// organisations serves companies and the domains that they own.
type organisations struct {
	*desk
}

func (o organisations) register(a huma.API) {
	list(o.desk, a, "organisation", "/organisations", "List organisations", o.list)
	create(o.desk, a, "organisation", "/organisations", "Make an organisation", o.create)
	get(o.desk, a, "organisation", "/organisations/{id}", "Show an organisation", o.get)
	put(o.desk, a, "organisation", "/organisations/{id}", "Change an organisation", o.put)
	remove(o.desk, a, "organisation", "/organisations/{id}", "Delete an organisation that has nothing any more", o.remove)
}

func ownID(o *relay.Organisation) string { return o.ID }

func viewOrganisation(o *relay.Organisation) api.Organisation {
	return api.Organisation{
		ID: o.ID, Name: o.Name, Domains: texts(o.Domains), Policy: viewPolicy(&o.Policy), Revision: o.Revision,
	}
}

func viewPolicy(p *relay.Policy) api.Policy {
	out := api.Policy{
		FallBack: "direct", Broken: "hold",
		BrokenAfter: orDefault(p.BrokenAfter, relay.DefaultBrokenAfter).String(),
		TellAfter:   orDefault(p.TellAfter, relay.DefaultTellAfter).String(),
	}
	if p.FallBack == relay.FallBackHold {
		out.FallBack = "hold"
	}
	if p.Broken != relay.BrokenHold {
		out.Broken = string(p.Broken)
	}
	return out
}

// maxPolicyTime is the longest that an organisation can choose: what waits longer is
// forgotten by everybody.
const maxPolicyTime = 90 * 24 * time.Hour

// readPolicy checks a policy; nil means the defaults.
func readPolicy(in *api.Policy) (p relay.Policy, err error) {
	if in == nil {
		return p, nil
	}
	if in.FallBack == "hold" {
		p.FallBack = relay.FallBackHold
	}
	if in.Broken != "hold" {
		p.Broken = relay.Broken(in.Broken)
	}
	for _, d := range []struct {
		field string
		text  string
		value *time.Duration
	}{{"policy.broken_after", in.BrokenAfter, &p.BrokenAfter}, {"policy.tell_after", in.TellAfter, &p.TellAfter}} {
		if d.text == "" {
			continue
		}
		if *d.value, err = time.ParseDuration(d.text); err != nil || *d.value <= 0 || *d.value > maxPolicyTime {
			return p, wrong(d.field, "Write a time such as 72h, of at most %s.", maxPolicyTime)
		}
	}
	return p, nil
}

type listOrganisations struct {
	Paging
	Domain string `query:"domain" maxLength:"253" doc:"Only the owner of this domain"`
}

func (o organisations) list(ctx context.Context, in *listOrganisations) (*listed[api.Organisation], error) {
	if in.Domain != "" {
		rec, err := o.ownerOf(ctx, in.Domain)
		if err != nil {
			return nil, err
		}
		return one(ctx, rec, ownID, viewOrganisation), nil
	}
	who := callerOf(ctx)
	recs, next, err := scan(ctx, o.dir.Organisations(), in.Paging, ownID,
		func(r *relay.Organisation) bool { return who.reaches(r.ID) })
	if err != nil {
		return nil, err
	}
	return &listed[api.Organisation]{Body: api.List[api.Organisation]{Items: views(recs, viewOrganisation), Next: next}}, nil
}

// ownerOf finds the owner of a domain as a person typed it; nil if there is none.
func (d *desk) ownerOf(ctx context.Context, domain string) (*relay.Organisation, error) {
	domain, err := mailaddr.ParseDomain(domain)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no domain has no owner
	}
	rec, err := d.dir.OrganisationOf(ctx, domain)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

func (o organisations) create(ctx context.Context, in *creation[api.OrganisationInput]) (*made[api.Organisation], error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	rec := &relay.Organisation{ID: newID("org", o.now())}
	if err := o.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := o.dir.Organisations().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	if err := o.first(ctx, rec, in.Body.Administrator); err != nil {
		return nil, errors.Join(err, o.dir.Organisations().Delete(ctx, rec.ID))
	}
	return &made[api.Organisation]{ETag: etag(rec.Revision), Location: api.Prefix + "/organisations/" + rec.ID, Body: viewOrganisation(rec)}, nil
}

// first makes the first administrator of a new organisation: who made it.
func (o organisations) first(ctx context.Context, rec *relay.Organisation, in *api.UserInput) error {
	if in == nil {
		return nil
	}
	person := &relay.User{ID: newID("usr", o.now()), Organisation: rec.ID}
	if err := (users{desk: o.desk}).apply(ctx, person, *in); err != nil {
		return err
	}
	person.Administrator = true
	return o.dir.Users().Put(ctx, person)
}

func (o organisations) get(ctx context.Context, in *byID) (*shown[api.Organisation], error) {
	rec, err := find(ctx, o.dir.Organisations(), in.ID, ownID)
	if err != nil {
		return nil, err
	}
	return &shown[api.Organisation]{ETag: etag(rec.Revision), Body: viewOrganisation(rec)}, nil
}

func (o organisations) put(ctx context.Context, in *change[api.OrganisationInput]) (*shown[api.Organisation], error) {
	rec, err := find(ctx, o.dir.Organisations(), in.ID, ownID)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if err := o.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := o.dir.Organisations().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.Organisation]{ETag: etag(rec.Revision), Body: viewOrganisation(rec)}, nil
}

func (o organisations) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	err := o.dir.Organisations().Delete(ctx, in.ID)
	if errors.Is(err, store.ErrInUse) {
		return nil, &Conflict{Message: "The organisation still has users, accounts, submitters, keys or tokens. Delete those first."}
	}
	return nil, err
}

// apply checks the input and writes it into rec.
func (o organisations) apply(ctx context.Context, rec *relay.Organisation, in api.OrganisationInput) error {
	if err := plainText("name", in.Name); err != nil {
		return err
	}
	domains, err := o.domains(ctx, rec, in.Domains)
	if err != nil {
		return err
	}
	rec.Name, rec.Domains = in.Name, domains
	rec.Policy, err = readPolicy(in.Policy)
	return err
}

// domains checks the list of domains that rec shall own from now on. Only the
// operator gives domains, each belongs to one organisation, and one that is in
// use stays.
func (o organisations) domains(ctx context.Context, rec *relay.Organisation, typed []string) ([]string, error) {
	domains := make([]string, 0, len(typed))
	for _, d := range typed {
		domain, err := mailaddr.ParseDomain(d)
		if err != nil {
			return nil, wrong("domains", "%q is not a domain name.", relay.Printable(d))
		}
		if !slices.Contains(domains, domain) {
			domains = append(domains, domain)
		}
	}
	for _, d := range domains {
		if err := o.mayGive(ctx, rec, d); err != nil {
			return nil, err
		}
	}
	for _, d := range rec.Domains {
		if err := o.mayTake(ctx, rec, d, domains); err != nil {
			return nil, err
		}
	}
	return domains, nil
}

func (o organisations) mayGive(ctx context.Context, rec *relay.Organisation, domain string) error {
	if rec.Owns(domain) {
		return nil
	}
	if err := callerOf(ctx).operator(); err != nil {
		return err
	}
	other, err := o.ownerOf(ctx, domain)
	if err != nil || other == nil {
		return err
	}
	return taken("domains", "The domain %s belongs to the organisation %q (%s) already.", domain, other.Name, other.ID)
}

func (o organisations) mayTake(ctx context.Context, rec *relay.Organisation, domain string, kept []string) error {
	if slices.Contains(kept, domain) {
		return nil
	}
	if err := callerOf(ctx).operator(); err != nil {
		return err
	}
	user, err := o.userInside(ctx, rec.ID, domain)
	if err != nil {
		return err
	}
	if user != "" {
		return taken("domains", "The domain %s is in use: %s is inside it.", domain, user)
	}
	keys, err := o.dir.KeysOf(ctx, domain)
	if err == nil && len(keys) > 0 {
		err = taken("domains", "The domain %s has DKIM keys. Delete those first.", domain)
	}
	return err
}

// userInside gives the address of some user or account of the organisation
// inside the domain.
func (o organisations) userInside(ctx context.Context, organisation, domain string) (string, error) {
	first := Paging{Limit: 1}
	users, _, err := scan(ctx, o.dir.Users(), first, func(u *relay.User) string { return u.ID },
		func(u *relay.User) bool { return u.Organisation == organisation && u.Address.Domain == domain })
	if err != nil {
		return "", err
	}
	if len(users) > 0 {
		return "the user " + users[0].Address.String(), nil
	}
	accounts, _, err := scan(ctx, o.dir.Accounts(), first, func(a *relay.Account) string { return a.ID },
		func(a *relay.Account) bool { return a.Organisation == organisation && sendsInside(a, domain) })
	if err != nil {
		return "", err
	}
	if len(accounts) > 0 {
		return "an address of the account " + accounts[0].Address.String(), nil
	}
	starters, _, err := scan(ctx, o.dir.Starters(), first, func(s *relay.Starter) string { return s.ID },
		func(s *relay.Starter) bool { return s.Organisation == organisation && s.Domain == domain })
	if err != nil || len(starters) == 0 {
		return "", err
	}
	return "the starter configuration " + starters[0].ID, nil
}

// sendsInside reports whether one of the account's addresses is inside the domain.
func sendsInside(a *relay.Account, domain string) bool {
	return a.Address.Domain == domain || slices.ContainsFunc(a.Aliases, func(alias relay.Alias) bool { return alias.Address.Domain == domain })
}
