package account_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/store"
)

// tokens gives access tokens without a vendor.
type tokens struct {
	mu      sync.Mutex
	calls   []string
	refusal error
	fresh   func() relay.Secret // what Renew gives; nil: something that opens nothing
}

func (k *tokens) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, what)
}

func (k *tokens) has(what string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.calls, what)
}

func (k *tokens) Token(_ context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error) {
	k.note("token " + a.ID + " " + string(r))
	if k.refusal != nil {
		return "", nil, k.refusal
	}
	return relay.Secret("token-of-" + a.ID), &relay.App{ID: a.App}, nil
}

func (k *tokens) CandidateToken(_ context.Context, a *relay.Account, r relay.Resource) (relay.Secret, *relay.App, error) {
	k.note("candidate token " + a.ID + " " + string(r))
	return relay.Secret("token of the candidate of " + a.ID), &relay.App{ID: a.Candidate.App}, nil
}

func (k *tokens) ForgetCandidate(_ context.Context, id string) error {
	k.note("forget candidate " + id)
	return nil
}

func (k *tokens) Renew(_ context.Context, a *relay.Account, _ relay.Resource, stale relay.Secret) (relay.Secret, *relay.App, error) {
	k.note("renew " + a.ID)
	if k.fresh != nil {
		return k.fresh(), &relay.App{ID: a.App}, nil
	}
	return stale + "2", &relay.App{ID: a.App}, nil
}

func (k *tokens) Adopt(_ context.Context, id string) error  { k.note("adopt " + id); return nil }
func (k *tokens) Forget(_ context.Context, id string) error { k.note("forget " + id); return nil }

// api is a mailbox behind an API: what is sent lies in the inbox and in Sent.
type api struct {
	mu       sync.Mutex
	refuse   map[relay.Way]error // of Check
	unread   bool                // its consent may only send
	stale    relay.Secret        // a token that Check refuses
	address  string
	replaced bool // gives every mail another Message-ID
	boxes    map[webmail.Folder][]webmail.Item
	opened   []string
}

func (a *api) Open(c *relay.Credentials, way relay.Way) (webmail.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.opened = append(a.opened, string(way)+" "+c.Token.Reveal()+c.Password.Reveal())
	return &apiClient{a, way, c.Token}, nil
}

type apiClient struct {
	*api
	way   relay.Way
	token relay.Secret
}

func (c *apiClient) Check(context.Context) (webmail.About, error) {
	if c.stale != "" && c.token == c.stale {
		return webmail.About{}, &webmail.Error{Way: c.way, Where: relay.AtAuth, Reply: relay.Reply{Code: 401, Text: "InvalidAuthenticationToken: expired"}}
	}
	return webmail.About{Host: "api.example", TLS: "TLS 1.3", Address: c.address}, c.refuse[c.way]
}

