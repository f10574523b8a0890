package oauth

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// Every answer of a token endpoint is told in the words that the reply rules know, and
// is remembered as it deserves.
func TestRefusals(t *testing.T) {
	t.Parallel()
	rules, err := provider.New()
	if err != nil {
		t.Fatal(err)
	}
	refuse := refusal
	for _, test := range []struct {
		name   string
		preset string // as the reply rules know it
		answer *said
		rule   string
		reply  string
		ends   bool // the consent
	}{
		{"revoked at Google", "gmail", refuse(400, "invalid_grant", "Token has been expired or revoked."),
			"token.revoked.gmail", "400 invalid_grant: Token has been expired or revoked.", true},
		{"revoked elsewhere", "fastmail", refuse(400, "invalid_grant", ""), "token.revoked", "400 invalid_grant", true},
		{"unused at Microsoft", "microsoft365", refuse(400, "invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity."),
			"token.inactive.microsoft", "AADSTS700082", true},
		{"expired at Microsoft", "microsoft365", refuse(400, "invalid_grant", "AADSTS70008: expired"), "token.inactive.microsoft", "AADSTS70008", true},
		{"password reset", "microsoft365", refuse(400, "invalid_grant", "AADSTS50173: revoked"), "token.revoked.microsoft", "AADSTS50173", true},
		{"single-page app", "microsoft365", refuse(400, "invalid_grant", "AADSTS700084: spa"), "token.single_page_app.microsoft", "AADSTS700084", true},
		{"sign-in frequency", "microsoft365", refuse(400, "invalid_grant", "AADSTS70043: frequency"), "token.sign_in_frequency.microsoft", "AADSTS70043", true},
		{"another step", "microsoft365", refuse(400, "interaction_required", "AADSTS50076: you must use multi-factor authentication"),
			"token.interaction.microsoft", "AADSTS50076", true},
		{"consent missing", "microsoft365", refuse(400, "invalid_grant", "AADSTS65001: not consented"), "token.consent_missing.microsoft", "AADSTS65001", false},
		{"admin consent missing", "microsoft365", refuse(400, "invalid_grant", "AADSTS90094: admin"), "token.consent_missing.microsoft", "AADSTS90094", false},
		{"secret expired", "microsoft365", refuse(401, "invalid_client", "AADSTS7000222: expired"), "token.secret_expired.microsoft", "401 invalid_client", false},
		{"secret wrong", "microsoft365", refuse(401, "invalid_client", "AADSTS7000215: wrong"), "token.secret_wrong.microsoft", "AADSTS7000215", false},
		{"app unknown", "microsoft365", refuse(400, "unauthorized_client", "AADSTS700016: not found"), "token.app_unknown.microsoft", "AADSTS700016", false},
		{"client unknown", "gmail", refuse(401, "invalid_client", "The OAuth client was not found."), "token.client_refused", "401 invalid_client: The", false},
		{"unavailable", "gmail", refuse(400, "temporarily_unavailable", "later"), "token.temporary_word", "400 temporarily_unavailable: later", false},
		{"server error", "gmail", &said{status: 503, body: "<html>invalid_grant</html>"}, "token.temporary", "503 Service Unavailable", false},
		{"server error that looks like a refusal", "gmail", refuse(500, "invalid_grant", "x"), "token.temporary", "500 invalid_grant", false},
		{"too many", "gmail", refuse(429, "invalid_grant", "slow"), "token.temporary", "429 ", false},
		{"a page", "gmail", &said{status: 200, body: "<html>invalid_grant</html>"}, "token.unreachable", "local: protocol the answer is no token", false},
		{"a page that refuses", "gmail", &said{status: 403, body: "<html>invalid_grant invalid_client</html>"}, "default.token", "403 Forbidden", false},
		{"an error that is no text", "gmail", &said{status: 404, body: `{"error":{"code":404,"message":"invalid_grant"}}`}, "default.token", "404 Not Found", false},
		{"an error that is a sentence", "gmail", &said{status: 400, body: `{"error":"no invalid_grant here"}`}, "default.token", "400 Bad Request", false},
		{"200 with an error", "gmail", refuse(200, "invalid_grant", "revoked"), "token.revoked.gmail", "200 invalid_grant: revoked", true},
		{"no token", "gmail", &said{status: 200, body: `{"token_type":"Bearer"}`}, "token.unreachable", "local: protocol the answer is no token", false},
		{"nothing", "gmail", &said{status: 200}, "token.unreachable", "local: protocol", false},
		{"another type", "gmail", &said{status: 200, body: `{"access_token":"a","token_type":"mac"}`}, "token.unreachable", "local: protocol the token has the type mac", false},
		{"a token with a line end", "gmail", &said{status: 200, body: `{"access_token":"a\r\nRCPT TO:<x>","token_type":"Bearer"}`}, "token.unreachable", "local: protocol the token has characters", false},
		{"a refresh token with a line end", "gmail", &said{status: 200, body: `{"access_token":"a","refresh_token":"b\nc","token_type":"Bearer"}`}, "token.unreachable", "local: protocol the token has characters", false},
		{"too long a token", "gmail", &said{status: 200, body: `{"access_token":"` + strings.Repeat("a", maxTokenLength+1) + `"}`}, "token.unreachable", "local: protocol", false},
		{"huge", "gmail", &said{status: 200, body: `{"access_token":"a","x":"` + strings.Repeat("a", MaxAnswer) + `"}`}, "token.unreachable", "local: protocol the answer is larger than 64 KiB", false},
		{"huge refusal", "gmail", &said{status: 400, body: `{"error":"invalid_grant","x":"` + strings.Repeat("a", MaxAnswer) + `"}`}, "token.unreachable", "local: protocol the answer is larger", false},
		{"a redirection", "gmail", &said{status: 307, header: http.Header{"Location": {"https://evil.example/token"}}}, "default.token", "307 Temporary Redirect", false},
		{"a redirection in clear", "gmail", &said{status: 302, header: http.Header{"Location": {"http://vendor.example/token"}}}, "default.token", "302 Found", false},
		{"control characters", "gmail", refuse(400, "invalid_grant", "a\x1b[31m\r\nb\u202ec"), "token.revoked.gmail", "400 invalid_grant: a [31m b c", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.account("jane", "jane@acme.example", w.app(func(app *relay.App) { app.Vendor = test.preset }))
			w.consent(a)
			before := w.stored("jane")
			w.vendor.run(func(*http.Request, url.Values) *said { return test.answer })
			told := w.failedToken(a)
			if !strings.Contains(told.Reply.String(), test.reply) || told.App != "app-1" {
				t.Errorf("the reply is %q", told.Reply)
			}
			class := rules.Classify(relay.Answer{Where: relay.AtToken, Provider: test.preset, Reply: told.Reply})
			if class.Rule != test.rule {
				t.Errorf("the rule is %s, not %s", class.Rule, test.rule)
			}
			again := w.failedToken(a)
			if rules.Classify(relay.Answer{Where: relay.AtToken, Provider: test.preset, Reply: again.Reply}).Rule != test.rule {
				t.Errorf("the second time it is %q", again.Reply)
			}
			if n := len(w.vendor.requests("/token")); n != 1 {
				t.Errorf("%d requests", n)
			}
			if len(w.vendor.requests("/")) != 0 || w.stored("jane") != before {
				t.Error("something happened")
			}
			g, err := w.grants.Get(t.Context(), "jane")
			if err != nil || (g.Ended != "") != test.ends {
				t.Errorf("%v, ended %q", err, g.Ended)
			}
			if heard := w.watcher.heard(&w.watcher.ended); (len(heard) == 1) != test.ends {
				t.Errorf("heard of %q", heard)
			}
			if heard := w.watcher.heard(&w.watcher.failed); len(heard) != 1 {
				t.Errorf("heard of failures %q", heard)
			}
		})
	}
}

