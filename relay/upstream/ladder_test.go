package upstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire/smtpwiretest"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// web is HTTP APIs that answer what a test says. before answers instead of reading the
// message, and after when all of it was read; nil takes it.
type web struct {
	opens         error
	before, after func(token string) error

	mu   sync.Mutex
	sent []string // what was taken: the way, then the content
}

func (w *web) Open(c *relay.Credentials, way relay.Way) (webmail.Client, error) {
	if w.opens != nil {
		return nil, w.opens
	}
	return &webClient{web: w, way: way, token: c.Token.Reveal()}, nil
}

func (w *web) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.sent, "\n")
}

type webClient struct {
	webmail.Client
	web   *web
	way   relay.Way
	token string
}

func (c *webClient) Send(_ context.Context, m webmail.Content) (webmail.Receipt, error) {
	if c.web.before != nil {
		if err := c.answer(c.web.before); err != nil {
			return webmail.Receipt{}, err
		}
	}
	p, err := io.ReadAll(m.Reader())
	if err != nil {
		return webmail.Receipt{}, &webmail.Error{Way: c.way, Where: relay.AtData, Reply: relay.Local("connection lost", "x"), Cause: err}
	}
	if int64(len(p)) != m.Size {
		return webmail.Receipt{}, fmt.Errorf("%d octets were announced, and %d came", m.Size, len(p))
	}
	if c.web.after != nil {
		if err := c.answer(c.web.after); err != nil {
			return webmail.Receipt{}, err
		}
	}
	c.web.mu.Lock()
	defer c.web.mu.Unlock()
	c.web.sent = append(c.web.sent, string(c.way)+": "+string(p))
	return webmail.Receipt{Reply: relay.Reply{Code: 202, Text: "Accepted"}}, nil
}

func (c *webClient) Close() error { return nil }

// answer gives the error as one of this way.
func (c *webClient) answer(f func(string) error) error {
	err := f(c.token)
	var failure *webmail.Error
	if errors.As(err, &failure) {
		failure.Way = c.way
	}
	return err
}

// says is a service that always answers the same.
func says(where relay.Where, code int, text string, change ...func(*webmail.Error)) func(string) error {
	return func(string) error {
		e := &webmail.Error{Where: where, Reply: relay.Reply{Code: code, Text: text}}
		for _, c := range change {
			c(e)
		}
		return e
	}
}

func unknown(e *webmail.Error) { e.Unknown = true }

// health keeps what was stepped down from.
type health struct {
	mu    sync.Mutex
	rungs []relay.Rung
	err   error
}

func (h *health) StepDown(_ context.Context, id string, r relay.Rung) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if id == "jane" {
		h.rungs = append(h.rungs, r)
	}
	return h.err
}

// ways gives jane these ways, and the reply rules of Microsoft.
func ways(w *world, all ...relay.Way) {
	w.accounts.change("jane", func(c *relay.Credentials) {
		c.Account.Preset, c.Account.Card.Ways = "microsoft365", all
		c.Account.EWS.URL = "https://ews.a.example/EWS/Exchange.asmx"
	})
}

const (
	switchedOff = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
	forTwo      = "To: r1@b.example\r\nCc: R2@b.example\r\n\r\nhi\r\n"
	forOthers   = "To: r1@b.example, somebody@else.example\r\n\r\nhi\r\n"
)

