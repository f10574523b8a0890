package oauth

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
)

// run starts Run, and ends it with the test.
func (w *world) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
}

// Consents that nobody uses are refreshed once a week, not all at one time; those that
// have ended are left alone, and those in use as well.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.vendor.set(func(v *vendorServer) { v.rotating = true })
		app := w.app(microsoft)
		const idle = 40
		for i := range idle {
			w.consent(w.account(fmt.Sprint(i), "jane@acme.example", app))
		}
		ended := w.consent(w.account("ended", "bob@acme.example", app))
		ended.Ended = "invalid_grant"
		if err := w.grants.Put(t.Context(), ended); err != nil {
			t.Fatal(err)
		}
		used := w.account("used", "eve@acme.example", app)
		w.consent(used)
		stop := w.run()
		days := map[int]int{}
		for day := range 29 {
			before := len(w.vendor.requests("/token"))
			for range 24 {
				time.Sleep(time.Hour)
				synctest.Wait()
			}
			days[day] = len(w.vendor.requests("/token")) - before
			w.mustToken(used)
			if day == 6 && days[day] < idle/2 {
				t.Errorf("%d refreshed in the first week", days[day])
			}
		}
		for day := range 6 {
			if days[day] > 1 { // that of the account in use
				t.Errorf("day %d: %d requests", day, days[day])
			}
		}
		for i := range idle {
			g, err := w.grants.Get(t.Context(), fmt.Sprint(i))
			if err != nil || time.Since(g.Used) > DefaultKeepAlive || g.Ended != "" {
				t.Errorf("%d was used %s ago: %v", i, time.Since(g.Used), err)
			}
		}
		all := 0
		for _, n := range days {
			all += n
		}
		if all < 4*idle || all > 5*idle+2*29 {
			t.Errorf("%d requests in four weeks", all)
		}
		stop()
	})
}

// Among many consents that began together the requests of one week are spread.
func TestKeepAliveSpreads(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Dialer: refusingDialer{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	hours := map[int]int{}
	for i := range 1000 {
		g := &relay.Grant{ID: fmt.Sprint("account-", i), Used: at}
		for hour := range 24*7 + 1 {
			if s.isIdle(g, at.Add(time.Duration(hour)*time.Hour)) {
				hours[hour]++
				break
			}
		}
	}
	for hour, n := range hours {
		if hour < 24*6 || n > 100 {
			t.Errorf("hour %d: %d", hour, n)
		}
	}
}

// A consent that ended while nobody used it is noticed by the weekly look.
func TestKeepAliveFindsTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		w.consent(w.account("jane", "jane@acme.example", w.app(microsoft)))
		w.vendor.say(400, `{"error":"invalid_grant","error_description":"AADSTS50173: revoked"}`)
		stop := w.run()
		time.Sleep(8 * 24 * time.Hour)
		synctest.Wait()
		if heard := w.watcher.heard(&w.watcher.ended); len(heard) != 1 || !strings.Contains(heard[0], "jane") {
			t.Errorf("heard of %q", heard)
		}
		if n := len(w.vendor.requests("/token")); n != 1 {
			t.Errorf("%d requests", n)
		}
		stop()
	})
}

// What nobody asks for any more does not stay in memory.
func TestForgetsHolders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		w.mustToken(a)
		w.forgetOld(time.Now())
		if len(w.holders) != 1 {
			t.Error("a token was forgotten")
		}
		time.Sleep(2 * time.Hour)
		w.forgetOld(time.Now())
		if len(w.holders) != 0 {
			t.Errorf("%d holders", len(w.holders))
		}
	})
}

func TestExpiring(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	day := 24 * time.Hour
	at := now()
	google := w.app(func(app *relay.App) { app.ID, app.Testing = "google", true })
	live := w.app(func(app *relay.App) { app.ID = "live" })
	microsoft := w.app(func(app *relay.App) {
		app.ID, app.Vendor, app.Organisation, app.SecretExpires = "microsoft", "microsoft", "acme", at.Add(20*day)
	})
	w.app(func(app *relay.App) { app.ID, app.SecretExpires = "operator's", at.Add(10*day) })
	w.app(func(app *relay.App) { app.ID, app.Organisation, app.SecretExpires = "later", "acme", at.Add(100*day) })
	grant := func(id string, app *relay.App, change func(*relay.Grant)) {
		a := w.account(id, id+"@acme.example", app)
		g := w.consent(a)
		change(g)
		if err := w.grants.Put(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	grant("testing", google, func(g *relay.Grant) { g.Obtained = at.Add(-2 * day) })
	grant("fresh", live, func(*relay.Grant) {})
	grant("idle", live, func(g *relay.Grant) { g.Used = at.Add(-150 * day) })
	grant("unused", microsoft, func(g *relay.Grant) { g.Used = at.Add(-60 * day) })
	grant("ended", live, func(g *relay.Grant) { g.Ended = "invalid_grant: x" })
	foreign := w.account("foreign", "x@other.example", live)
	w.consent(foreign)
	foreign.Organisation = "other"
	if err := w.accounts.Put(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	g, _ := w.grants.Get(t.Context(), "foreign")
	g.Ended = "invalid_grant: y"
	if err := w.grants.Put(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	for organisation, wanted := range map[string][]string{
		"acme": {
			"consent_ended live ended 0", "consent_testing google testing 5", "client_secret microsoft  20",
			"consent_idle live idle 30", "consent_idle microsoft unused 30", "client_secret later  100",
		},
		"": {
			"consent_ended live ended 0", "consent_ended live foreign 0", "consent_testing google testing 5",
			"client_secret operator's  10", "client_secret microsoft  20", "consent_idle live idle 30", "consent_idle microsoft unused 30", "client_secret later  100",
		},
		"nobody": nil,
	} {
		list, err := w.Expiring(t.Context(), organisation)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			days := 0
			if !e.At.IsZero() {
				days = int(e.At.Sub(at).Round(day) / day)
			}
			got = append(got, fmt.Sprintf("%s %s %s %d", e.Kind, e.App, e.Account, days))
		}
		if fmt.Sprint(got) != fmt.Sprint(wanted) {
			t.Errorf("%q has\n%q, not\n%q", organisation, got, wanted)
		}
	}
}
