package oauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// A thousand who want a token at the same time cause one request.
func TestStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	storm(t, func() (relay.Secret, error) {
		token, _, err := w.Token(t.Context(), a, relay.ResourceMail)
		return token, err
	})
	if n := len(w.vendor.requests("/token")); n != 1 {
		t.Errorf("%d requests for the first token", n)
	}
	stale := w.mustToken(a)
	storm(t, func() (relay.Secret, error) {
		token, _, err := w.Renew(t.Context(), a, relay.ResourceMail, stale)
		if token == stale {
			t.Error("the stale token came back")
		}
		return token, err
	})
	if n := len(w.vendor.requests("/token")); n != 2 {
		t.Errorf("%d requests after the token was refused", n)
	}
}

// storm calls get from a thousand goroutines; all must be given the same token.
func storm(t *testing.T, get func() (relay.Secret, error)) {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	var first atomic.Pointer[relay.Secret]
	for range 1000 {
		wg.Go(func() {
			<-start
			token, err := get()
			if err != nil {
				t.Error(err)
			}
			if !first.CompareAndSwap(nil, &token) && *first.Load() != token {
				t.Errorf("two tokens: %q and %q", token.Reveal(), first.Load().Reveal())
			}
		})
	}
	close(start)
	wg.Wait()
}

// Who gives up waiting does not end the request for the others.
func TestWaiterGivesUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.vendor.run(func(*http.Request, url.Values) *said {
		close(arrived)
		<-goOn
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	_, _, err := w.Token(ctx, a, relay.ResourceMail)
	var told *relay.TokenError
	if !errors.As(err, &told) || !errors.Is(err, context.Canceled) || told.Reply.Text != "local: connection lost because the attempt was broken off" {
		t.Errorf("%v", err)
	}
	close(goOn)
	w.mustToken(a)
	if n := len(w.vendor.requests("/token")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A token is replaced five minutes before its end, and meanwhile still good.
func TestRefreshAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		first := w.mustToken(a)
		time.Sleep(54 * time.Minute)
		if w.mustToken(a) != first {
			t.Error("replaced too early")
		}
		time.Sleep(90 * time.Second)
		if w.mustToken(a) != first {
			t.Error("nobody has to wait for a token while there is a good one")
		}
		synctest.Wait()
		second := w.mustToken(a)
		if second == first {
			t.Error("not replaced")
		}
		// The vendor is down in the last five minutes: the token is used up to its end.
		w.vendor.say(503, "")
		time.Sleep(57 * time.Minute)
		if w.mustToken(a) != second {
			t.Error("a good token was thrown away")
		}
		time.Sleep(4 * time.Minute)
		if err := w.failedToken(a); err.Reply.Code != 503 {
			t.Error(err)
		}
	})
}

// Tokens that live shorter than five minutes are not fetched for each use.
func TestShortToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.vendor.set(func(v *vendorServer) { v.lifetime = 60 })
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		first := w.mustToken(a)
		time.Sleep(40 * time.Second)
		if w.mustToken(a) != first {
			t.Error("replaced too early")
		}
		time.Sleep(21 * time.Second)
		if w.mustToken(a) == first {
			t.Error("used after its end")
		}
	})
}

// Each resource has a token of its own, of the same consent; scopes are named where a
// token opens one resource only.
func TestResources(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		vendor string
		other  relay.Resource
		scopes []string
	}{
		{"microsoft", relay.ResourceGraph, []string{
			"https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
			"https://graph.microsoft.com/Mail.Send offline_access",
		}},
		{"google", relay.ResourceGmail, []string{"", ""}},
	} {
		t.Run(test.vendor, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.vendor.set(func(v *vendorServer) { v.rotating = true })
			a := w.account("jane", "jane@acme.example", w.app(func(app *relay.App) { app.Vendor = test.vendor }))
			w.consent(a)
			mail := w.mustToken(a)
			other, _, err := w.Token(t.Context(), a, test.other)
			if err != nil || other == mail {
				t.Fatalf("%v, %t", err, other == mail)
			}
			requests := w.vendor.requests("/token")
			if len(requests) != 2 {
				t.Fatalf("%d requests", len(requests))
			}
			for i, want := range test.scopes {
				if got := requests[i].form.Get("scope"); got != want {
					t.Errorf("request %d has the scopes %q", i, got)
				}
			}
			if requests[1].form.Get("refresh_token") == requests[0].form.Get("refresh_token") {
				t.Error("the replaced refresh token was used again")
			}
		})
	}
}