func (c *apiClient) Send(_ context.Context, content webmail.Content) (webmail.Receipt, error) {
	text, err := io.ReadAll(content.Reader())
	if err != nil || int64(len(text)) != content.Size {
		return webmail.Receipt{}, errors.New("the content is not whole")
	}
	field := func(name string) string {
		_, rest, _ := strings.Cut(string(text), name+": ")
		value, _, _ := strings.Cut(rest, "\r\n")
		return value
	}
	item := webmail.Item{ID: field("Message-ID"), HeaderID: field("Message-ID"), From: field("From"), Subject: field("Subject")}
	if c.replaced {
		item.HeaderID = "<other@api.example>"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range []webmail.Folder{webmail.FolderInbox, webmail.FolderSent} {
		item.Folder = f
		c.boxes[f] = append(c.boxes[f], item)
	}
	return webmail.Receipt{}, nil
}

func (c *apiClient) find(f webmail.Folder, match func(webmail.Item) bool) ([]webmail.Item, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unread {
		return nil, &webmail.Error{Way: c.way, Where: relay.AtAfterDot, Cause: webmail.ErrNotPermitted,
			Reply: relay.Reply{Code: 403, Text: "ErrorAccessDenied: no"}}
	}
	var found []webmail.Item
	for _, i := range c.boxes[f] {
		if match(i) {
			found = append(found, i)
		}
	}
	return found, nil
}

func (c *apiClient) Find(_ context.Context, f webmail.Folder, headerID string) ([]webmail.Item, error) {
	return c.find(f, func(i webmail.Item) bool { return i.HeaderID == headerID })
}

func (c *apiClient) FindSubject(_ context.Context, f webmail.Folder, text string) ([]webmail.Item, error) {
	return c.find(f, func(i webmail.Item) bool { return strings.Contains(i.Subject, text) })
}

func (c *apiClient) Delete(_ context.Context, items ...webmail.Item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, gone := range items {
		c.boxes[gone.Folder] = slices.DeleteFunc(c.boxes[gone.Folder], func(i webmail.Item) bool { return i == gone })
	}
	return nil
}

func (c *apiClient) Close() error { return nil }

// clouded is a world whose accounts can be reached by APIs.
func clouded(t *testing.T, p simulator.Personality, change ...func(*account.Options)) (*world, *api, *tokens) {
	t.Helper()
	web := &api{boxes: map[webmail.Folder][]webmail.Item{}, refuse: map[relay.Way]error{}}
	vendor := &tokens{}
	w := newWorld(t, p, append(change, func(o *account.Options) {
		o.Web, o.Tokens, o.LoopPatience = web, vendor, 100*time.Millisecond
	})...)
	return w, web, vendor
}

func TestVerifyExchange(t *testing.T) {
	t.Parallel()
	for name, replaced := range map[string]bool{"keeps Message-IDs": false, "replaces them": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, web, _ := clouded(t, simulator.Personality{})
			web.replaced, web.address = replaced, janeMail
			w.save(&relay.Account{ID: "a1", Address: jane(), Settings: relay.Settings{
				Provider: relay.ProviderExchange, EWS: relay.EWS{URL: "https://mail.acme.example/EWS/Exchange.asmx", Login: `ACME\jane`},
			}}, password)
			v := w.verify()
			if v.State != relay.VerificationDone {
				t.Fatalf("%+v", v)
			}
			a := w.stored()
			if a.State != relay.AccountVerified || !slices.Equal(a.Card.Ways, []relay.Way{relay.WayEWS}) || !a.Card.FilesSent || a.Card.KeepsHeaderID == replaced {
				t.Errorf("%+v", a)
			}
			if n := len(web.boxes[webmail.FolderInbox]) + len(web.boxes[webmail.FolderSent]); n != 0 {
				t.Errorf("%d mails are left", n)
			}
		})
	}
}

func TestVerifyRefusesTheMailboxOfAnother(t *testing.T) {
	t.Parallel()
	w, web, _ := clouded(t, simulator.Personality{})
	web.address = "john@acme.example"
	w.save(&relay.Account{ID: "a1", Address: jane(), Settings: relay.Settings{
		Provider: relay.ProviderExchange, EWS: relay.EWS{URL: "https://mail.acme.example/EWS/Exchange.asmx"},
	}}, password)
	if v := w.verify(); v.State != relay.VerificationFailed || v.Field != "address" || !strings.Contains(v.Message, "john@acme.example") {
		t.Errorf("%+v", v)
	}
}

// graphOnly is an account that is reached by Graph alone.
func graphOnly() *relay.Account {
	return &relay.Account{ID: "a1", User: "u1", Address: jane(), Settings: relay.Settings{
		Provider: relay.ProviderOffice365, SignIn: relay.SignInConsent, App: "app1", Ways: []relay.Way{relay.WayGraph},
	}}
}

func TestVerifyGraph(t *testing.T) {
	t.Parallel()
	w, _, vendor := clouded(t, simulator.Personality{})
	w.save(graphOnly(), "")
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); !slices.Equal(a.Card.Ways, []relay.Way{relay.WayGraph}) || len(a.Password) != 0 || !vendor.has("token a1 graph") {
		t.Errorf("%+v, %v", a, vendor.calls)
	}
	if err := w.service.Delete(t.Context(), "a1"); err != nil || !vendor.has("forget a1") {
		t.Errorf("deleted: %v, %v", err, vendor.calls)
	}
}