// A consent that has ended is not tried again, by a new process neither.
func TestEndedConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	w.vendor.say(400, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`)
	first := w.failedToken(a)
	w.vendor.run(nil)
	restarted, err := New(w.o)
	if err != nil {
		t.Fatal(err)
	}
	defer restarted.Close()
	_, _, err = restarted.Token(t.Context(), a, relay.ResourceMail)
	var told *relay.TokenError
	if !errors.As(err, &told) || told.Reply != first.Reply || !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	if n := len(w.vendor.requests("/token")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A dead endpoint is asked once a minute, then more rarely; Retry-After is kept to.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorldAt(t, newPipeVendor(t), nil)
		a := w.account("jane", "jane@acme.example", w.app(nil))
		w.consent(a)
		count := func(d time.Duration) int {
			before := len(w.vendor.requests("/token"))
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
				if _, _, err := w.Token(t.Context(), a, relay.ResourceMail); err == nil {
					return -1
				}
			}
			return len(w.vendor.requests("/token")) - before
		}
		w.vendor.say(503, "")
		for minute := range 3 {
			if n := count(time.Minute); n > 1 {
				t.Errorf("minute %d: %d requests", minute, n)
			}
		}
		count(30 * time.Minute)
		if n := count(time.Hour); n < 3 || n > 5 {
			t.Errorf("%d requests in an hour", n)
		}
		w.vendor.run(nil)
		time.Sleep(maxRetryAfter)
		w.mustToken(a)
		time.Sleep(time.Hour)
		w.vendor.run(func(*http.Request, url.Values) *said {
			return &said{status: 429, header: http.Header{"Retry-After": {"600"}}}
		})
		if n := count(599 * time.Second); n != 1 {
			t.Errorf("%d requests before Retry-After", n)
		}
		w.vendor.run(nil)
		time.Sleep(time.Second)
		w.mustToken(a)
	})
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-5": 0, "99999999999": maxAskedPause, "x": 0, "1e3": 0,
		"Sun, 01 Nov 2026 12:05:00 GMT": 5 * time.Minute, "Sun, 01 Nov 2026 11:00:00 GMT": 0, "Mon, 02 Nov 2026 12:00:00 GMT": maxAskedPause,
	} {
		a := answer{header: http.Header{"Retry-After": {value}}}
		if got := a.retryAfter(at); got != want {
			t.Errorf("%q is %s, not %s", value, got, want)
		}
	}
}

// Failures without an answer have a kind, and tell nothing about our own network. A
// thousand accounts do not find out one after the other.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		open func(t *testing.T) *vendorServer
		text string
	}{
		{"nobody listens", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = refusingDialer{}
			return v
		}, "local: refused"},
		{"no such name", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = nameless{}
			return v
		}, "local: dns no answer for the name"},
		{"forbidden address", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = guarded{}
			return v
		}, "local: address refused"},
		{"another certificate", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.roots = newVendorServer(t).roots
			return v
		}, "local: certificate of the sign-in service is not valid"},
		{"no TLS", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = chattering{}
			return v
		}, "local: handshake with the sign-in service"},
		{"hang-up", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = closing{}
			return v
		}, "local: connection lost to the sign-in service"},
		{"silence", func(t *testing.T) *vendorServer {
			v := newVendorServer(t)
			v.dialer = silence{}
			return v
		}, "local: timeout at the sign-in service"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v := test.open(t)
			dials := &counting{Dialer: v.dialer}
			v.dialer = dials
			w := newWorldAt(t, v, func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
			app := w.app(nil)
			for i := range 20 {
				a := w.account(string(rune('a'+i)), "jane@acme.example", app)
				w.consent(a)
				if err := w.failedToken(a); err.Reply.Text != test.text || err.Reply.Code != 0 {
					t.Fatalf("the reply is %q", err.Reply)
				}
			}
			if n := dials.n.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A body that never ends is no reason to wait for ever.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	w := newWorldAt(t, newVendorServer(t), func(o *Options) { o.RequestTimeout = 300 * time.Millisecond })
	a := w.account("jane", "jane@acme.example", w.app(nil))
	w.consent(a)
	w.vendor.run(func(r *http.Request, _ url.Values) *said {
		<-r.Context().Done()
		return nil
	})
	if err := w.failedToken(a); err.Reply.Text != "local: timeout at the sign-in service" {
		t.Error(err)
	}
}
