package account_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
)

// appPassword is one of Google's, in groups of four letters.
const appPassword = "abcd efgh ijkl mnop"

func byConsent(a *relay.Account, ways ...relay.Way) *relay.Account {
	a.SignIn, a.App, a.Ways = relay.SignInConsent, "app1", ways
	return a
}

func TestGmailAppPassword(t *testing.T) {
	t.Parallel()
	w, _ := simulated(t, simulator.Gmail())
	if err := w.provider.SetPassword(janeMail, appPassword); err != nil {
		t.Fatal(err)
	}
	a := w.settings(relay.ProviderGmail)
	a.SMTP.Login, a.IMAP.Login = "jane", "jane"
	w.save(a, appPassword)
	w.checkGmail(w.mustVerify(), relay.WaySMTP)
	if sealed := w.stored().Password; !strings.HasSuffix(string(sealed), "6162636465666768696a6b6c6d6e6f70") { // without its spaces
		t.Errorf("sealed: %s", sealed)
	}
}

func TestGmailConsent(t *testing.T) {
	t.Parallel()
	w, v := simulated(t, simulator.Gmail())
	w.save(byConsent(w.settings(relay.ProviderGmail)), "")
	w.checkGmail(w.mustVerify(), relay.WaySMTP)
	if !v.has("token a1 mail") {
		t.Errorf("the vendor was asked %v", v.calls)
	}
}

// checkGmail checks what was learned of Google, and that the mailbox is as it was.
func (w *world) checkGmail(a relay.Account, ways ...relay.Way) {
	w.t.Helper()
	card := &a.Card
	if a.State != relay.AccountVerified || !slices.Equal(card.Ways, ways) || card.SentFolder != "[Gmail]/Sent Mail" || !card.FilesSent ||
		!card.KeepsFrom || !card.KeepsHeaderID || card.Appends || card.ArrivedIn == "" {
		w.t.Errorf("%s, card %+v", a.State, card)
	}
	w.empty("INBOX", "[Gmail]/Sent Mail", "[Gmail]/All Mail", "[Gmail]/Trash", "[Gmail]/Spam")
}

// The ladder of SMTP and the Gmail API: both are proved, each by a mail of its own.
func TestGmailLadder(t *testing.T) {
	t.Parallel()
	w, v := simulated(t, simulator.Gmail())
	v.scopes = map[relay.Resource][]string{relay.ResourceGmail: {"https://mail.google.com/"}}
	w.save(byConsent(w.settings(relay.ProviderGmail), relay.WaySMTP, relay.WayGmailAPI), "")
	w.checkGmail(w.mustVerify(), relay.WaySMTP, relay.WayGmailAPI)
	var via []string
	for _, m := range w.provider.Outbox() {
		via = append(via, m.Via)
	}
	if !slices.Equal(via, []string{"smtp", "gmail"}) || !v.has("token a1 gmail") {
		t.Errorf("sent by %v; the vendor was asked %v", via, v.calls)
	}
}

// An administrator who prefers the scope gmail.send: the API alone, which may not
// read. The vendor's word about the address has to do.
func TestGmailThatMaySendOnly(t *testing.T) {
	t.Parallel()
	w, v := simulated(t, simulator.Gmail())
	v.scopes = map[relay.Resource][]string{relay.ResourceGmail: {"https://www.googleapis.com/auth/gmail.send"}}
	a := byConsent(&relay.Account{ID: "a1", User: "u1", Address: jane()}, relay.WayGmailAPI)
	a.Provider = relay.ProviderGmail
	w.save(a, "")
	card := w.mustVerify().Card
	if !slices.Equal(card.Ways, []relay.Way{relay.WayGmailAPI}) || !card.FilesSent || !card.KeepsFrom {
		t.Errorf("card %+v", card)
	}
	if sent := w.provider.Outbox(); len(sent) != 1 || sent[0].Via != "gmail" {
		t.Errorf("sent %+v", sent)
	}
}

func TestGmailRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		password relay.Secret // of the account; empty signs in by consent
		typed    relay.Secret
		change   func(w *world, v *vendor)
		field    string
		words    []string
	}{
		{"a wrong app password", appPassword, "abcd efgh ijkl mnoq", nil, "password", []string{"535 5.7.8", "Username and Password not accepted"}},
		{"the password of the web page", "secret of the web page", "secret of the web page", nil, "password", []string{"534 5.7.9", "app password"}},
		{"the token of another mailbox", "", "", func(_ *world, v *vendor) { v.who = "john@acme.example" }, "consent", []string{"refuses the access that was given for jane@acme.example"}},
		{"too few scopes", "", "", func(_ *world, v *vendor) {
			v.scopes = map[relay.Resource][]string{relay.ResourceMail: {"https://www.googleapis.com/auth/gmail.send"}}
		}, "consent", []string{"refuses the access"}},
		{"the token is withdrawn", "", "", func(w *world, _ *vendor) {
			w.provider.Inject(simulator.Fault{At: simulator.AtAuth, Reply: "535 5.7.8 Username and Password not accepted"})
		}, "consent", []string{"535 5.7.8"}},
		{"the daily limit", appPassword, appPassword, func(w *world, _ *vendor) {
			if err := w.provider.SetLimit(janeMail, 0); err != nil {
				w.t.Fatal(err)
			}
		}, "", []string{"550 5.4.5", "daily sending limit"}},
		{"IMAP is switched off", appPassword, appPassword, func(w *world, _ *vendor) {
			w.provider.Inject(simulator.Fault{At: simulator.AtLogin, Reply: "NO [ALERT] Your account is not enabled for IMAP use."})
		}, "imap.login", []string{"IMAP is switched on"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w, v := simulated(t, simulator.Gmail())
			a := w.settings(relay.ProviderGmail)
			if test.password == "" {
				byConsent(a)
			} else if err := w.provider.SetPassword(janeMail, test.password.Reveal()); err != nil {
				t.Fatal(err)
			} else {
				a.SMTP.Login, a.IMAP.Login = "jane", "jane"
			}
			if test.change != nil {
				test.change(w, v)
			}
			w.save(a, test.typed)
			w.mustFail(test.field, test.words...)
			w.empty("INBOX", "[Gmail]/Sent Mail")
		})
	}
}
