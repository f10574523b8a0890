package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// A candidate's consent is apart from the one in force until it is adopted.
func TestAdopt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	app := w.app(nil)
	other := w.app(func(app *relay.App) { app.ID, app.ClientID = "app-2", "client-1" })
	a := w.account("jane", "jane@acme.example", app)
	w.consent(a)
	old := w.mustToken(a)
	a.Candidate = &relay.Candidate{Settings: a.Settings}
	a.Candidate.App = other.ID
	if _, _, err := w.CandidateToken(t.Context(), a, relay.ResourceMail); !errors.Is(err, ErrNoConsent) {
		t.Error(err)
	}
	start := w.begin(func(q *BeginRequest) { q.Candidate, q.App = true, other.ID })
	if _, result, err := w.comeBack(start, "jane@acme.example", nil); err != nil || !result.Candidate {
		t.Fatal(err)
	}
	tried, got, err := w.CandidateToken(t.Context(), a, relay.ResourceMail)
	if err != nil || got.ID != other.ID || tried == old || w.mustToken(a) != old {
		t.Fatalf("%v", err)
	}
	if tried, _, err = w.RenewCandidate(t.Context(), a, relay.ResourceMail, tried); err != nil {
		t.Fatal(err)
	}
	if err := w.Adopt(t.Context(), "jane"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.grants.Get(t.Context(), relay.CandidateGrant("jane")); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	a.Settings, a.Candidate = a.Candidate.Settings, nil
	if token := w.mustToken(a); token == old || token == tried {
		t.Error("an old token is in use")
	}
	if err := w.Adopt(t.Context(), "jane"); err != nil { // again, after a crash
		t.Error(err)
	}
	if err := w.Adopt(t.Context(), "bob"); !errors.Is(err, ErrNoConsent) {
		t.Error(err)
	}
}

// A crash between the two records: the account's own consent has gone on since, and its
// newer refresh token counts.
func TestAdoptAfterCrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	candidate := w.grant(relay.CandidateGrant("jane"), a)
	own := *candidate
	own.ID, own.Revision = "jane", 0
	own.Refresh = w.sealRefresh("jane", relay.Secret(w.stored(candidate.ID)))
	if err := w.grants.Put(t.Context(), &own); err != nil {
		t.Fatal(err)
	}
	w.mustToken(a)
	newest := w.stored("jane")
	if err := w.Adopt(t.Context(), "jane"); err != nil {
		t.Fatal(err)
	}
	if w.stored("jane") != newest {
		t.Error("the newer refresh token is gone")
	}
	if _, err := w.grants.Get(t.Context(), candidate.ID); !errors.Is(err, store.ErrNotFound) {
		t.Error("the candidate is still there")
	}
}

// Adopt waits for a refresh of the candidate that is under way.
func TestAdoptDuringRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.grant(relay.CandidateGrant("jane"), a)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	w.vendor.run(func(*http.Request, url.Values) *said {
		close(arrived)
		<-goOn
		return nil
	})
	go func() { _, _, _ = w.CandidateToken(t.Context(), a, relay.ResourceMail) }()
	<-arrived
	adopted := make(chan error)
	go func() { adopted <- w.Adopt(t.Context(), "jane") }()
	close(goOn)
	if err := <-adopted; err != nil {
		t.Fatal(err)
	}
	w.vendor.run(nil)
	if got := w.stored("jane"); !w.vendor.isNewest(got) {
		t.Errorf("adopted %s", got)
	}
	w.mustToken(a)
}

// Records that cannot be written leave what works.
func TestAdoptFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	w.grant(relay.CandidateGrant("jane"), a)
	w.grants.onPut(func(*relay.Grant) error { return store.ErrFull })
	if err := w.Adopt(t.Context(), "jane"); !errors.Is(err, store.ErrFull) {
		t.Error(err)
	}
	w.grants.onPut(nil)
	w.mustToken(a)
	if _, _, err := w.CandidateToken(t.Context(), a, relay.ResourceMail); err != nil {
		t.Error(err)
	}
}

