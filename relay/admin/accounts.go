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

// accounts serves upstream mail accounts. Their passwords go in and never come
// out (attacks W12).
type accounts struct {
	*desk
	writer   AccountWriter
	verifier Verifier
}

func (s accounts) register(a huma.API) {
	list(s.desk, a, "account", "/accounts", "List mail accounts", s.list)
	create(s.desk, a, "account", "/accounts", "Make a mail account", s.create)
	get(s.desk, a, "account", "/accounts/{id}", "Show a mail account", s.get)
	put(s.desk, a, "account", "/accounts/{id}", "Change a mail account", s.put)
	remove(s.desk, a, "account", "/accounts/{id}", "Delete a mail account", s.remove)
}

type listAccounts struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those of this organisation, by id"`
	User         string `query:"user" maxLength:"64" doc:"Only those of this user, by id"`
	Address      string `query:"address" maxLength:"320" doc:"Only the one to which this address belongs"`
	State        string `query:"state" enum:"unverified,verified,degraded,parked" doc:"Only those in this state"`
}

// keeps reports whether the list shows the account.
func (in *listAccounts) keeps(a *relay.Account) bool {
	return (in.Organisation == "" || in.Organisation == a.Organisation) &&
		(in.User == "" || in.User == a.User) &&
		(in.State == "" || in.State == string(a.State))
}

func (s accounts) list(ctx context.Context, in *listAccounts) (*listed[api.Account], error) {
	if in.Address != "" {
		rec, err := s.byAddress(ctx, in.Address)
		if err != nil {
			return nil, err
		}
		if rec != nil && !in.keeps(rec) {
			rec = nil
		}
		return one(ctx, rec, accountOwner, viewAccount), nil
	}
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.Accounts(), in.Paging, func(a *relay.Account) string { return a.ID },
		func(a *relay.Account) bool { return who.reaches(a.Organisation) && in.keeps(a) })
	if err != nil {
		return nil, err
	}
	return &listed[api.Account]{Body: api.List[api.Account]{Items: views(recs, viewAccount), Next: next}}, nil
}

// byAddress finds the account of an address; nil if there is none.
func (s accounts) byAddress(ctx context.Context, typed string) (*relay.Account, error) {
	address, err := mailaddr.Parse(typed)
	if err != nil {
		return nil, nil //nolint:nilerr // what is no address belongs to no account
	}
	rec, err := s.dir.AccountByAddress(ctx, address)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return rec, err
}

func (s accounts) create(ctx context.Context, in *creation[api.AccountInput]) (*made[api.Account], error) {
	rec := &relay.Account{ID: newID("acc", s.now()), State: relay.AccountUnverified, StateSince: s.now()}
	if err := s.own(ctx, rec, &in.Body); err != nil {
		return nil, err
	}
	if err := s.prepared(ctx, rec, &in.Body); err != nil {
		return nil, err
	}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.Account]{ETag: etag(rec.Revision), Location: api.Prefix + "/accounts/" + rec.ID, Body: viewAccount(rec)}, nil
}

func (s accounts) get(ctx context.Context, in *byID) (*shown[api.Account], error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.Account]{ETag: etag(rec.Revision), Body: viewAccount(rec)}, nil
}

func (s accounts) put(ctx context.Context, in *change[api.AccountInput]) (*shown[api.Account], error) {
	rec, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if err := sameOwner(rec, &in.Body); err != nil {
		return nil, err
	}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	return &shown[api.Account]{ETag: etag(rec.Revision), Body: viewAccount(rec)}, nil
}

func (s accounts) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Accounts(), in.ID, accountOwner); err != nil {
		return nil, err
	}
	return nil, s.writer.Delete(ctx, in.ID)
}