// A resource that nobody consented to does not end the consent for the other.
func TestMissingResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account("jane", "jane@acme.example", w.app(microsoft))
	w.consent(a)
	w.vendor.say(400, `{"error":"invalid_grant","error_description":"AADSTS65001: The user or administrator has not consented"}`)
	for range 3 {
		if _, _, err := w.Token(t.Context(), a, relay.ResourceGraph); err == nil {
			t.Error("a token")
		}
	}
	w.vendor.run(nil)
	w.mustToken(a)
	if n := len(w.vendor.requests("/token")); n != 2 {
		t.Errorf("%d requests", n)
	}
	if g, _ := w.grants.Get(t.Context(), "jane"); g.Ended != "" {
		t.Errorf("the consent ended: %s", g.Ended)
	}
}

// Renew asks once: a token that was fetched for that reason a moment ago is as good as
// the next one.
func TestRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		renew := func(stale relay.Secret) relay.Secret {
			token, _, err := w.Renew(t.Context(), a, relay.ResourceMail, stale)
			if err != nil {
				t.Fatal(err)
			}
			return token
		}
		first := w.mustToken(a)
		second := renew(first)
		if second == first || renew(first) != second || renew(second) != second {
			t.Error("not renewed once")
		}
		if n := len(w.vendor.requests("/token")); n != 2 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(RetryAfter)
		if renew(second) == second {
			t.Error("not renewed after a minute")
		}
	})
}

// The new refresh token is durable before the access token is given out.
func TestDurableBeforeUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	writing, goOn := make(chan struct{}), make(chan struct{})
	w.grants.onPut(func(*relay.Grant) error {
		close(writing)
		<-goOn
		return nil
	})
	given := make(chan relay.Secret)
	go func() {
		token, _, _ := w.Token(t.Context(), a, relay.ResourceMail)
		given <- token
	}()
	<-writing
	select {
	case <-given:
		t.Error("given out before it was durable")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if <-given == "" {
		t.Error("no token")
	}
	if got := w.stored("jane"); !w.vendor.isNewest(got) {
		t.Errorf("stored is %s", got)
	}
}

// What the store does not take is given to nobody, kept in memory, and stored before
// the vendor is asked again: the refresh token in the store may be worth nothing.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.vendor.set(func(v *vendorServer) { v.rotating = true })
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		w.grants.onPut(func(*relay.Grant) error { return store.ErrFull })
		err := w.failedToken(a)
		if !errors.Is(err, store.ErrFull) || err.Reply.Text != "local: protocol a fault in relayd" {
			t.Errorf("%v", err)
		}
		w.failedToken(a)
		if n := len(w.vendor.requests("/token")); n != 1 {
			t.Errorf("%d requests within a minute", n)
		}
		time.Sleep(RetryAfter)
		w.failedToken(a)
		w.vendor.set(func(v *vendorServer) { // the vendor forgets the one in the store
			for _, g := range v.refreshes {
				g.dead = g.succeeded
			}
		})
		w.grants.onPut(nil)
		time.Sleep(RetryAfter)
		w.mustToken(a)
		requests := w.vendor.requests("/token")
		if len(requests) != 2 || requests[1].form.Get("refresh_token") != "canary-refresh-2" {
			t.Errorf("%d requests", len(requests))
		}
	})
}

// A new consent comes while a refresh of the old one is under way.
func TestConsentDuringRefresh(t *testing.T) {
	t.Parallel()
	for _, refused := range []bool{false, true} {
		w := newWorld(t)
		w.vendor.set(func(v *vendorServer) { v.rotating = true })
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		var once sync.Once
		w.vendor.run(func(_ *http.Request, form url.Values) (answer *said) {
			if form.Get("grant_type") != "refresh_token" {
				return nil
			}
			once.Do(func() {
				if _, _, err := w.comeBack(w.begin(nil), "jane@acme.example", nil); err != nil {
					t.Error(err)
				}
				if refused {
					answer = refusal(400, "invalid_grant", "Token has been expired or revoked.")
				}
			})
			return answer
		})
		w.mustToken(a)
		g, err := w.grants.Get(t.Context(), "jane")
		if err != nil || g.Ended != "" {
			t.Errorf("refused %t: %v, ended %q", refused, err, g.Ended)
		}
		w.vendor.run(nil)
		if token, _, err := w.Renew(t.Context(), a, relay.ResourceMail, w.mustToken(a)); err != nil || token == "" {
			t.Errorf("refused %t: the stored token does not work: %v", refused, err)
		}
	}
}

