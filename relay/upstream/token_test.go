package upstream_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// tokens is a directory whose accounts sign in by token.
type tokens struct {
	*accounts
	fails  error  // of Credentials
	renews error  // of Renew
	next   string // token that Renew gives

	mu      sync.Mutex
	renewed []string // tokens that were replaced
	asked   []relay.Resource
}

func (k *tokens) Credentials(ctx context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, r)
	if k.fails != nil {
		return nil, k.fails
	}
	c, err := k.accounts.Credentials(ctx, id, r)
	if err == nil {
		c.Token, c.Resource, c.Password = "old-token", r, ""
	}
	return c, err
}

func (k *tokens) Renew(_ context.Context, c *relay.Credentials) (*relay.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewed = append(k.renewed, c.Token.Reveal())
	if k.renews != nil {
		return nil, k.renews
	}
	again := *c
	again.Token = relay.Secret(k.next)
	return &again, nil
}

// lasting is the same without Renew.
type lasting struct{ tokens *tokens }

func (l lasting) Credentials(ctx context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	return l.tokens.Credentials(ctx, id, r)
}

// passwords is a directory of passwords that could renew tokens.
type passwords struct {
	*accounts
	upstream.Renewer
}

// bearers is a world in which jane signs in by token at a server that plays the
// scripts.
func bearers(t *testing.T, k *tokens, change func(*upstream.Options), scripts ...string) *world {
	t.Helper()
	c := account("jane", smtpwiretest.Serve(t, nil, scripts...))
	c.Account.SignIn, c.Account.Preset, c.Account.Version = relay.SignInConsent, "microsoft365", 7
	return newWorld(t, func(o *upstream.Options) {
		k.accounts = o.Credentials.(*accounts)
		o.Credentials = k
		if change != nil {
			change(o)
		}
	}, c)
}

// offers is the beginning of a connection of jane's up to the sign-in with a token,
// and the answer to it.
func offers(token, answer string) string {
	blob := base64.StdEncoding.EncodeToString([]byte("user=jane@a.example\x01auth=Bearer " + token + "\x01\x01"))
	return "S: 220 mx\nC~ EHLO\nS: 250-mx\nS: 250-PIPELINING\nS: 250 AUTH LOGIN XOAUTH2\nC: AUTH XOAUTH2 " + blob + "\nS: " + answer + "\n"
}

const tokenRefused = "535 5.7.3 Authentication unsuccessful"

// TestTokens: a row is what the token endpoint and the server say.
func TestTokens(t *testing.T) {
	t.Parallel()
	endpoint := func(code int, text string) error {
		return &relay.TokenError{Reply: relay.Reply{Code: code, Text: text}, App: "app", Cause: errNo}
	}
	good := offers("old-token", "235 welcome") + accepted + bye
	refused := offers("old-token", tokenRefused) + "end"
	fresh := offers("new-token", "235 welcome") + accepted + bye
	revoked := endpoint(400, "invalid_grant: AADSTS50173: The provided grant has expired due to it being revoked.")
	for name, c := range map[string]struct {
		fails, renews error
		scripts       []string
		want          string
		renewed       int
		pause         time.Duration
	}{
		"a good token":     {nil, nil, []string{good}, "delivered", 0, 0},
		"it ended early":   {nil, nil, []string{refused, fresh}, "delivered", 1, 0},
		"the new one, too": {nil, nil, []string{refused, offers("new-token", tokenRefused) + "end"}, "deferred auth.token_refused.microsoft | park auth.token_refused.microsoft", 1, time.Hour},
		"and no other":     {nil, revoked, []string{refused}, "deferred token.revoked.microsoft | park token.revoked.microsoft", 1, 24 * time.Hour},
		"the endpoint is away": {nil, endpoint(503, "later"), []string{refused},
			"deferred token.temporary | slow token.temporary", 1, 5 * time.Minute},
		"a fault of our own":   {nil, errNo, []string{refused}, "deferred token.unreachable | slow token.unreachable", 1, 5 * time.Minute},
		"SMTP is switched off": {nil, nil, []string{offers("old-token", switchedOff) + "end"}, "deferred auth.smtp_disabled.microsoft | park auth.smtp_disabled.microsoft", 0, 6 * time.Hour},
		"too many logins":      {nil, nil, []string{offers("old-token", "454 4.7.0 later") + "end"}, "deferred auth.too_many_logins | slow auth.too_many_logins", 0, 15 * time.Minute},
		"not authenticated":    {nil, nil, []string{offers("old-token", "530 5.7.57 no") + "end"}, "deferred auth.not_authenticated.microsoft | park auth.not_authenticated.microsoft", 0, time.Hour},
		"no token at all":      {revoked, nil, nil, "deferred token.revoked.microsoft | park token.revoked.microsoft", 0, 24 * time.Hour},
		"the app's secret ended": {endpoint(401, "invalid_client: AADSTS7000222: expired"), nil, nil,
			"deferred token.secret_expired.microsoft | park token.secret_expired.microsoft", 0, time.Hour},
		"a server that may not have it": {&relay.FieldError{Field: "smtp.host", Message: "An access token goes elsewhere."}, nil, nil,
			"deferred local.api_settings | park local.api_settings", 0, 0},
		"no token for now":      {endpoint(429, "x"), nil, nil, "deferred token.temporary | slow token.temporary", 0, 5 * time.Minute},
		"no answer":             {&relay.TokenError{Reply: relay.Local("timeout", "")}, nil, nil, "deferred token.unreachable | slow token.unreachable", 0, 5 * time.Minute},
		"an answer of no sense": {endpoint(418, "teapot"), nil, nil, "deferred default.token | slow default.token", 0, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &tokens{fails: c.fails, renews: c.renews, next: "new-token"}
			w := bearers(t, k, nil, c.scripts...)
			a := w.check(t, delivery(1), c.want)
			if len(k.renewed) != c.renewed || c.renewed > 0 && k.renewed[0] != "old-token" {
				t.Errorf("renewed %v", k.renewed)
			}
			if a.Trouble != nil && (a.Trouble.Pause != c.pause || a.Trouble.Version != 7 || a.Trouble.Hint == "") {
				t.Errorf("%+v", a.Trouble)
			}
			if text := a.Results[0].Reply.String(); strings.Contains(text, "-token") {
				t.Errorf("the reply shows a token: %s", text)
			}
		})
	}
}

