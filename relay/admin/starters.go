package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// starters serves starter configurations: what an administrator prepares once for the
// people of a domain.
type starters struct{ *desk }

func (s starters) register(a huma.API) {
	list(s.desk, a, "starter", "/starters", "List starter configurations", s.list)
	create(s.desk, a, "starter", "/starters", "Prepare the provider of a domain", s.create)
	get(s.desk, a, "starter", "/starters/{id}", "Show a starter configuration", s.get)
	put(s.desk, a, "starter", "/starters/{id}", "Change a starter configuration", s.put)
	remove(s.desk, a, "starter", "/starters/{id}", "Delete a starter configuration", s.remove)
}

func starterOwner(s *relay.Starter) string { return s.Organisation }

func viewStarter(s *relay.Starter) api.Starter {
	out := api.Starter{
		ID: s.ID, Organisation: s.Organisation, Domain: s.Domain, Settings: api.ViewSettings(&s.Settings),
		Login: s.Login, OwnServers: s.OwnServers, Revision: s.Revision,
	}
	if s.Limits != (relay.Limits{}) {
		l := api.Limits(s.Limits)
		out.Limits = &l
	}
	return out
}

type listStarters struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
}

func (s starters) list(ctx context.Context, in *listStarters) (*listed[api.Starter], error) {
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.Starters(), in.Paging, func(r *relay.Starter) string { return r.ID },
		func(r *relay.Starter) bool {
			return who.reaches(r.Organisation) && (in.Organisation == "" || in.Organisation == r.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.Starter]{Body: api.List[api.Starter]{Items: views(recs, viewStarter), Next: next}}, nil
}

func (s starters) create(ctx context.Context, in *creation[api.StarterInput]) (*made[api.Starter], error) {
	rec := &relay.Starter{ID: newID("start", s.now()), Organisation: in.Body.Organisation}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.Starter]{ETag: etag(rec.Revision), Location: api.Prefix + "/starters/" + rec.ID, Body: viewStarter(rec)}, nil
}

func (s starters) get(ctx context.Context, in *byID) (*shown[api.Starter], error) {
	rec, err := find(ctx, s.dir.Starters(), in.ID, starterOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.Starter]{ETag: etag(rec.Revision), Body: viewStarter(rec)}, nil
}

func (s starters) put(ctx context.Context, in *change[api.StarterInput]) (*shown[api.Starter], error) {
	rec, err := find(ctx, s.dir.Starters(), in.ID, starterOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if in.Body.Organisation != rec.Organisation {
		return nil, wrong("organisation", "A starter configuration cannot be given to another organisation. Make a new one.")
	}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	return &shown[api.Starter]{ETag: etag(rec.Revision), Body: viewStarter(rec)}, nil
}

func (s starters) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Starters(), in.ID, starterOwner); err != nil {
		return nil, err
	}
	return nil, s.dir.Starters().Delete(ctx, in.ID)
}

// save checks and keeps a starter configuration: for domains that the organisation
// owns, and for no others (design section 6).
func (s starters) save(ctx context.Context, rec *relay.Starter, in api.StarterInput) (err error) {
	o, err := find(ctx, s.dir.Organisations(), rec.Organisation, ownID)
	if errors.Is(err, store.ErrNotFound) {
		return wrong("organisation", "There is no organisation %q.", relay.Printable(rec.Organisation))
	}
	if err != nil {
		return err
	}
	if rec.Domain = ""; in.Domain != "" {
		if rec.Domain, err = mailaddr.ParseDomain(in.Domain); err != nil {
			return wrong("domain", "%q is not a domain name.", relay.Printable(in.Domain))
		}
		if !o.Owns(rec.Domain) {
			return wrong("domain", "The domain %s does not belong to the organisation %q: give it the domain, or prove it, first.", rec.Domain, o.Name)
		}
	}
	if rec.Settings, err = s.readSettings(ctx, o.ID, in.Settings); err != nil {
		return err
	}
	if err := checkLogin(in.Login); err != nil {
		return err
	}
	rec.Login, rec.OwnServers, rec.Limits = in.Login, in.OwnServers, relay.Limits{}
	if in.Limits != nil {
		rec.Limits = relay.Limits(*in.Limits)
	}
	return s.dir.Starters().Put(ctx, rec)
}

// checkLogin refuses a form of user names whose placeholders nobody would fill in.
func checkLogin(form string) error {
	if err := plainText("login", form); err != nil {
		return err
	}
	if rest := strings.NewReplacer("{address}", "", "{local}", "", "{domain}", "").Replace(form); strings.ContainsAny(rest, "{}") {
		return wrong("login", "The placeholders are {address}, {local} and {domain}.")
	}
	return nil
}
