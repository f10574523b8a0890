package admin

import (
	"context"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// submitters serves the credentials of applications. relayd makes their
// passwords; each is shown in the one answer that made it.
type submitters struct {
	*desk
	passwords Passwords
}

func (s submitters) register(a huma.API) {
	list(s.desk, a, "submitter", "/submitters", "List submitters", s.list)
	create(s.desk, a, "submitter", "/submitters", "Make a submitter; the answer shows its password once", s.create)
	get(s.desk, a, "submitter", "/submitters/{id}", "Show a submitter", s.get)
	put(s.desk, a, "submitter", "/submitters/{id}", "Change a submitter", s.put)
	remove(s.desk, a, "submitter", "/submitters/{id}", "Delete a submitter", s.remove)
	act(s.desk, a, "rotate-submitter-password", "/submitters/{id}/password",
		"Replace the password of a submitter; the answer shows the new one once, the old one ends", s.rotate)
}

func submitterOwner(s *relay.Submitter) string { return s.Organisation }

func viewSubmitter(s *relay.Submitter) api.Submitter {
	return api.Submitter{
		ID: s.ID, Organisation: s.Organisation, Login: s.Login, Networks: texts(s.Networks),
		Senders:    api.Senders{Addresses: s.Senders.Addresses, Domains: s.Senders.Domains, Organisation: s.Senders.Organisation},
		NullSender: s.NullSender, Disabled: s.Disabled, Created: s.Created.UTC(), Revision: s.Revision,
	}
}

type listSubmitters struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
	Login        string `query:"login" maxLength:"128" doc:"Only the one with this login"`
}

func (s submitters) list(ctx context.Context, in *listSubmitters) (*listed[api.Submitter], error) {
	if in.Login != "" {
		rec, err := s.byLogin(ctx, in.Login)
		if err != nil {
			return nil, err
		}
		return one(ctx, rec, submitterOwner, viewSubmitter), nil
	}
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.Submitters(), in.Paging, func(r *relay.Submitter) string { return r.ID },
		func(r *relay.Submitter) bool {
			return who.reaches(r.Organisation) && (in.Organisation == "" || in.Organisation == r.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.Submitter]{Body: api.List[api.Submitter]{Items: views(recs, viewSubmitter), Next: next}}, nil
}

// byLogin finds a submitter by the user name of AUTH; nil if there is none.
func (d *desk) byLogin(ctx context.Context, login string) (*relay.Submitter, error) {
	rec, err := d.dir.SubmitterByLogin(ctx, login)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

func (s submitters) create(ctx context.Context, in *creation[api.SubmitterInput]) (*made[api.SubmitterSecret], error) {
	rec := &relay.Submitter{ID: newID("sub", s.now()), Organisation: in.Body.Organisation, Created: s.now().UTC()}
	if err := s.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	password, hash := s.passwords.NewPassword()
	rec.PasswordHash = hash
	if err := s.dir.Submitters().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.SubmitterSecret]{
		ETag: etag(rec.Revision), Location: api.Prefix + "/submitters/" + rec.ID,
		Body: api.SubmitterSecret{Submitter: viewSubmitter(rec), Password: password.Reveal()},
	}, nil
}

func (s submitters) get(ctx context.Context, in *byID) (*shown[api.Submitter], error) {
	rec, err := find(ctx, s.dir.Submitters(), in.ID, submitterOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.Submitter]{ETag: etag(rec.Revision), Body: viewSubmitter(rec)}, nil
}

func (s submitters) put(ctx context.Context, in *change[api.SubmitterInput]) (*shown[api.Submitter], error) {
	rec, err := find(ctx, s.dir.Submitters(), in.ID, submitterOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if in.Body.Organisation != "" && in.Body.Organisation != rec.Organisation {
		return nil, wrong("organisation", "A submitter cannot be given to another organisation. Make a new one.")
	}
	if err := s.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := s.dir.Submitters().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.Submitter]{ETag: etag(rec.Revision), Body: viewSubmitter(rec)}, nil
}

func (s submitters) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Submitters(), in.ID, submitterOwner); err != nil {
		return nil, err
	}
	return nil, s.dir.Submitters().Delete(ctx, in.ID)
}

func (s submitters) rotate(ctx context.Context, in *byID) (*shown[api.SubmitterSecret], error) {
	rec, err := find(ctx, s.dir.Submitters(), in.ID, submitterOwner)
	if err != nil {
		return nil, err
	}
	password, hash := s.passwords.NewPassword()
	rec.PasswordHash = hash
	if err := s.dir.Submitters().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.SubmitterSecret]{
		ETag: etag(rec.Revision),
		Body: api.SubmitterSecret{Submitter: viewSubmitter(rec), Password: password.Reveal()},
	}, nil
}

// apply checks the input and writes it into rec, whose organisation is set.
func (s submitters) apply(ctx context.Context, rec *relay.Submitter, in api.SubmitterInput) error {
	organisation, err := s.organisation(ctx, rec.Organisation)
	if err != nil {
		return err
	}
	nets, err := networks(in.Networks)
	if err != nil {
		return err
	}
	if err := checkSenders(&in.Senders, organisation); err != nil {
		return err
	}
	other, err := s.byLogin(ctx, in.Login)
	if err != nil {
		return err
	}
	if other != nil && other.ID != rec.ID {
		return taken("login", "There is a submitter with the login %q already.", in.Login)
	}
	rec.Login, rec.Networks, rec.NullSender, rec.Disabled = in.Login, nets, in.NullSender, in.Disabled
	rec.Senders = relay.Senders{Addresses: in.Senders.Addresses, Domains: in.Senders.Domains, Organisation: in.Senders.Organisation}
	return nil
}

// organisation gets the organisation of a submitter or token; nil for the
// operator's own, which only the operator may make.
func (d *desk) organisation(ctx context.Context, id string) (*relay.Organisation, error) {
	if id == "" {
		if callerOf(ctx).Organisation != "" {
			return nil, wrong("organisation", "Name your organisation.")
		}
		return nil, nil
	}
	o, err := find(ctx, d.dir.Organisations(), id, ownID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, wrong("organisation", "There is no organisation %q.", relay.Printable(id))
	}
	return o, err
}
