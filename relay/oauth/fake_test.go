package oauth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// table is a table of the directory in memory, with the promises of store.Table.
type table[T any] struct {
	id       func(*T) string
	revision func(*T) *uint64

	mu      sync.Mutex
	records map[string]T
	puts    int
	before  func(rec *T) error // of every Put; an error refuses it
}

func newTable[T any](id func(*T) string, revision func(*T) *uint64) *table[T] {
	return &table[T]{id: id, revision: revision, records: map[string]T{}}
}

func (t *table[T]) Get(ctx context.Context, id string) (*T, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rec, ok := t.records[id]
	if !ok {
		return nil, store.ErrNotFound
	}
	return &rec, nil
}

func (t *table[T]) Put(_ context.Context, rec *T) error {
	t.mu.Lock()
	before := t.before
	t.mu.Unlock()
	if before != nil {
		if err := before(rec); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old, ok := t.records[t.id(rec)]
	switch r := *t.revision(rec); {
	case r == 0 && ok:
		return store.ErrExists
	case r != 0 && !ok:
		return store.ErrNotFound
	case ok && *t.revision(&old) != r:
		return store.ErrStale
	}
	*t.revision(rec)++
	t.records[t.id(rec)] = *rec
	t.puts++
	return nil
}

func (t *table[T]) Delete(_ context.Context, id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.records[id]; !ok {
		return store.ErrNotFound
	}
	delete(t.records, id)
	return nil
}

func (t *table[T]) List(_ context.Context, after string, limit int) ([]*T, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []*T
	for _, id := range slices.SortedFunc(maps.Keys(t.records), cmp.Compare[string]) {
		if id > after && len(out) < limit {
			rec := t.records[id]
			out = append(out, &rec)
		}
	}
	return out, nil
}

func (t *table[T]) onPut(before func(rec *T) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.before = before
}

// sealer binds to the place, and hides the text from whoever searches for it.
type sealer struct{}

var errSealed = errors.New("sealed for another place")

func (sealer) Seal(kind, id, field string, plain []byte) []byte {
	place := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", kind, id, field))
	return []byte(base64.StdEncoding.EncodeToString(append(place[:], plain...)))
}

func (sealer) Unseal(kind, id, field string, sealed []byte) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(string(sealed))
	place := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", kind, id, field))
	if err != nil || len(raw) < len(place) || string(raw[:len(place)]) != string(place[:]) {
		return nil, errSealed
	}
	return raw[len(place):], nil
}

// watcher keeps what the observer hears.
type watcher struct {
	mu       sync.Mutex
	obtained []string
	ended    []string
	failed   []string
}

func (w *watcher) ConsentObtained(g *relay.Grant) { w.note(&w.obtained, g.ID) }
func (w *watcher) ConsentEnded(g *relay.Grant, err *relay.TokenError) {
	w.note(&w.ended, g.ID+" "+err.Error())
}
func (w *watcher) TokenFailed(account, app string, err *relay.TokenError) {
	w.note(&w.failed, account+" "+app+" "+err.Error())
}

func (w *watcher) note(list *[]string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, text)
}

func (w *watcher) heard(list *[]string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(*list)
}

// world is a service with its directory and a vendor.
type world struct {
	*Service
	t        *testing.T
	vendor   *vendorServer
	grants   *table[relay.Grant]
	apps     *table[relay.App]
	accounts *table[relay.Account]
	watcher  *watcher
}

const (
	testRedirect = "https://relayd.example/oauth/callback"
	testLogin    = "session-1"
	testTenant   = "11111111-2222-3333-4444-555555555555"
	clientSecret = "canary-client-secret"
)

// newWorld opens a service that talks to a vendor on loopback.
func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldAt(t, newVendorServer(t), nil)
}