// own gives a new account its owner: a user, or an organisation for a shared
// mailbox.
func (s accounts) own(ctx context.Context, rec *relay.Account, in *api.AccountInput) error {
	if (in.User == "") == (in.Organisation == "") {
		return wrong("user", "Name the user whose account this is, or the organisation for a shared mailbox.")
	}
	if in.Organisation != "" {
		o, err := find(ctx, s.dir.Organisations(), in.Organisation, ownID)
		if errors.Is(err, store.ErrNotFound) {
			return wrong("organisation", "There is no organisation %q.", relay.Printable(in.Organisation))
		}
		if err == nil {
			rec.Organisation = o.ID
		}
		return err
	}
	u, err := find(ctx, s.dir.Users(), in.User, userOwner)
	if errors.Is(err, store.ErrNotFound) {
		return wrong("user", "There is no user %q.", relay.Printable(in.User))
	}
	if err != nil {
		return err
	}
	rec.User, rec.Organisation, rec.Address = u.ID, u.Organisation, u.Address
	return nil
}

// prepared gives an account of which nothing is said the starter configuration of its
// domain, where there is one.
func (s accounts) prepared(ctx context.Context, rec *relay.Account, in *api.AccountInput) error {
	address := rec.Address
	if typed, err := mailaddr.Parse(in.Address); err == nil {
		address = typed
	}
	starter, err := s.dir.StarterOf(ctx, rec.Organisation, address.Domain)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case in.IsUnset():
		in.Settings = api.ViewSettings(&starter.Settings)
		login := relay.ExpandLogin(starter.Login, address)
		for _, server := range []*api.Server{in.SMTP, in.IMAP} {
			if server != nil && server.Login == "" {
				server.Login = login
			}
		}
		if in.EWS != nil && in.EWS.Login == "" {
			in.EWS.Login = login
		}
	}
	return nil
}

// sameOwner refuses to give an account to somebody else: its proof and its mail
// belong to the first one.
func sameOwner(rec *relay.Account, in *api.AccountInput) error {
	if in.User != "" && in.User != rec.User {
		return wrong("user", "An account cannot be given to another user. Make a new one.")
	}
	if in.Organisation != "" && in.Organisation != rec.Organisation {
		return wrong("organisation", "An account cannot be given to another organisation. Make a new one.")
	}
	return nil
}

// save checks the settings, writes them into rec and makes it durable.
func (s accounts) save(ctx context.Context, rec *relay.Account, in api.AccountInput) error {
	if err := s.settings(ctx, rec, in); err != nil {
		return err
	}
	var password relay.Secret
	if in.Password != nil {
		password = relay.Secret(*in.Password)
	}
	return s.writer.Save(ctx, rec, password)
}

func (s accounts) settings(ctx context.Context, rec *relay.Account, in api.AccountInput) error {
	if err := s.address(ctx, rec, in.Address); err != nil {
		return err
	}
	settings, err := s.readSettings(ctx, rec.Organisation, in.Settings)
	if err != nil {
		return err
	}
	switch {
	case rec.Revision == 0 || !in.IsUnset():
		rec.Settings = settings
	case rec.Candidate != nil: // whoever says nothing about it means what was asked for last
		rec.Settings = rec.Candidate.Settings
	}
	rec.SentFolder, rec.CopyMode = in.SentFolder, relay.CopyMode(in.CopyMode)
	if in.CopyMode == "auto" {
		rec.CopyMode = relay.CopyAuto
	}
	return plainText("sent_folder", in.SentFolder)
}

// address gives the account its address: inside a domain of its organisation, and
// of no other account.
func (s accounts) address(ctx context.Context, rec *relay.Account, typed string) error {
	if typed != "" {
		a, err := mailaddr.Parse(typed)
		if err != nil {
			return wrong("address", "%q is not an e-mail address.", relay.Printable(typed))
		}
		rec.Address = a
	}
	if rec.Address.IsZero() {
		return wrong("address", "A shared mailbox needs its address.")
	}
	if _, err := s.inside(ctx, rec.Address, rec.Organisation); err != nil {
		return err
	}
	other, err := s.dir.AccountByAddress(ctx, rec.Address)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil && other.ID != rec.ID {
		return taken("address", "The address %s belongs to the account %s already.", rec.Address, other.ID)
	}
	return err
}

// verifying is the conflict of two verifications at one time.
func verifying(err error) error {
	if errors.Is(err, store.ErrInUse) {
		return &Conflict{Message: "A verification of this account runs already. Cancel it or wait for its end."}
	}
	return err
}
