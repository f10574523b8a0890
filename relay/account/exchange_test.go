package account_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/simulator/exchange"
	"github.com/relayd/relayd/relay"
)

// byEWS is Jane's account at the simulated Exchange server.
func (w *world) byEWS(login string) *relay.Account {
	return &relay.Account{ID: "a1", Organisation: "acme", User: "u1", Address: jane(), Settings: relay.Settings{
		Provider: relay.ProviderExchange, EWS: relay.EWS{URL: w.provider.EWSURL(), Login: login},
	}}
}

func TestExchangeServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		login   string
		schemes []exchange.Scheme
		release exchange.Release
		version string
	}{
		{"NTLM, domain and name", `EXAMPLE\jane`, []exchange.Scheme{exchange.NTLM}, exchange.Exchange2019, "Exchange2013_SP1"},
		{"NTLM, user principal name", janeMail, []exchange.Scheme{exchange.NTLM}, exchange.ExchangeSE, "Exchange2013_SP1"},
		{"NTLM, the account's address", "", nil, exchange.Exchange2016, "Exchange2013_SP1"},
		{"Basic, domain and name", `example\jane`, []exchange.Scheme{exchange.Basic}, exchange.Exchange2013, "Exchange2010_SP2"},
		{"Basic, user principal name", janeMail, []exchange.Scheme{exchange.Basic}, exchange.Exchange2010SP2, "Exchange2010_SP2"},
		{"Exchange 2007", `EXAMPLE\jane`, nil, exchange.Exchange2007SP1, "Exchange2007_SP1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := simulator.Exchange()
			p.Exchange.Schemes, p.Exchange.Release = test.schemes, test.release
			w, _ := simulated(t, p)
			w.save(w.byEWS(test.login), password)
			a := w.mustVerify()
			card := &a.Card
			if a.State != relay.AccountVerified || !slices.Equal(card.Ways, []relay.Way{relay.WayEWS}) || !card.FilesSent || !card.KeepsFrom ||
				!card.KeepsHeaderID || card.ReplyNamesID || card.ArrivedIn != "inbox" || card.ArrivedAfter <= 0 || card.Certificate == "" {
				t.Errorf("%s, card %+v", a.State, card)
			}
			v, _ := w.service.Progress("a1")
			if d := stepNamed(v, "ews.auth").Detail; !strings.HasSuffix(d, ", "+test.version) {
				t.Errorf("the sign-in tells %q, want %s", d, test.version)
			}
			w.empty("INBOX", "Sent Items", "Deleted Items")
			sent := w.provider.Outbox()
			if len(sent) != 1 || sent[0].Via != "ews" || !slices.Equal(sent[0].To, []string{janeMail}) {
				t.Errorf("sent %+v", sent)
			}
		})
	}
}

// A shared mailbox is opened by the login of somebody who has the right to.
func TestExchangeSharedMailbox(t *testing.T) {
	t.Parallel()
	for login, ok := range map[string]bool{`EXAMPLE\jane`: true, `EXAMPLE\john`: false} {
		w, _ := simulated(t, simulator.Exchange())
		if err := w.provider.AddAccount(simulator.Account{Address: "office@acme.example", Password: "nobody's", Delegates: []string{janeMail}}); err != nil {
			t.Fatal(err)
		}
		if err := w.provider.SetPassword("john@acme.example", password.Reveal()); err != nil {
			t.Fatal(err)
		}
		a := w.byEWS(login)
		a.User, a.Address.Local = "", "office"
		w.save(a, password)
		if !ok {
			w.mustFail("ews.login", "ErrorAccessDenied", login)
			continue
		}
		if card := w.mustVerify().Card; !card.FilesSent || !card.KeepsFrom || card.ArrivedIn != "inbox" {
			t.Errorf("card %+v", card)
		}
		for _, folder := range []string{"INBOX", "Sent Items"} {
			if left, err := w.provider.Messages(t.Context(), "office@acme.example", folder); err != nil || len(left) != 0 {
				t.Errorf("%s: %d mails are left, %v", folder, len(left), err)
			}
		}
	}
}

// A release that knows nothing newer than the first one is told from a wrong address.
func TestExchangeServerThatIsTooOld(t *testing.T) {
	t.Parallel()
	p := simulator.Exchange()
	p.Exchange.Release = exchange.Exchange2007
	w, _ := simulated(t, p)
	w.save(w.byEWS(""), password)
	w.mustFail("ews.version", "ErrorInvalidServerVersion")
}