// TestLadder: a row is the ladder, what SMTP and the APIs say, and what comes of a
// message for two people: the outcomes, the way that decided, and what was stepped
// down from.
func TestLadder(t *testing.T) {
	t.Parallel()
	greeting := strings.Split(signIn, "S: 235")[0]
	two := signIn + envelope("r1@b.example", "r2@b.example")
	goes := two + "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nC~ .\nC:\nC: hi\nC: .\nS: 250 ok" + bye
	goesWithCc := strings.Replace(goes, "C~ .\n", "C~ To\nC~ Cc\n", 1)
	off := greeting + "S: " + switchedOff + "\nend"
	both := []relay.Way{relay.WaySMTP, relay.WayGraph}
	reverse := []relay.Way{relay.WayGraph, relay.WaySMTP}
	graph := []relay.Way{relay.WayGraph}
	for name, c := range map[string]struct {
		ways   []relay.Way
		script string // of SMTP; empty: nobody may connect
		web    *web
		body   body
		want   string
		way    relay.Way
		down   string // rules for which ways were left
	}{
		"the best way works":       {both, goes, &web{}, forOthers, "delivered | delivered", relay.WaySMTP, ""},
		"SMTP is switched off":     {both, off, &web{}, forTwo, "delivered | delivered", relay.WayGraph, "smtp auth.smtp_disabled.microsoft"},
		"passwords are retired":    {both, two + "S: 550 5.7.30 Basic authentication is not supported\nS: 503 no\nS: 503 no\nS: 503 no" + bye, &web{}, forTwo, "delivered | delivered", relay.WayGraph, "smtp auth.basic_retired.microsoft"},
		"no mechanism":             {both, "S: 220 mx\nC~ EHLO\nS: 250 AUTH X\nend", &web{}, forTwo, "delivered | delivered", relay.WayGraph, "smtp auth.no_mechanism"},
		"switched off, no way":     {both[:1], off, &web{}, forTwo, "deferred auth.smtp_disabled.microsoft | deferred auth.smtp_disabled.microsoft | park auth.smtp_disabled.microsoft", relay.WaySMTP, ""},
		"a wrong password":         {both, greeting + "S: 535 5.7.8 no\nend", &web{}, forTwo, "deferred auth.password | deferred auth.password | park auth.password", relay.WaySMTP, ""},
		"too many logins":          {both, greeting + "S: 454 4.7.0 later\nend", &web{}, forTwo, "deferred auth.too_many_logins | deferred auth.too_many_logins | slow auth.too_many_logins", relay.WaySMTP, ""},
		"the server is away":       {both, signIn, &web{}, forTwo, "deferred connection.lost | deferred connection.lost", relay.WaySMTP, ""},
		"the content is refused":   {both, two + "S: 554 5.7.1 spam\nS: 503 no\nS: 503 no\nS: 503 no" + bye, &web{}, forTwo, "failed default.message_permanent | failed default.message_permanent", relay.WaySMTP, ""},
		"others are named":         {reverse, goes, &web{}, forOthers, "delivered | delivered", relay.WaySMTP, ""},
		"others are named, no way": {graph, "", &web{}, forOthers, "failed local.api_envelope | failed local.api_envelope", relay.WayGraph, ""},
		"a re-sent message":        {graph, "", &web{}, "Resent-To: r1@b.example\r\n\r\nhi\r\n", "failed local.api_envelope | failed local.api_envelope", relay.WayGraph, ""},
		"a header without sense":   {graph, "", &web{}, "To: <\r\n\r\nhi\r\n", "failed local.api_envelope | failed local.api_envelope", relay.WayGraph, ""},
		"too large":                {graph, "", &web{}, body("To: r1@b.example\r\n\r\n" + strings.Repeat("x\r\n", 1<<20)), "failed local.api_size | failed local.api_size", relay.WayGraph, ""},
		"too large for Graph alone": {[]relay.Way{relay.WayGraph, relay.WayGmailAPI}, "", &web{}, body("To: r1@b.example\r\n\r\n" + strings.Repeat("x\r\n", 1<<20)),
			"delivered | delivered", relay.WayGmailAPI, ""},
		"the service finds it too large": {reverse, goesWithCc, &web{after: says(relay.AtAfterDot, 413, "too large")}, forTwo, "delivered | delivered", relay.WaySMTP, ""},
		"it does, no way":                {graph, "", &web{after: says(relay.AtAfterDot, 413, "too large")}, forTwo, "failed web.too_big.graph | failed web.too_big.graph", relay.WayGraph, ""},
		"switched off, and others are named": {both, off, &web{}, forOthers,
			"failed local.api_envelope | failed local.api_envelope", relay.WayGraph, "smtp auth.smtp_disabled.microsoft"},
		"others are named, and switched off": {reverse, off, &web{}, forOthers,
			"failed local.api_envelope | failed local.api_envelope", relay.WaySMTP, "smtp auth.smtp_disabled.microsoft"},
		"too large, and switched off": {reverse, off, &web{after: says(relay.AtAfterDot, 413, "too large")}, forTwo,
			"failed web.too_big.graph | failed web.too_big.graph", relay.WaySMTP, "smtp auth.smtp_disabled.microsoft"},
		"no answer": {graph, "", &web{after: says(relay.AtAfterDot, 0, "local: timeout after the message was complete", unknown)}, forTwo,
			"unknown outcome.unknown | unknown outcome.unknown", relay.WayGraph, ""},
		"200 instead of 202": {graph, "", &web{after: says(relay.AtAfterDot, 200, "OK", unknown)}, forTwo,
			"unknown web.not_202.graph | unknown web.not_202.graph", relay.WayGraph, ""},
		"unknown is never sent another way": {reverse, "", &web{after: says(relay.AtAfterDot, 413, "too large", unknown)}, forTwo,
			"unknown web.too_big.graph | unknown web.too_big.graph", relay.WayGraph, ""},
		"more slowly": {reverse, "", &web{after: says(relay.AtAfterDot, 429, "ApplicationThrottled: x")}, forTwo,
			"deferred web.slow_down | deferred web.slow_down | slow web.slow_down", relay.WayGraph, ""},
		"refused":         {reverse, "", &web{before: says(relay.AtAuth, 401, "Unauthorized")}, forTwo, "deferred auth.web_refused | deferred auth.web_refused | park auth.web_refused", relay.WayGraph, ""},
		"not allowed":     {reverse, "", &web{after: says(relay.AtAfterDot, 403, "ErrorAccessDenied: no")}, forTwo, "deferred default.web_account | deferred default.web_account | park default.web_account", relay.WayGraph, ""},
		"a bad request":   {reverse, "", &web{after: says(relay.AtAfterDot, 400, "x: y")}, forTwo, "failed default.web_message | failed default.web_message", relay.WayGraph, ""},
		"a foreign From":  {[]relay.Way{relay.WayEWS}, "", &web{after: says(relay.AtAfterDot, 200, "ErrorSendAsDenied: no")}, forTwo, "held ews.sender_denied | held ews.sender_denied", relay.WayEWS, ""},
		"a used-up quota": {[]relay.Way{relay.WayEWS}, "", &web{after: says(relay.AtAfterDot, 200, "ErrorSubmissionQuotaExceeded: no")}, forTwo, "deferred ews.quota | deferred ews.quota | slow ews.quota", relay.WayEWS, ""},
		"not connected":   {reverse, "", &web{before: says(relay.AtConnect, 0, "local: refused")}, forTwo, "deferred connect.unreachable | deferred connect.unreachable", relay.WayGraph, ""},
		"wrong settings":  {reverse, goesWithCc, &web{opens: errNo}, forTwo, "delivered | delivered", relay.WaySMTP, "graph local.api_settings"},
		"wrong settings, no way": {graph, "", &web{opens: errNo}, forTwo,
			"deferred local.api_settings | deferred local.api_settings | park local.api_settings", relay.WayGraph, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &health{err: errNo} // that it is not remembered changes nothing now
			var scripts []string
			if c.script != "" {
				scripts = append(scripts, c.script)
			}
			w := janes(t, func(o *upstream.Options) { o.Web, o.Health = c.web, h }, scripts...)
			ways(w, c.ways...)
			del := delivery(2)
			del.Body = c.body
			a := w.check(t, del, c.want)
			if a.Way != c.way {
				t.Errorf("the way is %q, want %q", a.Way, c.way)
			}
			if a.Peer.Host == "" && !strings.Contains(c.want, "failed local") {
				t.Error("no peer")
			}
			var down []string
			for _, r := range h.rungs {
				down = append(down, string(r.Way)+" "+r.Rule)
				if r.Reason == "" || r.RetryAt.Sub(r.Since) != 24*time.Hour || time.Since(r.Since) > time.Minute {
					t.Errorf("%+v", r)
				}
			}
			if got := strings.Join(down, ", "); got != c.down {
				t.Errorf("stepped down from %q, want %q", got, c.down)
			}
			if strings.Contains(c.want, "failed local") && (a.Results[0].Hint == "" || a.Results[0].Reply.Enhanced[0] != 5) {
				t.Errorf("no clear text: %+v", a.Results[0])
			}
		})
	}
}

