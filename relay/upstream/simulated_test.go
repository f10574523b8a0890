package upstream_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/simulator/exchange"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/upstream"
)

// The topology of these tests: one Deliverer with the real reply rules and the real
// clients, and the account of jane@a.example at a simulated provider.
//
//	Deliverer --SMTP, EWS, Graph--> simulated provider

// simulated is such a world.
type simulated struct {
	*world
	provider *simulator.Simulator
	opener   *webmail.Opener
	health   *health
	dots     [][]int // what BeforeDot recorded
}

const janeAddress = "jane@a.example"

func newSimulated(t *testing.T, p simulator.Personality, change func(*simulated, *relay.Credentials)) *simulated {
	t.Helper()
	s, err := simulator.Start(t.Context(), simulator.Options{Personality: p,
		Accounts: []simulator.Account{{Address: janeAddress, Password: "secret", Aliases: []string{"info@a.example"}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	r := &simulated{provider: s, health: &health{}}
	r.opener = webmail.New(webmail.Options{Dialer: &net.Dialer{}, Roots: s.Roots(), GraphBase: s.HTTPSURL() + "/v1.0"})
	c := &relay.Credentials{Password: "secret", Account: relay.Account{ID: "jane", User: "u1", Version: 1, Address: relay.Address{Local: "jane", Domain: "a.example"}}}
	c.Account.SMTP = relay.Server{Host: "127.0.0.1", Port: s.SubmissionsAddr().(*net.TCPAddr).Port, TLS: relay.TLSImplicit}
	change(r, c)
	r.world = newWorld(t, func(o *upstream.Options) { o.Web, o.Health, o.Roots = r.opener, r.health, s.Roots() }, c)
	return r
}

// byEWS sets the account up for the simulated Exchange server.
func byEWS(r *simulated, c *relay.Credentials) {
	c.Account.Provider, c.Account.EWS = relay.ProviderExchange, relay.EWS{URL: r.provider.EWSURL(), Login: `EXAMPLE\jane`}
	c.Account.Card.Ways = []relay.Way{relay.WayEWS}
}

const headerID = "<m1@a.example>"

// sends delivers a message with this From for two people.
func (r *simulated) sends(t *testing.T, from, want string) relay.Attempt {
	t.Helper()
	del := delivery(2)
	del.Body = body("From: " + from + "\r\nMessage-ID: " + headerID + "\r\n" + forTwo)
	del.BeforeDot = func(_ context.Context, recipients []int) error {
		r.dots = append(r.dots, recipients)
		return nil
	}
	return r.check(t, del, want)
}

func (r *simulated) copies(t *testing.T, folder string) int {
	t.Helper()
	found, err := r.provider.Messages(t.Context(), janeAddress, folder)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

func both(result string) string { return result + " | " + result }

// TestExchange: a row is what goes wrong, and what comes of a message for two people:
// the outcomes, whether the dot was recorded, and whether the server has the message.
func TestExchange(t *testing.T) {
	t.Parallel()
	const busy = "500 ErrorServerBusy: The server cannot service this request right now."
	for name, c := range map[string]struct {
		fault  simulator.Fault
		from   string
		change func(*simulated)
		want   string
		pause  time.Duration // of the results and the trouble; 0 is not compared
		dot    bool
		stored bool
	}{
		"goes":               {want: both("delivered"), dot: true, stored: true},
		"as an alias":        {from: "info@a.example", want: both("delivered"), dot: true, stored: true},
		"as somebody else":   {from: "boss@a.example", want: both("held ews.sender_denied"), dot: true},
		"busy with back-off": {fault: simulator.Fault{At: simulator.AtEWSSend, Reply: busy, RetryAfter: 90 * time.Second}, want: both("deferred ews.slow_down") + " | slow ews.slow_down", pause: 90 * time.Second, dot: true},
		"busy without":       {fault: simulator.Fault{At: simulator.AtEWSSend, Reply: busy}, want: both("deferred ews.slow_down") + " | slow ews.slow_down", pause: 5 * time.Minute, dot: true},
		"busy at the sign-in": {fault: simulator.Fault{At: simulator.AtEWSRead, Reply: busy, RetryAfter: time.Minute}, want: both("deferred ews.slow_down") + " | slow ews.slow_down",
			pause: time.Minute},
		"the gateway is overloaded": {fault: simulator.Fault{At: simulator.AtEWSSend, Reply: "503", RetryAfter: 30 * time.Second},
			want: both("deferred web.slow_down") + " | slow web.slow_down", pause: 30 * time.Second, dot: true},
		"cut off after storing":  {fault: simulator.Fault{At: simulator.AfterEWSSend, Hangup: true}, want: both("unknown outcome.unknown"), dot: true, stored: true},
		"cut off before storing": {fault: simulator.Fault{At: simulator.AtEWSSend, Hangup: true}, want: both("unknown outcome.unknown"), dot: true},
		"a gateway's page":       {fault: simulator.Fault{At: simulator.AfterEWSSend, Reply: "502 Bad: Gateway"}, want: both("unknown default.web_unclear"), dot: true, stored: true},
		"an unclear fault":       {fault: simulator.Fault{At: simulator.AfterEWSSend, Reply: "500 ErrorInternalServerError: Oops."}, want: both("unknown ews.temporary"), dot: true, stored: true},
		"the limit":              {change: noMore, want: both("deferred ews.quota") + " | slow ews.quota", dot: true},
		"the mailbox is full":    {fault: simulator.Fault{At: simulator.AtEWSSend, Reply: "200 ErrorQuotaExceeded: Full."}, want: both("deferred ews.account") + " | park ews.account", dot: true},
		"the message is refused": {fault: simulator.Fault{At: simulator.AtEWSSend, Reply: "200 ErrorMessageSizeExceeded: Too large."}, want: both("failed ews.message"), dot: true},
		"a new password": {change: func(r *simulated) { r.provider.SetPassword(janeAddress, "new") },
			want: both("deferred auth.web_refused") + " | park auth.web_refused"},
		"EWS is closed to the account": {fault: simulator.Fault{At: simulator.AtEWSSignIn, Reply: "403 Forbidden: no"}, want: both("deferred default.web_account") + " | park default.web_account"},
		"the server is away":           {change: func(r *simulated) { r.provider.Close() }, want: both("deferred connect.unreachable")},
		"the server moved":             {fault: simulator.Fault{At: simulator.AtEWSRead, Location: "https://elsewhere.example/"}, want: both("deferred connect.unreachable")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, scheme := range []exchange.Scheme{exchange.NTLM, exchange.Basic} {
				p := simulator.Exchange()
				p.Exchange.Schemes = []exchange.Scheme{scheme}
				r := newSimulated(t, p, byEWS)
				if c.fault != (simulator.Fault{}) {
					c.fault.Times = 1
					r.provider.Inject(c.fault)
				}
				if c.change != nil {
					c.change(r)
				}
				a := r.sends(t, orElse(c.from, janeAddress), c.want)
				if c.pause != 0 && (a.Results[0].Pause != c.pause || a.Trouble.Pause != c.pause) {
					t.Errorf("%s: pauses %v and %v, want %v", scheme, a.Results[0].Pause, a.Trouble.Pause, c.pause)
				}
				if a.Way != relay.WayEWS || a.Peer.Host != "127.0.0.1" || (len(r.dots) == 1 && slices.Equal(r.dots[0], []int{0, 1})) != c.dot {
					t.Errorf("%s: way %s, peer %+v, dots %v", scheme, a.Way, a.Peer, r.dots)
				}
				if name == "the server is away" {
					continue
				}
				if stored := r.copies(t, "Sent Items") == 1 && len(r.provider.Outbox()) == 1; stored != c.stored {
					t.Errorf("%s: stored %v: %d copies, outbox %+v", scheme, stored, r.copies(t, "Sent Items"), r.provider.Outbox())
				}
			}
		})
	}
}

func noMore(r *simulated) { r.provider.SetLimit(janeAddress, 0) }

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// A message whose answer was lost is found again in Sent, byte for byte the one that
// was sent, so that nobody has to send it twice.
func TestExchangeFindsWhatIsUnknown(t *testing.T) {
	t.Parallel()
	r := newSimulated(t, simulator.Exchange(), byEWS)
	r.provider.Inject(simulator.Fault{At: simulator.AfterEWSSend, Hangup: true, Times: 1})
	r.sends(t, janeAddress, both("unknown outcome.unknown"))
	c, err := r.accounts.Credentials(t.Context(), "jane", relay.ResourceMail)
	if err != nil {
		t.Fatal(err)
	}
	client, err := r.opener.Open(c, relay.WayEWS)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if found, err := client.Find(t.Context(), webmail.FolderSent, headerID); err != nil || len(found) != 1 || found[0].From != janeAddress {
		t.Errorf("found %+v, %v", found, err)
	}
}

// byMicrosoft sets the account up for SMTP and Graph, without a preset. The token is
// good for both.
func byMicrosoft(r *simulated, c *relay.Credentials) {
	c.Account.Provider, c.Account.SignIn = relay.ProviderOffice365, relay.SignInConsent
	c.Account.Card.Ways = []relay.Way{relay.WaySMTP, relay.WayGraph}
	c.Password = ""
	c.Token = relay.Secret(r.provider.IssueToken(janeAddress, "https://outlook.office.com/SMTP.Send", "https://graph.microsoft.com/Mail.Send"))
}

// TestMicrosoft: what Microsoft says leads down the ladder, or holds the sender, or
// slows the account down.
func TestMicrosoft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*simulated)
		from   string
		want   string
		way    relay.Way
		via    string
		down   string
	}{
		"goes":                 {nil, "", both("delivered"), relay.WaySMTP, "smtp", ""},
		"SMTP is switched off": {func(r *simulated) { r.provider.SMTPAuthDisabled(true) }, "", both("delivered"), relay.WayGraph, "graph", "smtp auth.smtp_disabled.microsoft"},
		"as somebody else":     {nil, "boss@a.example", both("held sender.denied.microsoft"), relay.WaySMTP, "", ""},
		"the limit":            {noMore, "", both("deferred quota.daily.microsoft") + " | slow quota.daily.microsoft", relay.WaySMTP, "", ""},
		"switched off, and the answer of Graph is lost": {func(r *simulated) {
			r.provider.SMTPAuthDisabled(true)
			r.provider.Inject(simulator.Fault{At: simulator.AfterGraphSend, Hangup: true})
		}, "", both("unknown outcome.unknown"), relay.WayGraph, "graph", "smtp auth.smtp_disabled.microsoft"},
		"switched off, and Graph sends nothing and says 200": {func(r *simulated) {
			r.provider.SMTPAuthDisabled(true)
			r.provider.Inject(simulator.Fault{At: simulator.AtGraphSend, Reply: "200 OK"})
		}, "", both("unknown web.not_202.graph"), relay.WayGraph, "", "smtp auth.smtp_disabled.microsoft"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newSimulated(t, simulator.Office365(), byMicrosoft)
			if c.change != nil {
				c.change(r)
			}
			a := r.sends(t, orElse(c.from, janeAddress), c.want)
			var down, via []string
			for _, rung := range r.health.rungs {
				down = append(down, string(rung.Way)+" "+rung.Rule)
			}
			for _, m := range r.provider.Outbox() {
				via = append(via, m.Via)
			}
			if a.Way != c.way || strings.Join(down, ", ") != c.down || strings.Join(via, ", ") != c.via {
				t.Errorf("by %s, sent by %v, stepped down from %v", a.Way, via, down)
			}
		})
	}
}

// What a password's provider says about a foreign sender holds the mail, and fails
// nothing.
func TestForeignSenderIsHeld(t *testing.T) {
	t.Parallel()
	for rule, p := range map[string]simulator.Personality{
		"sender.denied_word": simulator.Zoho(), "sender.denied": simulator.Exchange(),
	} {
		r := newSimulated(t, p, func(_ *simulated, c *relay.Credentials) { c.Account.Provider = relay.ProviderIMAP })
		r.sends(t, "boss@a.example", both("held "+rule))
		r.sends(t, janeAddress, both("delivered"))
		if n := len(r.provider.Outbox()); n != 1 {
			t.Errorf("%s: %d messages were sent", p.Name, n)
		}
	}
}
