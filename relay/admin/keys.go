package admin

import (
	"context"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// keys serves DKIM keys (RFC 6376). Their private halves never leave the program.
type keys struct {
	*desk
	maker KeyMaker
}

func (k keys) register(a huma.API) {
	list(k.desk, a, "dkim-key", "/dkim-keys", "List DKIM keys with their DNS records", k.list)
	create(k.desk, a, "dkim-key", "/dkim-keys", "Generate a DKIM key", k.create)
	get(k.desk, a, "dkim-key", "/dkim-keys/{id}", "Show a DKIM key with its DNS record", k.get)
	remove(k.desk, a, "dkim-key", "/dkim-keys/{id}", "Delete a DKIM key", k.remove)
}

func keyOwner(k *relay.Key) string { return k.Organisation }

// view shows a key with the record that publishes it.
func (k keys) view(ctx context.Context, rec *relay.Key) (api.Key, error) {
	name, value, err := k.maker.Record(ctx, rec)
	if err != nil {
		return api.Key{}, err
	}
	return api.Key{
		ID: rec.ID, Organisation: rec.Organisation, Domain: rec.Domain, Selector: rec.Selector,
		Algorithm: rec.Algorithm, Created: rec.Created.UTC(), Revision: rec.Revision,
		DNSName: name, DNSType: "TXT", DNSValue: value,
	}, nil
}

type listKeys struct {
	Paging
	Domain string `query:"domain" maxLength:"253" doc:"Only those of this domain"`
}

func (k keys) list(ctx context.Context, in *listKeys) (*listed[api.Key], error) {
	domain := in.Domain
	if parsed, err := mailaddr.ParseDomain(domain); err == nil {
		domain = parsed
	}
	who := callerOf(ctx)
	recs, next, err := scan(ctx, k.dir.Keys(), in.Paging, func(r *relay.Key) string { return r.ID },
		func(r *relay.Key) bool {
			return who.reaches(r.Organisation) && (domain == "" || domain == r.Domain)
		})
	if err != nil {
		return nil, err
	}
	out := &listed[api.Key]{Body: api.List[api.Key]{Items: []api.Key{}, Next: next}}
	for _, rec := range recs {
		v, err := k.view(ctx, rec)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, v)
	}
	return out, nil
}

func (k keys) create(ctx context.Context, in *creation[api.KeyInput]) (*made[api.Key], error) {
	rec := &relay.Key{ID: newID("key", k.now()), Algorithm: in.Body.Algorithm, Created: k.now().UTC()}
	if rec.Algorithm == "" {
		rec.Algorithm = "rsa-sha256"
	}
	if err := k.place(ctx, rec, in.Body); err != nil {
		return nil, err
	}
	if err := k.maker.Generate(ctx, rec); err != nil {
		return nil, err
	}
	if err := k.dir.Keys().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	body, err := k.view(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &made[api.Key]{ETag: etag(rec.Revision), Location: api.Prefix + "/dkim-keys/" + rec.ID, Body: body}, nil
}

// place gives a new key its domain, owner and selector. A domain that no
// organisation owns is the operator's own: relayd signs with it where the From
// domain has no key.
func (k keys) place(ctx context.Context, rec *relay.Key, in api.KeyInput) error {
	domain, err := mailaddr.ParseDomain(in.Domain)
	if err != nil {
		return wrong("domain", "%q is not a domain name.", relay.Printable(in.Domain))
	}
	owner, err := k.ownerOf(ctx, domain)
	if err != nil {
		return err
	}
	if owner != nil {
		rec.Organisation = owner.ID
	}
	if !callerOf(ctx).reaches(rec.Organisation) {
		return wrong("domain", "The domain %s does not belong to your organisation.", domain)
	}
	rec.Domain, rec.Selector = domain, in.Selector
	if rec.Selector == "" {
		rec.Selector = selector(rec.Created, rec.Algorithm)
	}
	return k.free(ctx, rec)
}

func (k keys) free(ctx context.Context, rec *relay.Key) error {
	there, err := k.dir.KeysOf(ctx, rec.Domain)
	if err != nil {
		return err
	}
	for i := range there {
		if there[i].Selector == rec.Selector {
			return taken("selector", "The domain %s has a key with the selector %s already.", rec.Domain, rec.Selector)
		}
	}
	return nil
}

// selector names a key after its day and algorithm, so that a key of each
// algorithm can be made on one day and its age can be read in the DNS.
func selector(made time.Time, algorithm string) string {
	kind, _, _ := strings.Cut(algorithm, "-")
	return "relayd-" + made.Format("20060102") + "-" + kind
}

func (k keys) get(ctx context.Context, in *byID) (*shown[api.Key], error) {
	rec, err := find(ctx, k.dir.Keys(), in.ID, keyOwner)
	if err != nil {
		return nil, err
	}
	body, err := k.view(ctx, rec)
	if err != nil {
		return nil, err
	}
	return &shown[api.Key]{ETag: etag(rec.Revision), Body: body}, nil
}

func (k keys) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if _, err := find(ctx, k.dir.Keys(), in.ID, keyOwner); err != nil {
		return nil, err
	}
	return nil, k.dir.Keys().Delete(ctx, in.ID)
}