// Who has a new consent does not wait for what becomes of the old one.
func TestNewConsentDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.vendor.run(func(_ *http.Request, form url.Values) *said {
		if form.Get("grant_type") != "refresh_token" {
			return nil
		}
		close(arrived)
		<-goOn
		return refusal(400, "invalid_grant", "Token has been expired or revoked.")
	})
	old := make(chan error)
	go func() {
		_, _, err := w.Token(t.Context(), a, relay.ResourceMail)
		old <- err
	}()
	<-arrived
	if _, _, err := w.comeBack(w.begin(nil), "jane@acme.example", nil); err != nil {
		t.Fatal(err)
	}
	w.mustToken(a)
	w.vendor.run(nil)
	close(goOn)
	if err := <-old; err != nil {
		t.Errorf("the old request was not made again: %v", err)
	}
	w.mustToken(a)
	if heard := w.watcher.heard(&w.watcher.ended); len(heard) != 0 {
		t.Errorf("heard of %q", heard)
	}
}

// The time of use is noted to the day; that this fails stops no mail.
func TestUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		g := w.consent(a)
		w.mustToken(a)
		time.Sleep(2 * time.Hour)
		w.mustToken(a)
		if w.grants.puts != 1 {
			t.Errorf("%d writes", w.grants.puts)
		}
		time.Sleep(24 * time.Hour)
		w.grants.onPut(func(*relay.Grant) error { return store.ErrFull })
		w.mustToken(a)
		w.grants.onPut(nil)
		time.Sleep(2 * time.Hour)
		w.mustToken(a)
		if got, _ := w.grants.Get(t.Context(), "jane"); !got.Used.After(g.Used) || !got.Rotated.Equal(g.Rotated) {
			t.Errorf("used %s, rotated %s", got.Used, got.Rotated)
		}
	})
}

// Whose token it is must be clear before anybody is asked.
func TestNoSource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	app := w.app(nil)
	a := w.account("jane", "jane@acme.example", app)
	for _, test := range []struct {
		name   string
		change func(a *relay.Account)
		wanted error
	}{
		{"no consent", func(*relay.Account) {}, ErrNoConsent},
		{"no application", func(a *relay.Account) { a.App = "" }, ErrApp},
		{"one that is gone", func(a *relay.Account) { a.App = "x" }, ErrApp},
		{"a password", func(a *relay.Account) { a.SignIn = relay.SignInPassword }, ErrApp},
		{"the wrong kind", func(a *relay.Account) { a.SignIn = relay.SignInApp }, ErrApp},
	} {
		c := a.Clone()
		test.change(c)
		if err := w.failedToken(c); !errors.Is(err, test.wanted) || err.App != c.App {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	other := w.app(func(app *relay.App) { app.ID = "app-2" })
	w.consent(a)
	c := a.Clone()
	c.App = other.ID
	if err := w.failedToken(c); !errors.Is(err, ErrNoConsent) {
		t.Errorf("a consent for another application: %v", err)
	}
	if n := len(w.vendor.requests("/token")); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// The end of the service lets a refresh end, and begins none.
func TestClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	before := w.stored("jane")
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.vendor.run(func(*http.Request, url.Values) *said {
		close(arrived)
		<-goOn
		return nil
	})
	go func() { _, _, _ = w.Token(t.Context(), a, relay.ResourceMail) }()
	<-arrived
	closed := make(chan struct{})
	go func() {
		w.Close()
		close(closed)
	}()
	<-w.closing
	close(goOn)
	<-closed
	if w.stored("jane") == before {
		t.Error("the new refresh token was lost")
	}
	if _, _, err := w.Renew(t.Context(), a, relay.ResourceMail, w.held(a)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := w.Begin(t.Context(), BeginRequest{App: "app-1", Account: "jane", Address: a.Address, Login: "x"}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func (w *world) held(a *relay.Account) relay.Secret {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holders[a.ID].tokens[relay.ResourceMail].secret
}
