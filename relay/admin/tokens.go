package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// A token is "rlt_" + the text of its id + "_" + its secret. The id finds the
// record, so that only one hash is compared; the prefix lets scanners of source
// code find tokens that were published by mistake.
const (
	tokenPrefix  = "rlt_"
	tokenSecret  = 32 // octets of randomness: nobody guesses it, so a plain hash is enough
	tokenRecord  = "tok_"
	maxTokenText = 200 // octets of a token that are looked at
)

var (
	errNoToken = errors.New("no token")
	errExpired = errors.New("the token has expired")

	tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
)

// tokens serves the bearer tokens of this API.
type tokens struct {
	*desk
}

func (t tokens) register(a huma.API) {
	list(t.desk, a, "token", "/tokens", "List tokens", t.list)
	create(t.desk, a, "token", "/tokens", "Make a token; the answer shows it once", t.create)
	remove(t.desk, a, "token", "/tokens/{id}", "Revoke a token", t.remove)
}

func viewToken(t *relay.Token) api.Token {
	return api.Token{ID: t.ID, Name: t.Name, Organisation: t.Organisation, Created: t.Created.UTC(), Expires: moment(t.Expires)}
}

func (t tokens) list(ctx context.Context, in *Paging) (*listed[api.Token], error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	recs, next, err := scan(ctx, t.dir.Tokens(), *in, func(r *relay.Token) string { return r.ID },
		func(*relay.Token) bool { return true })
	if err != nil {
		return nil, err
	}
	return &listed[api.Token]{Body: api.List[api.Token]{Items: views(recs, viewToken), Next: next}}, nil
}

func (t tokens) create(ctx context.Context, in *creation[api.TokenInput]) (*made[api.TokenSecret], error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	if err := plainText("name", in.Body.Name); err != nil {
		return nil, err
	}
	if _, err := t.organisation(ctx, in.Body.Organisation); err != nil {
		return nil, err
	}
	text, rec := newToken(t.now())
	rec.Name, rec.Organisation = in.Body.Name, in.Body.Organisation
	if in.Body.Expires != nil {
		if !in.Body.Expires.After(t.now()) {
			return nil, wrong("expires", "The token would have expired already.")
		}
		rec.Expires = in.Body.Expires.UTC()
	}
	if err := t.dir.Tokens().Put(ctx, rec); err != nil {
		return nil, err
	}
	noteTarget(ctx, rec.ID)
	return &made[api.TokenSecret]{
		ETag: etag(rec.Revision), Location: api.Prefix + "/tokens",
		Body: api.TokenSecret{Token: viewToken(rec), Secret: text.Reveal()},
	}, nil
}

func (t tokens) remove(ctx context.Context, in *byID) (*struct{}, error) {
	if err := callerOf(ctx).operator(); err != nil {
		return nil, err
	}
	return nil, t.dir.Tokens().Delete(ctx, in.ID)
}

// newToken makes a token and the record to keep of it.
func newToken(now time.Time) (relay.Secret, *relay.Token) {
	id := relay.NewID(now).String()
	random := make([]byte, tokenSecret)
	rand.Read(random) //nolint:errcheck // never fails since Go 1.24
	secret := tokenEncoding.EncodeToString(random)
	hash := sha256.Sum256([]byte(secret))
	rec := &relay.Token{ID: tokenRecord + id, Hash: hash[:], Created: now.UTC()}
	return relay.Secret(tokenPrefix + id + "_" + secret), rec
}

// checkToken finds the record of a token. An unknown id costs the same comparison
// as a wrong secret (attacks W11).
func checkToken(ctx context.Context, table store.Table[relay.Token], text relay.Secret, now time.Time) (*relay.Token, error) {
	id, secret, ok := strings.Cut(strings.TrimPrefix(text.Reveal(), tokenPrefix), "_")
	if !ok || len(text) > maxTokenText || !strings.HasPrefix(text.Reveal(), tokenPrefix) {
		return nil, errNoToken
	}
	rec, err := table.Get(ctx, tokenRecord+id)
	if errors.Is(err, store.ErrNotFound) {
		rec = &relay.Token{Hash: make([]byte, sha256.Size)}
	} else if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(hash[:], rec.Hash) != 1 {
		return nil, errNoToken
	}
	// Only the holder of the right secret learns that it has expired.
	if !rec.Expires.IsZero() && !now.Before(rec.Expires) {
		return nil, errExpired
	}
	return rec, nil
}