// Every wrong setting is named.
func TestExchangeServerNamesTheSetting(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		password relay.Secret
		change   func(w *world, a *relay.Account)
		field    string
		words    string
	}{
		{"password", "wrong", nil, "password", "refuses the user name jane@acme.example with this password"},
		{"another domain", password, func(_ *world, a *relay.Account) { a.EWS.Login = `ELSEWHERE\jane` }, "password", `DOMAIN\name or name@domain`},
		{"somebody else's mailbox", password, func(w *world, a *relay.Account) {
			a.EWS.Login = "john@acme.example"
			if err := w.provider.SetPassword("john@acme.example", password.Reveal()); err != nil {
				t.Fatal(err)
			}
		}, "address", "does not let john@acme.example send as this address"},
		{"a path that is not there", password, func(w *world, a *relay.Account) { a.EWS.URL = w.provider.HTTPSURL() + "/EWS/Exchange" }, "ews.url", "127.0.0.1"},
		{"a page of another kind", password, func(w *world, a *relay.Account) {
			a.EWS.URL = w.provider.HTTPSURL() + "/.well-known/openid-configuration"
		}, "ews.url", "127.0.0.1"},
		{"a service of another kind", password, func(w *world, a *relay.Account) { a.EWS.URL = w.provider.HTTPSURL() + "/autodiscover/autodiscover.xml" }, "ews.url", "127.0.0.1"},
		{"a page for browsers", password, func(w *world, a *relay.Account) {
			w.provider.Handle("/login", http.RedirectHandler("/login/form", http.StatusFound))
			a.EWS.URL = w.provider.HTTPSURL() + "/login"
		}, "ews.url", "not Exchange's web service"},
		{"a page that everybody may read", password, func(w *world, a *relay.Account) {
			w.provider.Handle("/welcome", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>secret</html>") }))
			a.EWS.URL = w.provider.HTTPSURL() + "/welcome"
		}, "ews.url", "asks for no sign-in"},
		{"no such host", password, func(_ *world, a *relay.Account) { a.EWS.URL = "https://mail.invalid/EWS/Exchange.asmx" }, "ews.url", "no server with the name mail.invalid"},
		{"not a web server", password, func(w *world, a *relay.Account) {
			a.EWS.URL = "https://" + w.provider.SubmissionAddr().String() + "/EWS/Exchange.asmx"
		}, "ews.url", "secure connection"},
		{"the name on the certificate", password, func(w *world, a *relay.Account) {
			a.EWS.URL = "https://" + mirror(w.t, w.provider.HTTPSAddr().String()).String() + "/EWS/Exchange.asmx"
		}, "ews.url", "certificate of 127.0.0.2 is not valid"},
		{"a version that the server does not know", password, func(_ *world, a *relay.Account) { a.EWS.Version = "Exchange2030" }, "ews.version", "Leave the version empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, _ := simulated(t, simulator.Exchange())
			a := w.byEWS("")
			if test.change != nil {
				test.change(w, a)
			}
			w.save(a, test.password)
			v := w.mustFail(test.field, test.words)
			if strings.Contains(v.Message, test.password.Reveal()) || strings.Contains(v.Message, "secret") {
				t.Errorf("the message shows the password: %s", v.Message)
			}
			if n := len(w.provider.Outbox()); n != 0 && test.field != "address" {
				t.Errorf("%d mails were sent", n)
			}
			w.empty("INBOX", "Sent Items")
		})
	}
}

// What the server says at each step reaches the person, and nothing is left behind.
func TestExchangeServerInTrouble(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault simulator.Fault
		field string
		words string
	}{
		"no right to sign in by EWS": {simulator.Fault{At: simulator.AtEWSSignIn, Reply: "401"}, "password", "with this password"},
		"forbidden":                  {simulator.Fault{At: simulator.AtEWSSignIn, Reply: "403 Forbidden: no"}, "", "403"},
		"too busy to look":           {simulator.Fault{At: simulator.AtEWSRead, Reply: "500 ErrorServerBusy: Later."}, "", "more slowly"},
		"too busy to send":           {simulator.Fault{At: simulator.AtEWSSend, Reply: "500 ErrorServerBusy: Later."}, "", "more slowly"},
		"the mailbox is full":        {simulator.Fault{At: simulator.AtEWSSend, Reply: "200 ErrorQuotaExceeded: The mailbox is full."}, "", "missing, full or not open"},
		"may not send as itself":     {simulator.Fault{At: simulator.AtEWSSend, Reply: "200 ErrorSendAsDenied: No."}, "address", "Send As right"},
		"cut off before storing":     {simulator.Fault{At: simulator.AtEWSSend, Hangup: true}, "", ""},
		"cut off after storing":      {simulator.Fault{At: simulator.AfterEWSSend, Hangup: true}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := simulated(t, simulator.Exchange())
			w.save(w.byEWS(""), password)
			w.provider.Inject(test.fault)
			w.mustFail(test.field, test.words)
			w.empty("INBOX", "Sent Items")
		})
	}
}

// An account that breaks later is tried by one sign-in, which proves it again.
func TestExchangeServerWithANewPassword(t *testing.T) {
	t.Parallel()
	w, _ := simulated(t, simulator.Exchange())
	w.save(w.byEWS(""), password)
	w.mustVerify()
	if err := w.provider.SetPassword(janeMail, "another one"); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Rule: "auth.web_refused"}); err != nil {
		t.Fatal(err)
	}
	a := w.stored()
	a.Password = nil
	w.save(&a, "another one")
	w.run()
	w.diary.await(t, "restored a1")
}
