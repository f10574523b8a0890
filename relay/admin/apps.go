package admin

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// apps serves OAuth applications. Their secrets go in and never come out.
type apps struct {
	*desk
	sealer Sealer
	writer AccountWriter
}

func (s apps) register(a huma.API) {
	list(s.desk, a, "app", "/apps", "List OAuth applications", s.list)
	create(s.desk, a, "app", "/apps", "Make an OAuth application that was registered at a provider known", s.create)
	get(s.desk, a, "app", "/apps/{id}", "Show an OAuth application", s.get)
	put(s.desk, a, "app", "/apps/{id}", "Change an OAuth application", s.put)
	remove(s.desk, a, "app", "/apps/{id}", "Delete an OAuth application that nobody uses any more", s.remove)
}

func appOwner(a *relay.App) string { return a.Organisation }

func viewApp(a *relay.App) api.App {
	out := api.App{
		ID: a.ID, Organisation: a.Organisation, Name: a.Name, Vendor: a.Vendor, Kind: string(a.Kind), ClientID: a.ClientID,
		HasSecret: len(a.Secret) > 0, SecretExpires: moment(a.SecretExpires), Tenant: a.Tenant, Cloud: a.Cloud,
		Testing: a.Testing, ConsentedAt: moment(a.ConsentedAt), Created: a.Created.UTC(), Revision: a.Revision,
	}
	if a.Endpoints != (relay.Endpoints{}) {
		e := api.Endpoints(a.Endpoints)
		out.Endpoints = &e
	}
	return out
}

type listApps struct {
	Paging
	Organisation string `query:"organisation" maxLength:"64" doc:"Only those that this organisation may use, by id: its own and the operator's"`
}

func (s apps) list(ctx context.Context, in *listApps) (*listed[api.App], error) {
	who := callerOf(ctx)
	recs, next, err := scan(ctx, s.dir.Apps(), in.Paging, func(a *relay.App) string { return a.ID },
		func(a *relay.App) bool {
			visible := a.Organisation == "" || who.reaches(a.Organisation)
			return visible && (in.Organisation == "" || a.Organisation == "" || a.Organisation == in.Organisation)
		})
	if err != nil {
		return nil, err
	}
	return &listed[api.App]{Body: api.List[api.App]{Items: views(recs, viewApp), Next: next}}, nil
}

func (s apps) create(ctx context.Context, in *creation[api.AppInput]) (*made[api.App], error) {
	rec := &relay.App{ID: newID("app", s.now()), Organisation: in.Body.Organisation, Created: s.now().UTC()}
	if !callerOf(ctx).reaches(rec.Organisation) {
		return nil, wrong("organisation", "Name your organisation: an application without one is the operator's.")
	}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.App]{ETag: etag(rec.Revision), Location: api.Prefix + "/apps/" + rec.ID, Body: viewApp(rec)}, nil
}

func (s apps) get(ctx context.Context, in *byID) (*shown[api.App], error) {
	rec, err := find(ctx, s.dir.Apps(), in.ID, appOwner)
	if err != nil {
		return nil, err
	}
	return &shown[api.App]{ETag: etag(rec.Revision), Body: viewApp(rec)}, nil
}

func (s apps) put(ctx context.Context, in *change[api.AppInput]) (*shown[api.App], error) {
	rec, err := find(ctx, s.dir.Apps(), in.ID, appOwner)
	if err != nil {
		return nil, err
	}
	if err := match(in.IfMatch, rec.Revision); err != nil {
		return nil, err
	}
	if in.Body.Organisation != "" && in.Body.Organisation != rec.Organisation {
		return nil, wrong("organisation", "An application cannot be given to another organisation. Make a new one.")
	}
	if err := s.save(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	return &shown[api.App]{ETag: etag(rec.Revision), Body: viewApp(rec)}, nil
}

func (s apps) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, s.dir.Apps(), in.ID, appOwner); err != nil {
		return nil, err
	}
	err := s.dir.Apps().Delete(ctx, in.ID)
	if errors.Is(err, store.ErrInUse) {
		return nil, &Conflict{Message: "Accounts, consents or starter configurations still use the application."}
	}
	return nil, err
}