// TestWebContent: an API gets the header that names every recipient, and each of them
// has the same result.
func TestWebContent(t *testing.T) {
	t.Parallel()
	service := &web{}
	w := newWorld(t, func(o *upstream.Options) { o.Web = service }, account("jane", &smtpwiretest.Server{}))
	ways(w, relay.WayGraph)
	del := delivery(2)
	del.Body = body("To: r1@b.example\r\n\r\nhi\r\n")
	var recorded [][]int
	del.BeforeDot = func(_ context.Context, r []int) error { recorded = append(recorded, r); return nil }
	a := w.check(t, del, "delivered | delivered")
	if got, want := service.taken(), "graph: To: r1@b.example\r\nBcc: r2@b.example\r\n\r\nhi\r\n"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if len(recorded) != 1 || !slices.Equal(recorded[0], []int{0, 1}) {
		t.Errorf("recorded %v", recorded)
	}
	if a.Peer.Host != "graph.microsoft.com" || a.Results[1].Reply.String() != "202 Accepted" {
		t.Errorf("%+v", a)
	}
}

// TestWebBeforeDot: the outcome can become unknown only when the message leaves, and
// what could not be recorded does not.
func TestWebBeforeDot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		web      *web
		fails    error
		want     string
		recorded int
	}{
		"not connected": {&web{before: says(relay.AtConnect, 0, "local: refused")}, nil, "deferred connect.unreachable", 0},
		"refused":       {&web{before: says(relay.AtAuth, 401, "no")}, nil, "deferred auth.web_refused | park auth.web_refused", 0},
		"sent":          {&web{}, nil, "delivered", 1},
		"not recorded":  {&web{}, errNo, "deferred local.broken_off | aborted local.broken_off", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(o *upstream.Options) { o.Web = c.web }, account("jane", &smtpwiretest.Server{}))
			ways(w, relay.WayGraph)
			del, recorded := delivery(1), 0
			del.BeforeDot = func(context.Context, []int) error { recorded++; return c.fails }
			w.check(t, del, c.want)
			if recorded != c.recorded {
				t.Errorf("recorded %d times, want %d", recorded, c.recorded)
			}
			if name == "not recorded" && c.web.taken() != "" {
				t.Error("it was sent all the same")
			}
		})
	}
}

