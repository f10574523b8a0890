package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

func appOnly(app *relay.App) {
	app.Vendor, app.Kind, app.Tenant = "microsoft", relay.AppOnly, testTenant
}

func (w *world) bound(id, address string, app *relay.App) *relay.Account {
	a := w.account(id, address, app)
	a.Binding = relay.Binding{Kind: relay.BindingMapping, By: "admin", At: now()}
	return a
}

// The secret of an application opens every mailbox: only an address that is bound to
// its user gets a token.
func TestNotBound(t *testing.T) {
	t.Parallel()
	for _, kind := range []relay.AppKind{relay.AppOnly, relay.AppServiceAccount} {
		w := newWorld(t)
		a := w.account("jane", "ceo@acme.example", w.app(func(app *relay.App) { appOnly(app); app.Kind = kind }))
		err := w.failedToken(a)
		if !errors.Is(err, ErrNotBound) || !strings.HasPrefix(err.Reply.Text, "local: not bound") {
			t.Errorf("%s: %v", kind, err)
		}
		if len(w.vendor.requests("/token")) != 0 {
			t.Errorf("%s: the vendor was asked", kind)
		}
	}
}

// One token for all accounts of an app-only application.
func TestAppOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(appOnly)
	jane, bob := w.bound("jane", "jane@acme.example", app), w.bound("bob", "bob@acme.example", app)
	if w.mustToken(jane) != w.mustToken(bob) {
		t.Error("two tokens for the same thing")
	}
	if _, _, err := w.Token(t.Context(), bob, relay.ResourceGraph); err != nil {
		t.Fatal(err)
	}
	requests := w.vendor.requests("/token")
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	form := requests[0].form
	if form.Get("grant_type") != "client_credentials" || form.Get("scope") != "https://outlook.office365.com/.default" || form.Get("client_secret") != clientSecret {
		t.Errorf("asked with %v", form)
	}
	if got := requests[1].form.Get("scope"); got != "https://graph.microsoft.com/.default" {
		t.Errorf("asked for %q", got)
	}
}

func TestAppOnlyNeedsItsTenant(t *testing.T) {
	t.Parallel()
	for _, tenant := range []string{"", "common", "organizations"} {
		w := newWorld(t)
		a := w.bound("jane", "jane@acme.example", w.app(func(app *relay.App) { appOnly(app); app.Tenant = tenant }))
		if err := w.failedToken(a); !errors.Is(err, ErrApp) || !strings.HasPrefix(err.Reply.Text, "invalid_client: ") {
			t.Error(err)
		}
	}
}