// A consent that may only send proves its address by the vendor's word.
func TestVerifyOfASignInThatMayOnlySend(t *testing.T) {
	t.Parallel()
	w, web, _ := clouded(t, simulator.Personality{})
	web.unread = true
	w.save(graphOnly(), "")
	v := w.verify()
	if v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); !slices.Equal(a.Card.Ways, []relay.Way{relay.WayGraph}) || !a.Card.FilesSent {
		t.Errorf("%+v", a.Card)
	}
	secret := graphOnly()
	secret.ID, secret.SignIn, secret.Address.Local = "a2", relay.SignInApp, "john"
	w.save(secret, "")
	w.table.change("a2", func(a *relay.Account) { a.Binding.Kind = relay.BindingMapping })
	if err := w.service.Verify(t.Context(), "a2", "ops"); err != nil {
		t.Fatal(err)
	}
	var last relay.Verification
	for v := range w.service.Watch(t.Context(), "a2") {
		last = v
	}
	if last.State != relay.VerificationFailed {
		t.Errorf("an application's secret proves an address without reading: %+v", last)
	}
}

// An address is bound to its user before an application's secret opens its mailbox.
func TestBinding(t *testing.T) {
	t.Parallel()
	w, web, _ := clouded(t, simulator.Personality{})
	a := graphOnly()
	a.SignIn = relay.SignInApp
	w.save(a, "")
	var refused *relay.FieldError
	if err := w.service.Verify(t.Context(), "a1", "ops"); !errors.As(err, &refused) || refused.Field != "binding" || len(web.opened) != 0 {
		t.Fatalf("without a binding: %v, %v", err, web.opened)
	}
	if err := w.service.Bind(t.Context(), "a1", relay.Binding{Kind: relay.BindingMapping, By: "ops", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Errorf("%+v", v)
	}
}

// A token in memory that ended before its time is no reason to refuse an account: it is
// replaced once at each place, when the account is proved and when it is tried again.
func TestTokenThatEndedEarly(t *testing.T) {
	t.Parallel()
	w, _, vendor := clouded(t, simulator.Office365())
	vendor.fresh = func() relay.Secret {
		return relay.Secret(w.provider.IssueToken(janeMail, "https://outlook.office.com/SMTP.Send", "https://outlook.office.com/IMAP.AccessAsUser.All"))
	}
	a := w.record()
	a.Provider, a.SignIn, a.App, a.Ways = relay.ProviderOffice365, relay.SignInConsent, "app1", []relay.Way{relay.WaySMTP}
	w.save(a, "")
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if n := len(slices.DeleteFunc(vendor.calls, func(call string) bool { return call != "renew a1" })); n != 2 {
		t.Errorf("renewed %d times, want once for each server: %v", n, vendor.calls)
	}
	trouble := relay.Trouble{Kind: relay.TroublePark, Rule: "auth.password"}
	if err := w.service.Park(t.Context(), "a1", trouble); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Mended(t.Context(), "app1"); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.diary.await(t, "restored a1")
	vendor.fresh = nil
	if v := w.verify(); v.State != relay.VerificationFailed || v.Field != "consent" {
		t.Errorf("a token that cannot be mended: %+v", v)
	}
}

// A token of an API as well.
func TestTokenOfAnAPIThatEndedEarly(t *testing.T) {
	t.Parallel()
	w, web, vendor := clouded(t, simulator.Personality{})
	web.stale = "token-of-a1"
	vendor.fresh = func() relay.Secret { return "another" }
	w.save(graphOnly(), "")
	if v := w.verify(); v.State != relay.VerificationDone || !vendor.has("renew a1") {
		t.Errorf("%+v, %v", v, vendor.calls)
	}
}

func TestTokenThatCannotBeHad(t *testing.T) {
	t.Parallel()
	w, _, vendor := clouded(t, simulator.Personality{})
	w.save(graphOnly(), "")
	vendor.refusal = &relay.TokenError{Reply: relay.Reply{Code: 400, Text: "invalid_grant: revoked"}}
	if v := w.verify(); v.State != relay.VerificationFailed || !strings.Contains(v.Message, "invalid_grant") {
		t.Errorf("%+v", v)
	}
	vendor.refusal = store.ErrNotFound
	if v := w.verify(); v.State != relay.VerificationFailed || v.Field != "consent" {
		t.Errorf("%+v", v)
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	w, _, vendor := clouded(t, simulator.Personality{})
	w.save(graphOnly(), "")
	c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceGraph)
	if err != nil || c.Token != "token-of-a1" || !c.Bearer() || c.App.ID != "app1" {
		t.Fatalf("%+v, %v", c, err)
	}
	next, err := w.service.Renew(t.Context(), c)
	if err != nil || next.Token == c.Token || !vendor.has("renew a1") {
		t.Errorf("%+v, %v", next, err)
	}
}

// New consent is tried under an ID of its own, and adopted once it is proved.
func TestCandidateConsent(t *testing.T) {
	t.Parallel()
	w, web, vendor := clouded(t, simulator.Personality{})
	w.save(graphOnly(), "")
	w.verify()
	if err := w.change(func(a *relay.Account) { a.App = "app2" }, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.change(nil, ""); err != nil || w.stored().Candidate != nil || !vendor.has("forget candidate a1") {
		t.Errorf("taken back: %v, %+v, %v", err, w.stored(), vendor.calls)
	}
	if err := w.change(func(a *relay.Account) { a.App = "app2" }, ""); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if !slices.Contains(web.opened, "graph token of the candidate of a1") || !vendor.has("adopt a1") || w.stored().App != "app2" || w.stored().Candidate != nil {
		t.Errorf("%v, %v, %+v", web.opened, vendor.calls, w.stored())
	}
}

func TestStepDown(t *testing.T) {
	t.Parallel()
	w, _, _ := clouded(t, simulator.Personality{})
	w.save(graphOnly(), "")
	w.verify()
	rung := relay.Rung{Way: relay.WaySMTP, Rule: "auth.smtp_disabled", RetryAt: time.Now().Add(time.Hour)}
	w.table.change("a1", func(a *relay.Account) { a.Card.Ways = []relay.Way{relay.WaySMTP, relay.WayGraph} })
	for range 2 {
		if err := w.service.StepDown(t.Context(), "a1", rung); err != nil {
			t.Fatal(err)
		}
	}
	a := w.stored()
	if !slices.Equal(a.Proved(time.Now()), []relay.Way{relay.WayGraph}) || len(a.Down) != 1 || !w.diary.has("step down a1 from smtp") {
		t.Errorf("%+v", a)
	}
	if ways := a.Proved(time.Now().Add(2 * time.Hour)); len(ways) != 2 {
		t.Errorf("after a while: %v", ways)
	}
	rung.Way = relay.WayGraph
	if err := w.service.StepDown(t.Context(), "a1", rung); err != nil || len(w.stored().Down) != 1 {
		t.Errorf("the last way: %v, %+v", err, w.stored().Down)
	}
	w.verify()
	if len(w.stored().Down) != 0 {
		t.Errorf("after a verification: %+v", w.stored().Down)
	}
}

func TestLearnMendedAndTold(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.service.Learn(t.Context(), "a1", true); err != nil || !w.stored().Card.FilesSent {
		t.Errorf("learned: %v, %+v", err, w.stored().Card)
	}
	w.table.change("a1", func(a *relay.Account) { a.App = "app1" })
	if err := w.service.Mended(t.Context(), "app1"); err != nil || !w.stored().RetryAt.IsZero() {
		t.Errorf("nothing was broken: %v, %+v", err, w.stored())
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Rule: "auth.password_wrong", Pause: time.Hour}); err != nil {
		t.Fatal(err)
	}
	told := relay.Told{Owner: time.Now()}
	if err := w.service.Told(t.Context(), "a1", time.Now(), told); err != nil || !w.stored().Told.Owner.IsZero() {
		t.Errorf("of another trouble: %v, %+v", err, w.stored().Told)
	}
	if err := w.service.Told(t.Context(), "a1", w.stored().StateSince, told); err != nil || w.stored().Told != told {
		t.Errorf("told: %v, %+v", err, w.stored().Told)
	}
	if err := w.service.Mended(t.Context(), "app2"); err != nil || w.stored().RetryAt.Before(time.Now()) {
		t.Errorf("something was done about another application: %v, %+v", err, w.stored())
	}
	w.run()
	if err := w.service.Mended(t.Context(), "app1"); err != nil {
		t.Fatal(err)
	}
	w.diary.await(t, "restored a1")
	since := w.stored().Broke.Since
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Rule: "auth.password_wrong", Pause: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); since.IsZero() || !a.StateSince.Equal(since) || a.Told != told {
		t.Errorf("the same trouble again is another one: %+v", a)
	}
}