// Forgetting tells the vendor, and removes both consents whatever it answers.
func TestForget(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 503} {
		w := newWorld(t)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		w.grant(relay.CandidateGrant("jane"), a)
		token := w.stored("jane")
		w.mustToken(a)
		w.vendor.say(status, "")
		if err := w.Forget(t.Context(), "jane"); err != nil {
			t.Error(err)
		}
		revoked := w.vendor.requests("/revoke")
		if len(revoked) != 1 || revoked[0].form.Get("token") != token {
			t.Errorf("%d revocations", len(revoked))
		}
		if len(w.grants.records) != 0 {
			t.Error("something is left")
		}
		if err := w.failedToken(a); !errors.Is(err, ErrNoConsent) {
			t.Error(err)
		}
		if err := w.Forget(t.Context(), "jane"); err != nil {
			t.Errorf("nothing to forget: %v", err)
		}
	}
}

// What is forgotten during a refresh does not come back.
func TestForgetDuringRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.vendor.set(func(v *vendorServer) { v.rotating = true })
	a := w.account("jane", "jane@acme.example", w.app(func(app *relay.App) { app.Endpoints.Revoke = "" }))
	w.consent(a)
	w.vendor.run(func(r *http.Request, _ url.Values) *said {
		if strings.HasSuffix(r.URL.Path, "/token") {
			if err := w.Forget(r.Context(), "jane"); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	if err := w.failedToken(a); !errors.Is(err, ErrNoConsent) {
		t.Error(err)
	}
	if len(w.grants.records) != 0 {
		t.Error("it came back")
	}
}

// An administrator's consent is noted with the application.
func TestAdminConsent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		app    func(*relay.App)
		change func(*AdminConsentRequest)
		tenant string
		wanted error
	}{
		{"an organisation's own", func(app *relay.App) { appOnly(app); app.Organisation, app.Tenant = "acme", "" }, nil, testTenant, nil},
		{"its tenant is known", func(app *relay.App) { appOnly(app); app.Organisation = "acme" }, nil, testTenant, nil},
		{"the operator's, for many", func(app *relay.App) { appOnly(app); app.Tenant = "organizations" }, nil, "organizations", nil},
		{"people's", microsoft, nil, "", nil},
		{
			"another tenant", func(app *relay.App) { appOnly(app); app.Organisation = "acme" },
			func(q *AdminConsentRequest) { q.Tenant = "99999999-2222-3333-4444-555555555555" }, testTenant, ErrApp,
		},
		{"no", appOnly, func(q *AdminConsentRequest) { q.Granted = false }, testTenant, ErrDenied},
		{"an error", appOnly, func(q *AdminConsentRequest) { q.Error = "access_denied" }, testTenant, ErrDenied},
		{"another login", appOnly, func(q *AdminConsentRequest) { q.Login = "x" }, testTenant, ErrState},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.app(test.app)
			start, err := w.AdminConsentURL(t.Context(), "app-1", "acme", testLogin)
			if err != nil {
				t.Fatal(err)
			}
			u, _ := url.Parse(start.URL)
			if q := u.Query(); q.Get("redirect_uri") != testRedirect || q.Get("client_id") != "client-1" || q.Get("state") != start.State || q.Get("scope") == "" {
				t.Errorf("the browser is sent to %s", start.URL)
			}
			q := AdminConsentRequest{State: start.State, Tenant: strings.ToUpper(testTenant), Granted: true, Login: testLogin}
			if test.change != nil {
				test.change(&q)
			}
			app, err := w.FinishAdminConsent(t.Context(), q)
			if !errors.Is(err, test.wanted) {
				t.Fatal(err)
			}
			kept, _ := w.apps.Get(t.Context(), "app-1")
			if kept.ConsentedAt.IsZero() != (test.wanted != nil) || kept.Tenant != test.tenant || kept.Secret == nil {
				t.Errorf("the application is %+v", kept)
			}
			if test.wanted == nil && (app == nil || app.Secret != nil || app.ConsentedAt.IsZero()) {
				t.Errorf("given was %+v", app)
			}
		})
	}
	w := newWorld(t)
	w.app(func(app *relay.App) { app.Endpoints.AdminConsent = "" })
	if _, err := w.AdminConsentURL(t.Context(), "app-1", "acme", testLogin); !errors.Is(err, ErrApp) {
		t.Error(err)
	}
}