func newWorldAt(t *testing.T, v *vendorServer, change func(*Options)) *world {
	t.Helper()
	w := &world{
		t: t, vendor: v, watcher: &watcher{},
		grants:   newTable(func(g *relay.Grant) string { return g.ID }, func(g *relay.Grant) *uint64 { return &g.Revision }),
		apps:     newTable(func(a *relay.App) string { return a.ID }, func(a *relay.App) *uint64 { return &a.Revision }),
		accounts: newTable(func(a *relay.Account) string { return a.ID }, func(a *relay.Account) *uint64 { return &a.Revision }),
	}
	o := Options{
		Apps: w.apps, Grants: w.grants, Accounts: w.accounts, Sealer: sealer{}, Dialer: v.dialer,
		Observer: w.watcher, Roots: v.roots, RedirectURL: testRedirect, RequestTimeout: 5 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	w.Service = s
	t.Cleanup(s.Close)
	return w
}

// app makes an application at the test's vendor.
func (w *world) app(change func(*relay.App)) *relay.App {
	w.t.Helper()
	app := &relay.App{
		ID: "app-1", Vendor: "google", Kind: relay.AppConsent, ClientID: "client-1", Name: "The app",
		Endpoints: relay.Endpoints{
			Auth: vendorURL + "/auth", Token: vendorURL + "/token", Device: vendorURL + "/device",
			Revoke: vendorURL + "/revoke", AdminConsent: vendorURL + "/admin",
		},
	}
	if change != nil {
		change(app)
	}
	if app.Secret == nil {
		app.Secret = sealer{}.Seal(sealApp, app.ID, sealSecret, []byte(clientSecret))
	}
	if err := w.apps.Put(w.t.Context(), app); err != nil {
		w.t.Fatal(err)
	}
	return app
}

func microsoft(app *relay.App) { app.Vendor = "microsoft" }

// account makes an account that signs in with the application.
func (w *world) account(id, address string, app *relay.App) *relay.Account {
	w.t.Helper()
	signIn := relay.SignInConsent
	if app.Kind != relay.AppConsent {
		signIn = relay.SignInApp
	}
	a := &relay.Account{
		ID: id, Organisation: "acme", Address: addressOf(address),
		Settings: relay.Settings{SignIn: signIn, App: app.ID},
	}
	if err := w.accounts.Put(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
	return a
}

func addressOf(text string) relay.Address {
	for i := range len(text) {
		if text[i] == '@' {
			return relay.Address{Local: text[:i], Domain: text[i+1:]}
		}
	}
	return relay.Address{}
}

// consent gives the account a consent, without a browser.
func (w *world) consent(a *relay.Account) *relay.Grant {
	w.t.Helper()
	return w.grant(a.ID, a)
}

func (w *world) grant(id string, a *relay.Account) *relay.Grant {
	w.t.Helper()
	token := w.vendor.consent()
	g := &relay.Grant{
		ID: id, App: a.App, Address: a.Address.String(), Refresh: w.sealRefresh(id, relay.Secret(token)),
		Scopes: []string{"https://mail.google.com/"}, Obtained: now(), Rotated: now(), Used: now(),
	}
	if err := w.grants.Put(w.t.Context(), g); err != nil {
		w.t.Fatal(err)
	}
	return g
}

// stored gives the refresh token of a record.
func (w *world) stored(id string) string {
	w.t.Helper()
	g, err := w.grants.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := w.refreshOf(g)
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Reveal()
}

// mustToken gives a token for mail.
func (w *world) mustToken(a *relay.Account) relay.Secret {
	w.t.Helper()
	token, app, err := w.Token(w.t.Context(), a, relay.ResourceMail)
	if err != nil {
		w.t.Fatalf("no token for %s: %v", a.ID, err)
	}
	if app == nil || app.Secret != nil || app.ID != a.App {
		w.t.Fatalf("the application of the token is %+v", app)
	}
	return token
}

// failedToken gives the error of a token that must not be there.
func (w *world) failedToken(a *relay.Account) *relay.TokenError {
	w.t.Helper()
	token, _, err := w.Token(w.t.Context(), a, relay.ResourceMail)
	var told *relay.TokenError
	if token != "" || !errors.As(err, &told) {
		w.t.Fatalf("the token is %q, the error %T %v", token.Reveal(), err, err)
	}
	return told
}