// finder finds the servers of the simulated provider.
type finder struct {
	settings relay.Settings
	err      error
}

func (f finder) Find(context.Context, *relay.Account) (relay.Settings, string, error) {
	return f.settings, "preset Acme", f.err
}

// With an address and a password alone, the servers are found.
func TestVerifyFindsTheServers(t *testing.T) {
	t.Parallel()
	var w *world
	found := finder{}
	w = newWorld(t, simulator.Personality{}, func(o *account.Options) { o.Finder = &found })
	found.settings = w.record().Settings
	w.save(&relay.Account{ID: "a1", Address: jane()}, password)
	v := w.verify()
	if v.State != relay.VerificationDone || v.Steps[0].Name != "discover" || v.Steps[0].Detail != "preset Acme" || v.Steps[1].State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); a.SMTP != found.settings.SMTP || a.Provider != relay.ProviderIMAP || a.State != relay.AccountVerified {
		t.Errorf("%+v", a)
	}
	for err, field := range map[error]string{
		&relay.FieldError{Field: "smtp.host", Message: "Is mail.acme.example right?"}: "smtp.host",
		errors.New("secret words of a stranger"):                                      "address",
	} {
		found.err = err
		a := &relay.Account{ID: "a" + field, Address: relay.Address{Local: field, Domain: "acme.example"}}
		w.save(a, password)
		if err := w.service.Verify(t.Context(), a.ID, "ops"); err != nil {
			t.Fatal(err)
		}
		var last relay.Verification
		for v := range w.service.Watch(t.Context(), a.ID) {
			last = v
		}
		if last.State != relay.VerificationFailed || last.Field != field || strings.Contains(last.Message, "secret") {
			t.Errorf("%s: %+v", field, last)
		}
	}
}