func keyFileOf(t *testing.T, key any, change func(map[string]string)) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := map[string]string{
		"type": "service_account", "client_email": "relayd@project.iam.example", "private_key_id": "key-1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   "https://evil.example/token",
	}
	if change != nil {
		change(file)
	}
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newRSA(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A service account signs a request for each mailbox.
func TestServiceAccount(t *testing.T) {
	t.Parallel()
	key := newRSA(t, 2048)
	w := newWorld(t)
	app := w.app(func(app *relay.App) {
		app.Kind = relay.AppServiceAccount
		sealed, err := SealAppSecret(sealer{}, app, relay.Secret(keyFileOf(t, key, nil)))
		if err != nil {
			t.Fatal(err)
		}
		app.Secret = sealed
	})
	jane, bob := w.bound("jane", "jane@acme.example", app), w.bound("bob", "bob@acme.example", app)
	if first := w.mustToken(jane); first == w.mustToken(bob) || first != w.mustToken(jane) {
		t.Error("not one token for each mailbox")
	}
	requests := w.vendor.requests("/token")
	if len(requests) != 2 {
		t.Fatalf("%d requests", len(requests))
	}
	parts := strings.Split(requests[0].form.Get("assertion"), ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		t.Error(err)
	}
	var claims struct {
		Iss, Sub, Aud, Scope string
		Iat, Exp             int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "relayd@project.iam.example" || claims.Sub != "jane@acme.example" || claims.Aud != vendorURL+"/token" ||
		claims.Scope != "https://mail.google.com/" || claims.Exp <= claims.Iat || claims.Exp-claims.Iat > 3620 {
		t.Errorf("the claims are %+v", claims)
	}
}

// A mailbox that Google does not know is no reason to ask again at once, nor for the
// others.
func TestServiceAccountRefusals(t *testing.T) {
	t.Parallel()
	secret := keyFileOf(t, newRSA(t, 2048), nil)
	for _, test := range []struct {
		status         int
		code, text     string
		others, domain int // requests for another mailbox, and for one in another domain
	}{
		{400, "invalid_grant", "account not found", 1, 1},
		{400, "invalid_request", "Invalid principal", 1, 1},
		{401, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method.", 0, 1},
		{401, "invalid_client", "The OAuth client was not found.", 0, 0},
	} {
		w := newWorld(t)
		app := w.app(func(app *relay.App) {
			app.Kind = relay.AppServiceAccount
			app.Secret = sealer{}.Seal(sealApp, app.ID, sealSecret, []byte(secret))
		})
		w.vendor.run(func(*http.Request, url.Values) *said { return refusal(test.status, test.code, test.text) })
		asked := 0
		ask := func(id, address string, wanted int) {
			a := w.bound(id, address, app)
			for range 3 {
				if err := w.failedToken(a); err.Reply.Text != test.code+": "+test.text {
					t.Error(err)
				}
			}
			asked += wanted
			if n := len(w.vendor.requests("/token")); n != asked {
				t.Errorf("%s, %s: %d requests, not %d", test.code, id, n, asked)
			}
		}
		ask("jane", "jane@acme.example", 1)
		ask("bob", "bob@acme.example", test.others)
		ask("eve", "eve@other.example", test.domain)
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := newRSA(t, 2048)
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	with := func(name, value string) string {
		return keyFileOf(t, key, func(file map[string]string) { file[name] = value })
	}
	for _, test := range []struct{ name, text, wanted string }{
		{"as Google makes it", with("x", "y"), ""},
		{"an older form of the key", with("private_key", pkcs1), ""},
		{"nothing", "", "no JSON"},
		{"no JSON", "canary-secret", "no JSON"},
		{"huge", with("x", strings.Repeat("a", maxKeyFile)), "no JSON"},
		{"another type", with("type", "authorized_user"), "not of a service account"},
		{"no address", with("client_email", ""), "client_email"},
		{"an address with a line end", with("client_email", "a\nb"), "client_email"},
		{"no PEM", with("private_key", "canary-secret"), "no PEM"},
		{"a damaged key", with("private_key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "no RSA key"},
		{"another kind of key", keyFileOf(t, ec, nil), "no RSA key"},
		{"a short key", keyFileOf(t, newRSA(t, 1024), nil), "size"},
	} {
		app := &relay.App{ID: "app-1", Kind: relay.AppServiceAccount}
		sealed, err := SealAppSecret(sealer{}, app, relay.Secret(test.text))
		if test.text == "" {
			if err != nil || sealed != nil {
				t.Errorf("no secret: %v", err)
			}
			_, err = parseKeyFile(nil)
		}
		if test.wanted == "" && err == nil {
			continue
		}
		if err == nil || !errors.Is(err, ErrApp) || !strings.Contains(err.Error(), test.wanted) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A secret that is wrong for a thousand accounts causes one request, until the
// application is changed.
func TestWrongSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(microsoft)
	w.vendor.say(401, `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys are expired."}`)
	accounts := make([]*relay.Account, 1000)
	for i := range accounts {
		accounts[i] = w.account(fmt.Sprint(i), fmt.Sprintf("p%d@acme.example", i), app)
		w.consent(accounts[i])
	}
	all := func() (failed int) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, a := range accounts {
			wg.Go(func() {
				_, _, err := w.Token(t.Context(), a, relay.ResourceMail)
				var told *relay.TokenError
				if errors.As(err, &told) && told.App == app.ID && strings.Contains(told.Reply.Text, "AADSTS7000222") {
					mu.Lock()
					failed++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		return failed
	}
	if failed := all(); failed != 1000 {
		t.Errorf("%d failed", failed)
	}
	if n := len(w.vendor.requests("/token")); n != 1 {
		t.Errorf("%d requests", n)
	}
	if heard := w.watcher.heard(&w.watcher.failed); len(heard) != 1 {
		t.Errorf("heard of %d failures", len(heard))
	}
	w.vendor.run(nil)
	changed, err := w.apps.Get(t.Context(), app.ID)
	if err != nil {
		t.Fatal(err)
	}
	changed.Secret = sealer{}.Seal(sealApp, app.ID, sealSecret, []byte("a new secret"))
	if err := w.apps.Put(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if failed := all(); failed != 0 {
		t.Errorf("%d failed with a new secret", failed)
	}
	for _, g := range w.grants.records {
		if g.Ended != "" {
			t.Errorf("the consent %s ended", g.ID)
		}
	}
}

// A refused application is tried again by one request an hour: a vendor takes a while to
// know a new secret.
func TestRefusedAppIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(microsoft))
		w.consent(a)
		w.vendor.say(401, `{"error":"invalid_client"}`)
		w.failedToken(a)
		w.vendor.run(nil)
		time.Sleep(refusedPause - time.Second)
		w.failedToken(a)
		time.Sleep(time.Second)
		w.mustToken(a)
	})
}

// An application has so many requests under way at one time and no more.
func TestTogether(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, newVendorServer(t), func(o *Options) { o.Together = 3 })
	app := w.app(nil)
	first := w.account("first", "first@acme.example", app)
	w.consent(first)
	w.mustToken(first) // the application is known to work
	arrived, goOn := make(chan struct{}, 50), make(chan struct{})
	w.vendor.run(func(*http.Request, url.Values) *said {
		arrived <- struct{}{}
		<-goOn
		return nil
	})
	var wg sync.WaitGroup
	for i := range 50 {
		a := w.account(fmt.Sprint(i), "jane@acme.example", app)
		w.consent(a)
		wg.Go(func() { w.mustToken(a) })
	}
	for range 3 {
		<-arrived
	}
	select {
	case <-arrived:
		t.Error("a fourth request")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	wg.Wait()
}