// TestWebBrokenOff: an account that is closed sends nothing more, but what has left
// gets its answer.
func TestWebBrokenOff(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"before": "deferred local.broken_off | aborted local.broken_off",
		"after":  "delivered",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *world
			stop := func(string) error { w.CloseAccount("jane"); return nil }
			service := &web{before: stop}
			if name == "after" {
				service = &web{after: stop}
			}
			w = newWorld(t, func(o *upstream.Options) { o.Web = service }, account("jane", &smtpwiretest.Server{}))
			ways(w, relay.WayGraph)
			w.check(t, delivery(1), want)
		})
	}
}

// TestRetryAfter: the service's own word goes before the rule's.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	service := &web{after: says(relay.AtAfterDot, 429, "x: y", func(e *webmail.Error) { e.RetryAfter = 7 * time.Minute })}
	w := newWorld(t, func(o *upstream.Options) { o.Web = service }, account("jane", &smtpwiretest.Server{}))
	ways(w, relay.WayGraph)
	a := w.check(t, delivery(1), "deferred web.slow_down | slow web.slow_down")
	if a.Trouble.Pause != 7*time.Minute || a.Results[0].Pause != 7*time.Minute {
		t.Errorf("pauses %v and %v", a.Trouble.Pause, a.Results[0].Pause)
	}
}