// A token is shown to nobody but the servers of its vendor, and what an application's
// secret opens is the account's own mailbox.
func TestTokenGoesToItsVendorOnly(t *testing.T) {
	t.Parallel()
	w, _, _ := clouded(t, simulator.Personality{}, func(o *account.Options) {
		o.TokenHost = func(_ *relay.App, host string) bool { return host == "mail.vendor.example" }
	})
	a := w.record()
	a.Provider, a.SignIn, a.App, a.Ways = relay.ProviderOffice365, relay.SignInConsent, "app1", []relay.Way{relay.WaySMTP}
	w.save(a, "")
	var refusal *relay.FieldError
	if _, err := w.service.Credentials(t.Context(), a.ID, relay.ResourceMail); !errors.As(err, &refusal) || !strings.Contains(refusal.Message, "goes only to") {
		t.Errorf("credentials for a foreign server: %v", err)
	}
	if v := w.verify(); v.State != relay.VerificationFailed || !strings.HasSuffix(v.Field, ".host") {
		t.Errorf("%+v", v)
	}
	b := w.record()
	b.ID, b.Address.Local = "a2", "john"
	b.Provider, b.SignIn, b.App, b.IMAP.Login = relay.ProviderOffice365, relay.SignInApp, "app1", "boss@acme.example"
	b.SMTP.Login = ""
	if err := w.service.Save(t.Context(), b, ""); !errors.As(err, &refusal) || refusal.Field != "imap.login" {
		t.Errorf("an application's secret for another mailbox: %v", err)
	}
	b.IMAP.Login, b.SMTP.TLS = "john@ACME.example", relay.TLSNone
	if err := w.service.Save(t.Context(), b, ""); !errors.As(err, &refusal) || refusal.Field != "smtp.tls" {
		t.Errorf("a token in clear: %v", err)
	}
}
