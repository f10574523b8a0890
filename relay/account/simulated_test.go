package account_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/relay/provider"
)

// The topology of the tests of whole providers: a Service with the real reply rules
// and the real clients,
//
//	Service --SMTP, IMAP, EWS, Graph, Gmail API--> simulated provider
//
// and a vendor that gives the tokens of that provider.

// theRules are the real ones, read once: that takes its time under the race detector.
var theRules = sync.OnceValues(provider.New)

// simulated is a world with the real rules, the real web clients, and tokens for Jane.
func simulated(t *testing.T, p simulator.Personality, change ...func(*account.Options)) (*world, *vendor) {
	t.Helper()
	rules, err := theRules()
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{who: janeMail, asked: map[relay.Resource]int{}}
	o := func(o *account.Options) {
		o.Classifier, o.Tokens = rules, v
	}
	var opener webmail.Opener
	w := newWorld(t, p, append([]func(*account.Options){o, func(o *account.Options) { o.Web = &opener }}, change...)...)
	opener = *webmail.New(webmail.Options{Dialer: &net.Dialer{}, Roots: w.provider.Roots(),
		GraphBase: w.provider.HTTPSURL() + "/v1.0", GmailBase: w.provider.HTTPSURL()})
	v.provider = w.provider
	return w, v
}

// vendor gives tokens of the simulated provider, for the mailbox of who.
type vendor struct {
	tokens
	provider *simulator.Simulator
	who      string
	scopes   map[relay.Resource][]string // instead of those that are enough
	asked    map[relay.Resource]int
}

func (v *vendor) Token(_ context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error) {
	v.note("token " + a.ID + " " + string(r))
	if v.refusal != nil {
		return "", nil, v.refusal
	}
	scopes := v.scopes[r]
	if scopes == nil {
		scopes = enough(a.Provider, r)
	}
	return relay.Secret(v.provider.IssueToken(v.who, scopes...)), &relay.App{ID: a.App}, nil
}

// enough are the scopes that a resource needs.
func enough(provider string, r relay.Resource) []string {
	switch {
	case r == relay.ResourceGraph:
		return []string{"https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.ReadWrite"}
	case provider == relay.ProviderGmail:
		return []string{"https://mail.google.com/"}
	}
	return []string{"https://outlook.office.com/SMTP.Send", "https://outlook.office.com/IMAP.AccessAsUser.All"}
}

// settings is Jane's account with the servers of the simulated provider.
func (w *world) settings(provider string) *relay.Account {
	a := w.record()
	a.Provider = provider
	a.SMTP.Login, a.IMAP.Login = "", "" // the address
	return a
}

// mustVerify proves the account and gives it as it is then.
func (w *world) mustVerify() relay.Account {
	w.t.Helper()
	if v := w.verify(); v.State != relay.VerificationDone {
		w.t.Fatalf("%+v", v)
	}
	return w.stored()
}

// mustFail checks the setting that a verification blames, and its words.
func (w *world) mustFail(field string, words ...string) relay.Verification {
	w.t.Helper()
	v := w.verify()
	if v.State != relay.VerificationFailed || v.Field != field {
		w.t.Errorf("%s, field %q: %s; want field %q", v.State, v.Field, v.Message, field)
	}
	for _, word := range words {
		if !strings.Contains(v.Message, word) {
			w.t.Errorf("the message %q does not say %q", v.Message, word)
		}
	}
	if w.stored().State != relay.AccountUnverified {
		w.t.Errorf("the account is %s", w.stored().State)
	}
	return v
}

// empty checks that nothing is left of a verification.
func (w *world) empty(folders ...string) {
	w.t.Helper()
	for _, f := range folders {
		if n := len(w.messages(f)); n != 0 {
			w.t.Errorf("%d mails are left in %s", n, f)
		}
	}
}

func stepNamed(v relay.Verification, name string) relay.VerificationStep {
	i := slices.IndexFunc(v.Steps, func(s relay.VerificationStep) bool { return s.Name == name })
	if i < 0 {
		return relay.VerificationStep{}
	}
	return v.Steps[i]
}