// TestNoRenewer: without one the first refusal stands.
func TestNoRenewer(t *testing.T) {
	t.Parallel()
	k := &tokens{}
	w := bearers(t, k, func(o *upstream.Options) { o.Credentials = lasting{k} }, offers("old-token", tokenRefused)+"end")
	w.check(t, delivery(1), "deferred auth.token_refused.microsoft | park auth.token_refused.microsoft")
}

// TestPasswordIsNotRenewed: a wrong password is wrong.
func TestPasswordIsNotRenewed(t *testing.T) {
	t.Parallel()
	k := &tokens{}
	w := bearers(t, k, func(o *upstream.Options) { o.Credentials = passwords{k.accounts, k} }, strings.Split(signIn, "S: 235")[0]+"S: 535 5.7.8 no\nend")
	w.accounts.change("jane", func(c *relay.Credentials) { c.Account.SignIn = relay.SignInPassword })
	w.check(t, delivery(1), "deferred auth.password | park auth.password")
	if len(k.renewed) != 0 {
		t.Error("renewed")
	}
}

// TestPooledTokens: a connection that is signed in goes on when its token has ended.
func TestPooledTokens(t *testing.T) {
	t.Parallel()
	k := &tokens{next: "new-token"}
	w := bearers(t, k, nil, offers("old-token", "235 ok")+accepted+accepted+bye)
	w.check(t, delivery(1), "delivered")
	w.check(t, delivery(1), "delivered")
	if made, reused := w.meter.counts(); made != 1 || reused != 1 || len(k.renewed) != 0 {
		t.Errorf("%d made, %d reused, renewed %v", made, reused, k.renewed)
	}
}

// TestWebTokens: each way has the token of its own resource, and a refused one is
// replaced once for each way.
func TestWebTokens(t *testing.T) {
	t.Parallel()
	only := func(token string) func(string) error {
		return func(got string) error {
			if got != token {
				return says("auth", 401, "InvalidAuthenticationToken: expired")(got)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		web     *web
		renews  error
		want    string
		renewed int
		dots    int
	}{
		"a good token":            {&web{before: only("old-token")}, nil, "delivered", 0, 1},
		"it ended early":          {&web{before: only("new-token")}, nil, "delivered", 1, 1},
		"told behind the message": {&web{after: only("new-token")}, nil, "delivered", 1, 2},
		"the new one, too":        {&web{before: only("neither")}, nil, "deferred auth.web_refused | park auth.web_refused", 1, 0},
		"and no other": {&web{before: only("neither")}, &relay.TokenError{Reply: relay.Reply{Code: 400, Text: "invalid_grant: x"}},
			"deferred token.revoked | park token.revoked", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &tokens{renews: c.renews, next: "new-token"}
			w := bearers(t, k, func(o *upstream.Options) { o.Web = c.web })
			ways(w, relay.WayGraph)
			del, dots := delivery(1), 0
			del.BeforeDot = func(context.Context, []int) error { dots++; return nil }
			a := w.check(t, del, c.want)
			if len(k.renewed) != c.renewed || dots != c.dots || len(k.asked) != 1 || k.asked[0] != relay.ResourceGraph {
				t.Errorf("renewed %v, %d dots, asked for %v", k.renewed, dots, k.asked)
			}
			if a.Trouble != nil && a.Trouble.Version != 7 {
				t.Errorf("%+v", a.Trouble)
			}
		})
	}
}

// TestResourceOfEachWay: a ladder asks for each way's own token, and not before it is
// needed.
func TestResourceOfEachWay(t *testing.T) {
	t.Parallel()
	k := &tokens{}
	w := bearers(t, k, func(o *upstream.Options) { o.Web = &web{} }, offers("old-token", switchedOff)+"end")
	ways(w, relay.WaySMTP, relay.WayGraph)
	w.check(t, delivery(1), "delivered")
	if len(k.asked) != 2 || k.asked[0] != relay.ResourceMail || k.asked[1] != relay.ResourceGraph {
		t.Errorf("asked for %v", k.asked)
	}
	del := delivery(1)
	del.Body = body(forOthers)
	ways(w, relay.WayGraph)
	w.check(t, del, "failed local.api_envelope")
	if len(k.asked) != 2 {
		t.Errorf("asked for %v for a message that cannot go", k.asked)
	}
}

// TestAccountCannotBeRead: a fault of our own directory.
func TestAccountCannotBeRead(t *testing.T) {
	t.Parallel()
	w := janes(t, nil)
	w.accounts.broken = errors.New("a bad disk")
	a := w.check(t, delivery(1), "deferred local.credentials | slow local.credentials")
	if a.Trouble.Version != 0 {
		t.Error("it is nobody's credentials")
	}
}