func (s apps) save(ctx context.Context, rec *relay.App, in api.AppInput) error {
	before := *rec
	for field, text := range map[string]string{"name": in.Name, "vendor": in.Vendor, "client_id": in.ClientID, "tenant": in.Tenant, "cloud": in.Cloud} {
		if err := plainText(field, text); err != nil {
			return err
		}
	}
	rec.Name, rec.Vendor, rec.Kind, rec.ClientID = in.Name, in.Vendor, relay.AppKind(in.Kind), in.ClientID
	if in.Kind == "" {
		rec.Kind = relay.AppConsent
	}
	rec.Tenant, rec.Cloud, rec.Testing = in.Tenant, in.Cloud, in.Testing
	if in.SecretExpires != nil {
		rec.SecretExpires = in.SecretExpires.UTC()
	}
	rec.Endpoints = relay.Endpoints{}
	if in.Endpoints != nil {
		rec.Endpoints = relay.Endpoints(*in.Endpoints)
	}
	if err := checkEndpoints(rec.Endpoints); err != nil {
		return err
	}
	if err := s.mayLead(ctx, &before, rec, in.Secret != nil); err != nil {
		return err
	}
	if in.Secret != nil {
		sealed, err := s.sealer.SealAppSecret(rec, relay.Secret(*in.Secret))
		if err != nil {
			return err
		}
		rec.Secret = sealed
	}
	if len(rec.Secret) == 0 && rec.Kind != relay.AppConsent {
		return wrong("secret", "This kind of application needs its secret.")
	}
	if err := s.dir.Apps().Put(ctx, rec); err != nil {
		return err
	}
	if in.Secret == nil || before.Revision == 0 {
		return nil
	}
	return s.writer.Mended(ctx, rec.ID)
}

// mayLead refuses to send what was entrusted to an application to another place than
// it was given for: its secret, and the consents of people.
func (s apps) mayLead(ctx context.Context, before, rec *relay.App, newSecret bool) error {
	type place struct {
		vendor, tenant, cloud, client string
		kind                          relay.AppKind
		endpoints                     relay.Endpoints
	}
	of := func(a *relay.App) place {
		e := a.Endpoints
		e.AdminConsent = "" // nothing goes there but an administrator's browser
		return place{a.Vendor, a.Tenant, a.Cloud, a.ClientID, a.Kind, e}
	}
	if before.Revision == 0 || of(before) == of(rec) {
		return nil
	}
	if len(before.Secret) > 0 && !newSecret {
		return wrong("secret", "The secret is needed again: relayd gives the one it keeps only to where it was given for.")
	}
	consents, _, err := scan(ctx, s.dir.Grants(), Paging{Limit: 1}, func(g *relay.Grant) string { return g.ID },
		func(g *relay.Grant) bool { return g.App == rec.ID && g.Ended == "" })
	if err == nil && len(consents) > 0 {
		err = &Conflict{Message: "People have consented to this application as it is. Make a new one, and let them consent to that."}
	}
	return err
}

// checkEndpoints wants https everywhere: a token or a secret would travel in clear.
func checkEndpoints(e relay.Endpoints) error {
	for field, text := range map[string]string{
		"auth": e.Auth, "token": e.Token, "device": e.Device, "revoke": e.Revoke, "admin_consent": e.AdminConsent, "graph": e.Graph, "gmail": e.Gmail,
	} {
		if u, err := url.Parse(text); text != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil) {
			return wrong("endpoints."+field, "The address must begin with https:// and name a server.")
		}
	}
	for name := range strings.FieldsSeq(e.Mail) {
		if _, err := host("endpoints.mail", name); err != nil {
			return err
		}
	}
	return nil
}
