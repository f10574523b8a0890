package admin

import (
	"context"
	"errors"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// users serves people.
type users struct {
	*desk
	writer AccountWriter
	scout  Scout
}

func (u users) register(a huma.API) {
	list(u.desk, a, "user", "/users", "List users", u.list)
	create(u.desk, a, "user", "/users", "Make a user", u.create)
	get(u.desk, a, "user", "/users/{id}", "Show a user", u.get)
	put(u.desk, a, "user", "/users/{id}", "Change a user", u.put)
	remove(u.desk, a, "user", "/users/{id}", "Delete a user who has no account any more", u.remove)
}

func userOwner(u *relay.User) string { return u.Organisation }

// view shows a user, with the warning that belongs to the header name.
func (u users) view(rec *relay.User) api.User {
	out := api.User{
		ID: rec.ID, Organisation: rec.Organisation, Address: rec.Address.String(),
		HeaderName: rec.HeaderName, Administrator: rec.Administrator, Revision: rec.Revision,
	}
	if rec.HeaderName != "" {
		out.Warning = u.scout.NameWarning(rec.HeaderName, rec.Address)
	}
	return out
}

type listUsers struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
	Address      string `query:"address" maxLength:"320" doc:"Only the one with this primary address"`
}

func (u users) list(ctx context.Context, in *listUsers) (*listed[api.User], error) {
	if in.Address != "" {
		rec, err := u.byAddress(ctx, in.Address)
		if err != nil {
			return nil, err
		}
		return one(ctx, rec, userOwner, u.view), nil
	}
	who := callerOf(ctx)
	recs, next, err := scan(ctx, u.dir.Users(), in.Paging, func(r *relay.User) string { return r.ID },
		func(r *relay.User) bool {
			return who.reaches(r.Organisation) && (in.Organisation == "" || in.Organisation == r.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.User]{Body: api.List[api.User]{Items: views(recs, u.view), Next: next}}, nil
}

// byAddress finds a user by the primary address; nil if there is none.
func (u users) byAddress(ctx context.Context, typed string) (*relay.User, error) {
	address, err := mailaddr.Parse(typed)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no address belongs to nobody
	}
	rec, err := u.dir.UserByAddress(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

func (u users) create(ctx context.Context, in *creation[api.UserInput]) (*made[api.User], error) {
	rec := &relay.User{ID: newID("usr", u.now())}
	if err := u.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := u.dir.Users().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.User]{ETag: etag(rec.Revision), Location: api.Prefix + "/users/" + rec.ID, Body: u.view(rec)}, nil
}

func (u users) get(ctx context.Context, in *byID) (*shown[api.User], error) {
	rec, err := find(ctx, u.dir.Users(), in.ID, userOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.User]{ETag: etag(rec.Revision), Body: u.view(rec)}, nil
}

func (u users) put(ctx context.Context, in *change[api.UserInput]) (*shown[api.User], error) {
	rec, err := find(ctx, u.dir.Users(), in.ID, userOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	before := rec.Address
	if err := u.apply(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := u.readdress(ctx, rec, before); err != nil {
		return nil, err
	}
	if err := u.dir.Users().Put(ctx, rec); err != nil {
		return nil, err
	}
	return &shown[api.User]{ETag: etag(rec.Revision), Body: u.view(rec)}, nil
}

func (u users) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, u.dir.Users(), in.ID, userOwner); err != nil {
		return nil, err
	}
	err := u.dir.Users().Delete(ctx, in.ID)
	if errors.Is(err, store.ErrInUse) {
		return nil, &Conflict{Message: "The user still has an account. Delete that first."}
	}
	return nil, err
}

// apply checks the input and writes it into rec.
func (u users) apply(ctx context.Context, rec *relay.User, in api.UserInput) error {
	if err := plainText("header_name", in.HeaderName); err != nil {
		return err
	}
	address, err := mailaddr.Parse(in.Address)
	if err != nil {
		return wrong("address", "%q is not an e-mail address.", relay.Printable(in.Address))
	}
	organisation, err := u.inside(ctx, address, rec.Organisation)
	if err != nil {
		return err
	}
	other, err := u.dir.UserByAddress(ctx, address)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil && other.ID != rec.ID {
		return taken("address", "There is a user with the address %s already.", address)
	}
	rec.Organisation, rec.Address, rec.HeaderName = organisation.ID, address, in.HeaderName
	rec.Administrator = in.Administrator
	return nil
}

// readdress changes a user's address wherever it stands: in the account, which must be
// proved anew, and in the lists of submitters. The user itself comes last, so that after
// a step that failed the same change can be made again.
func (u users) readdress(ctx context.Context, rec *relay.User, before relay.Address) error {
	if before.Equal(rec.Address) || before.IsZero() {
		return nil
	}
	a, err := u.dir.AccountByAddress(ctx, before)
	if err == nil && a.User == rec.ID && a.Address.Equal(before) {
		if err := u.free(ctx, a, rec.Address); err != nil {
			return err
		}
		a.Address = rec.Address
		if err := u.writer.Save(ctx, a, ""); err != nil {
			return err
		}
	} else if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for after := ""; ; {
		page, err := u.dir.Submitters().List(ctx, after, scanPage)
		if err != nil {
			return err
		}
		for _, s := range page {
			after = s.ID
			if !callerOf(ctx).reaches(s.Organisation) || !replaceSender(s, before, rec.Address) {
				continue
			}
			if err := u.dir.Submitters().Put(ctx, s); err != nil {
				return err
			}
		}
		if len(page) < scanPage {
			return nil
		}
	}
}

// free refuses an address that another account has.
func (u users) free(ctx context.Context, a *relay.Account, address relay.Address) error {
	other, err := u.dir.AccountByAddress(ctx, address)
	if errors.Is(err, store.ErrNotFound) || err == nil && other.ID == a.ID {
		return nil
	}
	if err != nil {
		return err
	}
	return taken("address", "The address %s belongs to the account %s already.", address, other.ID)
}

// replaceSender puts a new address in the place of an old one in a submitter's list.
func replaceSender(s *relay.Submitter, old, fresh relay.Address) bool {
	replaced := false
	for i, text := range s.Senders.Addresses {
		if a, err := mailaddr.Parse(text); err == nil && a.Equal(old) {
			s.Senders.Addresses[i], replaced = fresh.String(), true
		}
	}
	return replaced
}