// TestDownWays: what is down is not tried until its time has come, unless everything
// is.
func TestDownWays(t *testing.T) {
	t.Parallel()
	later, soon := time.Now().Add(2*time.Hour), time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		down []relay.Rung
		way  relay.Way
	}{
		"the best is down":  {[]relay.Rung{{Way: relay.WaySMTP, RetryAt: soon}}, relay.WayGraph},
		"for good":          {[]relay.Rung{{Way: relay.WaySMTP}}, relay.WayGraph},
		"it is tried again": {[]relay.Rung{{Way: relay.WaySMTP, RetryAt: time.Now().Add(-time.Second)}}, relay.WaySMTP},
		"both are down":     {[]relay.Rung{{Way: relay.WaySMTP, RetryAt: soon}, {Way: relay.WayGraph, RetryAt: later}}, relay.WaySMTP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scripts := []string{signIn + accepted + bye}
			if c.way != relay.WaySMTP {
				scripts = nil
			}
			w := janes(t, func(o *upstream.Options) { o.Web = &web{} }, scripts...)
			ways(w, relay.WaySMTP, relay.WayGraph)
			w.accounts.change("jane", func(k *relay.Credentials) { k.Account.Down = c.down })
			if a := w.check(t, delivery(1), "delivered"); a.Way != c.way {
				t.Errorf("the way is %q", a.Way)
			}
		})
	}
}

// TestNoAPIs: a relayd that was built without them sends by SMTP, or not at all.
func TestNoAPIs(t *testing.T) {
	t.Parallel()
	w := janes(t, nil, signIn+accepted+bye)
	ways(w, relay.WayGraph, relay.WaySMTP)
	w.check(t, delivery(1), "delivered")
	ways(w, relay.WayGraph)
	a := w.check(t, delivery(1), "deferred local.no_way | park local.no_way")
	if a.Way != "" || a.Trouble.Version != 1 || a.Trouble.Hint == "" || a.Trouble.Pause != 24*time.Hour {
		t.Errorf("%+v", a.Trouble)
	}
}

// TestNoStepAfterDot: once a part of the message was taken by SMTP, the rest goes no
// other way: an API would send to everybody again.
func TestNoStepAfterDot(t *testing.T) {
	t.Parallel()
	greeting := strings.Split(signIn, "S: 235")[0]
	service := &web{}
	w := janes(t, func(o *upstream.Options) { o.Web, o.MaxRecipients, o.MaxMessages = service, 1, 1 },
		signIn+accepted+bye, greeting+"S: "+switchedOff+"\nend")
	ways(w, relay.WaySMTP, relay.WayGraph)
	w.check(t, delivery(2), "delivered | deferred auth.smtp_disabled.microsoft | park auth.smtp_disabled.microsoft")
	if got := service.taken(); got != "" {
		t.Errorf("Graph sent %q", got)
	}
}

// TestAliases: the account sends as its proved aliases only, with its own address in
// the envelope, and not by an API that would replace the alias.
func TestAliases(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from   string
		way    relay.Way
		script string
		want   string
	}{
		"proved":            {"sales", relay.WaySMTP, signIn + accepted + bye, "delivered"},
		"not proved":        {"info", relay.WaySMTP, "", "deferred local.not_proved"},
		"somebody else":     {"joe", relay.WaySMTP, "", "deferred local.not_proved"},
		"proved, by EWS":    {"sales", relay.WayEWS, "", "delivered"},
		"proved, by Graph":  {"sales", relay.WayGraph, "", "failed local.api_from"},
		"the own, by Graph": {"jane", relay.WayGraph, "", "delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var scripts []string
			if c.script != "" {
				scripts = []string{c.script}
			}
			w := janes(t, func(o *upstream.Options) { o.Web = &web{} }, scripts...)
			ways(w, c.way)
			w.accounts.change("jane", func(k *relay.Credentials) {
				k.Account.Aliases = []relay.Alias{
					{Address: relay.Address{Local: "sales", Domain: "a.example"}, ProvedAt: time.Now()},
					{Address: relay.Address{Local: "info", Domain: "a.example"}},
				}
			})
			del := delivery(1)
			del.Message.From.Local = c.from
			w.check(t, del, c.want)
		})
	}
}
