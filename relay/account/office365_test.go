package account_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
)

// byBoth is Jane's account at Microsoft, by SMTP and then by Graph.
func (w *world) byBoth() *relay.Account { return byConsent(w.settings(relay.ProviderOffice365)) }

// via is by what the mails of the verification were sent.
func (w *world) via() []string {
	var via []string
	for _, m := range w.provider.Outbox() {
		via = append(via, m.Via)
	}
	return via
}

// Both ways of the ladder are proved, each by a mail of its own.
func TestOffice365(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		p       simulator.Personality
		sent    string
		keepsID bool
		namesID bool
	}{
		{simulator.Office365(), "Sent Items", true, false},
		{simulator.OutlookCom(), "Sent", false, true},
	} {
		t.Run(test.p.Name, func(t *testing.T) {
			t.Parallel()
			w, v := simulated(t, test.p)
			w.save(w.byBoth(), "")
			a := w.mustVerify()
			card := &a.Card
			if a.State != relay.AccountVerified || !slices.Equal(card.Ways, []relay.Way{relay.WaySMTP, relay.WayGraph}) || !card.FilesSent || !card.KeepsFrom ||
				card.KeepsHeaderID != test.keepsID || card.ReplyNamesID != test.namesID || card.SentFolder != test.sent || card.Appends {
				t.Errorf("%s, card %+v", a.State, card)
			}
			if got := w.via(); !slices.Equal(got, []string{"smtp", "graph"}) || !v.has("token a1 mail") || !v.has("token a1 graph") {
				t.Errorf("sent by %v; the vendor was asked %v", got, v.calls)
			}
			w.empty("INBOX", test.sent, "Deleted Items")
		})
	}
}

// The tenant has switched SMTP AUTH off: the account goes on by Graph, and says why.
func TestOffice365WithoutSMTP(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]simulator.Personality{"keeps Message-IDs": simulator.Office365(), "replaces them": simulator.OutlookCom()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := simulated(t, p)
			w.provider.SMTPAuthDisabled(true)
			w.save(w.byBoth(), "")
			a := w.mustVerify()
			keeps := p.NewIDs == ""
			if !slices.Equal(a.Card.Ways, []relay.Way{relay.WayGraph}) || !a.Card.FilesSent || !a.Card.KeepsFrom || a.Card.KeepsHeaderID != keeps || a.Card.ReplyNamesID {
				t.Errorf("card %+v", a.Card)
			}
			v, _ := w.service.Progress("a1")
			step := stepNamed(v, "smtp.auth")
			if step.State != relay.VerificationSkipped || !strings.Contains(step.Detail, "SmtpClientAuthentication is disabled for the Tenant") {
				t.Errorf("%+v", step)
			}
			if sender := stepNamed(v, "smtp.sender"); sender.State != relay.VerificationSkipped {
				t.Errorf("%+v", sender)
			}
			if got := w.via(); !slices.Equal(got, []string{"graph"}) {
				t.Errorf("sent by %v", got)
			}
			w.empty("INBOX", p.SentFolder)
			// Switched on again, the next verification finds SMTP as well.
			w.provider.SMTPAuthDisabled(false)
			if a := w.mustVerify(); !slices.Equal(a.Card.Ways, []relay.Way{relay.WaySMTP, relay.WayGraph}) {
				t.Errorf("switched on again: %v", a.Card.Ways)
			}
		})
	}
}

// Graph alone, without any server: the mailbox is read by Graph too.
func TestOffice365ByGraphAlone(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]simulator.Personality{"keeps Message-IDs": simulator.Office365(), "replaces them": simulator.OutlookCom()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, v := simulated(t, p)
			a := graphOnly()
			a.User = "u1"
			w.save(a, "")
			card := w.mustVerify().Card
			if !slices.Equal(card.Ways, []relay.Way{relay.WayGraph}) || !card.FilesSent || !card.KeepsFrom || card.KeepsHeaderID != (p.NewIDs == "") ||
				card.ArrivedIn != "inbox" || card.Certificate == "" {
				t.Errorf("card %+v", card)
			}
			if v.has("token a1 mail") {
				t.Errorf("the vendor was asked %v", v.calls)
			}
			w.empty("INBOX", p.SentFolder, "Deleted Items")
		})
	}
}

// What may only be sent with Graph, and not read, is believed for the vendor's word.
func TestOffice365ThatMaySendOnly(t *testing.T) {
	t.Parallel()
	w, v := simulated(t, simulator.Office365())
	v.scopes = map[relay.Resource][]string{relay.ResourceGraph: {"https://graph.microsoft.com/Mail.Send"}}
	a := graphOnly()
	a.User = "u1"
	w.save(a, "")
	if card := w.mustVerify().Card; !slices.Equal(card.Ways, []relay.Way{relay.WayGraph}) || !card.FilesSent {
		t.Errorf("card %+v", card)
	}
}

func TestOffice365Refusals(t *testing.T) {
	t.Parallel()
	mail, graph := relay.ResourceMail, relay.ResourceGraph
	for _, test := range []struct {
		name   string
		ways   []relay.Way
		change func(w *world, v *vendor)
		field  string
		words  []string
	}{
		{"the token of another mailbox, SMTP", []relay.Way{relay.WaySMTP}, func(_ *world, v *vendor) { v.who = "john@acme.example" },
			"consent", []string{"refuses the access that was given for jane@acme.example", "535 5.7.3", "reconnect the mailbox"}},
		{"the token of another mailbox, Graph", []relay.Way{relay.WayGraph}, func(_ *world, v *vendor) { v.who = "john@acme.example" },
			"address", []string{"for the mailbox of john@acme.example, not of jane@acme.example"}},
		{"a token for another resource, SMTP", []relay.Way{relay.WaySMTP}, func(_ *world, v *vendor) {
			v.scopes = map[relay.Resource][]string{mail: {"https://graph.microsoft.com/Mail.Send"}}
		}, "consent", []string{"535 5.7.3"}},
		{"a token for another resource, Graph", []relay.Way{relay.WayGraph}, func(_ *world, v *vendor) {
			v.scopes = map[relay.Resource][]string{graph: {"https://outlook.office.com/SMTP.Send"}}
		}, "consent", []string{"Microsoft Graph refuses the access"}},
		{"no scope for SMTP", []relay.Way{relay.WaySMTP}, func(_ *world, v *vendor) {
			v.scopes = map[relay.Resource][]string{mail: {"https://outlook.office.com/IMAP.AccessAsUser.All"}}
		}, "consent", []string{"535 5.7.3"}},
		{"no scope for IMAP", []relay.Way{relay.WaySMTP}, func(_ *world, v *vendor) {
			v.scopes = map[relay.Resource][]string{mail: {"https://outlook.office.com/SMTP.Send"}}
		}, "consent", []string{"refuses the access that was given for jane@acme.example"}},
		{"SMTP switched off, and nothing else", []relay.Way{relay.WaySMTP}, func(w *world, _ *vendor) { w.provider.SMTPAuthDisabled(true) },
			"consent", []string{"5.7.139", "SmtpClientAuthenticationDisabled"}},
		{"consent withdrawn", nil, func(_ *world, v *vendor) {
			v.refusal = &relay.TokenError{Reply: relay.Reply{Code: 400, Text: "invalid_grant: AADSTS50173: The provided grant has expired due to it being revoked."}}
		}, "consent", []string{"AADSTS50173", "reconnect the mailbox"}},
		{"secret expired", nil, func(_ *world, v *vendor) {
			v.refusal = &relay.TokenError{Reply: relay.Reply{Code: 401, Text: "invalid_client: AADSTS7000222: The provided client secret keys are expired."}}
		}, "app", []string{"AADSTS7000222", "make a new one in Entra"}},
		{"the daily limit", nil, func(w *world, _ *vendor) {
			if err := w.provider.SetLimit(janeMail, 0); err != nil {
				w.t.Fatal(err)
			}
		}, "", []string{"SubmissionQuotaExceededException", "sending limit"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, v := simulated(t, simulator.Office365())
			if test.change != nil {
				test.change(w, v)
			}
			a := byConsent(w.settings(relay.ProviderOffice365), test.ways...)
			if len(test.ways) == 1 && test.ways[0] == relay.WayGraph {
				a.SMTP, a.IMAP = relay.Server{}, relay.Server{}
			}
			w.save(a, "")
			w.mustFail(test.field, test.words...)
			w.empty("INBOX", "Sent Items")
		})
	}
}

// A password still opens an account at Microsoft only where the tenant lets it.
func TestOffice365Password(t *testing.T) {
	t.Parallel()
	w, _ := simulated(t, simulator.Office365())
	w.save(w.settings(relay.ProviderOffice365), password)
	w.mustFail("smtp.port", "no sign-in by password")
	p := simulator.Office365()
	p.Mechanisms = []string{"LOGIN", "XOAUTH2"}
	w, _ = simulated(t, p)
	w.provider.SMTPAuthDisabled(true)
	w.save(w.settings(relay.ProviderOffice365), password)
	w.mustFail("password", "5.7.139", "SmtpClientAuthenticationDisabled")
}
