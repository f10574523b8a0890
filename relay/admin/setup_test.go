package admin

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
)

// tourSetup calls every operation on what is set up for accounts.
func tourSetup(r *rig, o api.Organisation) {
	r.Helper()
	secret, ends := "canary-of-an-app", time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	in := api.AppInput{Name: "Mail", Vendor: "microsoft", ClientID: "id", Secret: &secret, SecretExpires: &ends, Organisation: o.ID, Tenant: "t1",
		Endpoints: &api.Endpoints{Token: "https://login.example/token"}}
	first := r.ask("POST", "/apps", in).is(201)
	app := read[api.App](first)
	if !app.HasSecret || app.Kind != "consent" || app.Endpoints.Token != in.Endpoints.Token || !app.SecretExpires.Equal(ends) {
		r.Errorf("app %+v", app)
	}
	in.Secret, in.Testing = nil, true
	if changed := read[api.App](r.change("/apps/"+app.ID, first.header.Get("ETag"), in).is(200)); !changed.Testing || !changed.HasSecret {
		r.Errorf("changed app %+v", changed)
	}
	r.ask("GET", "/apps/"+app.ID, nil).is(200)
	if found := read[api.List[api.App]](r.ask("GET", "/apps?organisation="+o.ID, nil).is(200)); len(found.Items) != 1 {
		r.Errorf("apps %+v", found)
	}
	if to := read[api.AdminConsent](r.ask("POST", "/apps/"+app.ID+"/admin-consent", nil).is(200)); !strings.HasPrefix(to.Address, "https://vendor.example/") {
		r.Errorf("admin consent %+v", to)
	}
	tourStarters(r, o, app)
	r.ask("DELETE", "/apps/"+app.ID, nil).is(204)
	tourClaims(r, o)
	tourWebhooks(r, o)
	tourScouting(r, o)
}

func tourWebhooks(r *rig, o api.Organisation) {
	r.Helper()
	in := api.WebhookInput{Organisation: o.ID, URL: "https://hooks.example/x", Events: []string{"account.parked"}}
	first := r.ask("POST", "/webhooks", in).is(201)
	w := read[api.WebhookSecret](first)
	if w.Secret != "whsec_canary" || strings.Join(w.Webhook.Events, " ") != "account.parked" {
		r.Errorf("webhook %+v", w)
	}
	path := "/webhooks/" + w.Webhook.ID
	in.Disabled = true
	if changed := read[api.Webhook](r.change(path, first.header.Get("ETag"), in).is(200)); !changed.Disabled {
		r.Errorf("changed webhook %+v", changed)
	}
	r.ask("GET", path, nil).is(200)
	if found := read[api.List[api.Webhook]](r.ask("GET", "/webhooks?organisation="+o.ID, nil).is(200)); len(found.Items) != 1 {
		r.Errorf("webhooks %+v", found)
	}
	if again := read[api.WebhookSecret](r.ask("POST", path+"/secret", nil).is(200)); again.Secret == "" {
		r.Errorf("new secret %+v", again)
	}
	if tried := read[api.WebhookTrial](r.ask("POST", path+"/test", nil).is(200)); !tried.Taken {
		r.Errorf("trial %+v", tried)
	}
	r.ask("DELETE", path, nil).is(204)
}

func tourScouting(r *rig, o api.Organisation) {
	r.Helper()
	found := read[api.Discovery](r.ask("POST", "/discover", api.DiscoverInput{Address: "jane@acme.example"}).is(200))
	if len(found.Suggestions) != 1 || found.Suggestions[0].SMTP.Port != 465 || found.Trail[0].Asked != o.ID {
		r.Errorf("discovery %+v", found)
	}
	if dates := read[api.List[api.CalendarEntry]](r.ask("GET", "/calendar?organisation="+o.ID+"&days=30", nil).is(200)); len(dates.Items) != 1 {
		r.Errorf("calendar %+v", dates)
	}
	r.ask("GET", "/calendar", nil).is(200)
}

func tourStarters(r *rig, o api.Organisation, app api.App) {
	r.Helper()
	in := api.StarterInput{Organisation: o.ID, Domain: "ACME.example", Login: `ACME\{local}`, Settings: api.Settings{
		Provider: "office365", SignIn: "oauth", App: app.ID, SMTP: &api.Server{Host: "smtp.office365.com", Port: 587, TLS: "starttls"},
	}, Limits: &api.Limits{MessagesPerMinute: 10}}
	first := r.ask("POST", "/starters", in).is(201)
	s := read[api.Starter](first)
	if s.Domain != "acme.example" || s.App != app.ID || s.Limits.MessagesPerMinute != 10 || s.Login != in.Login || s.SMTP.Port != 587 {
		r.Errorf("starter %+v", s)
	}
	in.Limits, in.OwnServers = nil, true
	if changed := read[api.Starter](r.change("/starters/"+s.ID, first.header.Get("ETag"), in).is(200)); changed.Limits != nil || !changed.OwnServers {
		r.Errorf("changed starter %+v", changed)
	}
	r.ask("GET", "/starters/"+s.ID, nil).is(200)
	if found := read[api.List[api.Starter]](r.ask("GET", "/starters?organisation="+o.ID, nil).is(200)); len(found.Items) != 1 {
		r.Errorf("starters %+v", found)
	}
	r.ask("DELETE", "/apps/"+app.ID, nil).is(409).says("still use")
	r.ask("DELETE", "/starters/"+s.ID, nil).is(204)
}

func tourClaims(r *rig, o api.Organisation) {
	r.Helper()
	c := read[api.DomainClaim](r.ask("POST", "/domain-claims", api.DomainClaimInput{Organisation: o.ID, Domain: "new.example"}).is(201))
	if c.DNSName != "_challenge.new.example" || c.DNSValue != "token=abc" || c.Proved != nil {
		r.Errorf("claim %+v", c)
	}
	r.ask("GET", "/domain-claims/"+c.ID, nil).is(200)
	if found := read[api.List[api.DomainClaim]](r.ask("GET", "/domain-claims?organisation="+o.ID, nil).is(200)); len(found.Items) != 1 {
		r.Errorf("claims %+v", found)
	}
	if c = read[api.DomainClaim](r.ask("POST", "/domain-claims/"+c.ID+"/check", nil).is(200)); c.Proved == nil {
		r.Errorf("checked claim %+v", c)
	}
	r.ask("DELETE", "/domain-claims/"+c.ID, nil).is(204)
}

func tourIdentity(r *rig, account string) {
	r.Helper()
	path := "/accounts/" + account
	a := read[api.Account](r.ask("POST", path+"/aliases", api.AliasInput{Address: "Sales@acme.example"}).is(200))
	if len(a.Aliases) != 1 || a.Aliases[0].Address != "Sales@acme.example" || a.Aliases[0].ProvedAt != nil {
		r.Errorf("aliases %+v", a.Aliases)
	}
	r.ask("POST", path+"/aliases/sales@acme.example/verification", nil).is(202)
	r.ask("DELETE", path+"/verification", nil).is(204)
	r.ask("DELETE", path+"/aliases/sales@acme.example", nil).is(204)
	if link := read[api.Link](r.ask("POST", path+"/links", api.LinkInput{Purpose: "mend"}).is(201)); !strings.Contains(link.Address, "mend-"+account) || link.Expires == nil {
		r.Errorf("link %+v", link)
	}
	if link := read[api.Link](r.ask("POST", path+"/links", api.LinkInput{Purpose: "connect", Mail: true}).is(201)); link.Address != "" || link.Expires == nil {
		r.Errorf("invitation %+v", link)
	}
	if link := read[api.Link](r.ask("POST", path+"/codes", nil).is(201)); !strings.Contains(link.Address, "code-") {
		r.Errorf("code %+v", link)
	}
	d := read[api.Device](r.ask("POST", path+"/device-consents", api.DeviceInput{}).is(201))
	if d = read[api.Device](r.ask("GET", path+"/device-consents/"+d.ID, nil).is(200)); d.State != "done" {
		r.Errorf("device %+v", d)
	}
	r.ask("GET", path+"/device-consents/other", nil).is(404)
	if used := read[api.AccountUsage](r.ask("GET", path+"/usage", nil).is(200)); used.Day.Messages.Left != 7 {
		r.Errorf("usage %+v", used)
	}
	if a = read[api.Account](r.ask("POST", path+"/binding", nil).is(200)); a.Binding == nil || a.Binding.Kind != "mapping" || a.Binding.By == "" {
		r.Errorf("binding %+v", a.Binding)
	}
}

// What is wrong is named, and changes nothing.
func TestSetupRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o, u := r.company("acme.example")
	a := read[api.Account](r.ask("POST", "/accounts", servers(u.ID, canary)).is(201))
	bad, noKey := "x", "no key file"
	for _, test := range []struct {
		path  string
		body  any
		says  string
		field string
	}{
		{"/apps", api.AppInput{Name: "x", Vendor: "google", Kind: "service_account", ClientID: "id"}, "needs its secret", "secret"},
		{"/apps", api.AppInput{Name: "x", Vendor: "google", ClientID: "id", Endpoints: &api.Endpoints{Token: "http://login.example"}}, "https", "endpoints.token"},
		{"/apps", api.AppInput{Name: "a\r\nb", Vendor: "google", ClientID: "id", Secret: &bad}, "printable", "name"},
		{"/starters", api.StarterInput{Organisation: "org_none"}, "no organisation", "organisation"},
		{"/starters", api.StarterInput{Organisation: o.ID, Domain: "other.example"}, "does not belong", "domain"},
		{"/starters", api.StarterInput{Organisation: o.ID, Login: "{user}"}, "placeholders", "login"},
		{"/starters", api.StarterInput{Organisation: o.ID, Settings: api.Settings{App: "app_none"}}, "no OAuth application", "app"},
		{"/domain-claims", api.DomainClaimInput{Organisation: "org_none", Domain: "x.example"}, "no organisation", "organisation"},
		{"/domain-claims", api.DomainClaimInput{Organisation: o.ID, Domain: "nothing"}, "not a domain", "domain"},
		{"/apps", api.AppInput{Name: "x", Vendor: "google", Kind: "service_account", ClientID: "id", Secret: &noKey}, "no key file", "secret"},
		{"/webhooks", api.WebhookInput{Organisation: o.ID, URL: "http://x.example"}, "https", "url"},
		{"/webhooks", api.WebhookInput{Organisation: o.ID, URL: "https://x.example", Events: []string{"rain"}}, "no event", "events"},
		{"/discover", api.DiscoverInput{Address: "nobody"}, "not an e-mail address", "address"},
		{"/accounts/" + a.ID + "/links", api.LinkInput{Purpose: "mend", Mail: true}, "only a link to connect", "mail"},
		{"/accounts/" + a.ID + "/device-consents", api.DeviceInput{App: "app_none"}, "no OAuth application", "app"},
		{"/accounts/" + a.ID + "/aliases", api.AliasInput{Address: "no address"}, "not an e-mail address", "address"},
		{"/accounts/" + a.ID + "/aliases", api.AliasInput{Address: "jane@other.example"}, "no organisation owns", "address"},
		{"/accounts/" + a.ID + "/aliases/info@acme.example/verification", nil, "no address of this account", "alias"},
		{"/organisations", api.OrganisationInput{Name: "New", Policy: &api.Policy{FallBack: "direct", BrokenAfter: "soon"}}, "72h", "policy.broken_after"},
	} {
		r.ask("POST", test.path, test.body).is(422).says(test.says).says("body." + test.field)
	}
	c := read[api.DomainClaim](r.ask("POST", "/domain-claims", api.DomainClaimInput{Organisation: o.ID, Domain: "taken.example"}).is(201))
	r.ask("POST", "/domain-claims/"+c.ID+"/check", nil).is(409).says("another organisation")
}

// W10: what belongs to another organisation does not exist for a caller.
func TestSetupStaysWithinReach(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	mine, _ := r.company("acme.example")
	other := read[api.Organisation](r.ask("POST", "/organisations", api.OrganisationInput{Name: "Other", Domains: []string{"other.example"}}).is(201))
	token := r.newToken(t, other.ID)
	secret := "canary"
	app := read[api.App](r.ask("POST", "/apps", api.AppInput{Organisation: mine.ID, Name: "x", Vendor: "google", ClientID: "id", Secret: &secret}).is(201))
	starter := read[api.Starter](r.ask("POST", "/starters", api.StarterInput{Organisation: mine.ID}).is(201))
	claim := read[api.DomainClaim](r.ask("POST", "/domain-claims", api.DomainClaimInput{Organisation: mine.ID, Domain: "new.example"}).is(201))
	for _, path := range []string{"/apps/" + app.ID, "/starters/" + starter.ID, "/domain-claims/" + claim.ID} {
		r.as(token, "GET", path, nil).is(404)
		r.as(token, "DELETE", path, nil).is(404)
	}
	hook := read[api.WebhookSecret](r.ask("POST", "/webhooks", api.WebhookInput{Organisation: mine.ID, URL: "https://x.example"}).is(201))
	for _, path := range []string{"", "/secret", "/test"} {
		method := map[bool]string{true: "DELETE", false: "POST"}[path == ""]
		r.as(token, method, "/webhooks/"+hook.Webhook.ID+path, nil).is(404)
	}
	r.as(token, "POST", "/webhooks", api.WebhookInput{URL: "https://x.example"}).is(422).says("operator")
	r.as(token, "POST", "/apps/"+app.ID+"/admin-consent", nil).is(404)
	r.as(token, "GET", "/calendar?organisation="+mine.ID, nil).is(404)
	r.as(token, "POST", "/domain-claims/"+claim.ID+"/check", nil).is(404)
	r.as(token, "POST", "/apps", api.AppInput{Name: "x", Vendor: "google", ClientID: "id"}).is(422).says("operator")
	r.as(token, "POST", "/starters", api.StarterInput{Organisation: other.ID, Settings: api.Settings{App: app.ID}}).is(422).says("no OAuth application")
	for _, path := range []string{"/apps", "/starters", "/domain-claims"} {
		if found := r.as(token, "GET", path, nil).is(200); strings.Contains(string(found.body), mine.ID) {
			t.Errorf("%s shows %s", path, found.body)
		}
	}
}

// The organisation's policy, and its first administrator.
func TestOrganisationWithAnAdministrator(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	in := api.OrganisationInput{Name: "New", Domains: []string{"new.example"},
		Policy:        &api.Policy{FallBack: "hold", Broken: "return", BrokenAfter: "48h", TellAfter: "1h"},
		Administrator: &api.UserInput{Address: "boss@new.example", HeaderName: "Boss"}}
	o := read[api.Organisation](r.ask("POST", "/organisations", in).is(201))
	if o.Policy != (api.Policy{FallBack: "hold", Broken: "return", BrokenAfter: "48h0m0s", TellAfter: "1h0m0s"}) {
		t.Errorf("policy %+v", o.Policy)
	}
	found := read[api.List[api.User]](r.ask("GET", "/users?organisation="+o.ID, nil).is(200))
	if len(found.Items) != 1 || !found.Items[0].Administrator || found.Items[0].Address != "boss@new.example" {
		t.Errorf("users %+v", found)
	}
	in.Domains, in.Administrator = []string{"third.example"}, &api.UserInput{Address: "boss@elsewhere.example"}
	r.ask("POST", "/organisations", in).is(422)
	if all := read[api.List[api.Organisation]](r.ask("GET", "/organisations", nil).is(200)); len(all.Items) != 1 {
		t.Errorf("an organisation without its administrator is left: %+v", all)
	}
}

// A user's new address stands everywhere, and the account needs a new proof.
func TestNewAddressOfAUser(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, u := r.company("acme.example")
	a := read[api.Account](r.ask("POST", "/accounts", servers(u.ID, canary)).is(201))
	in := api.SubmitterInput{Login: "crm", Organisation: u.Organisation, Senders: api.Senders{Addresses: []string{u.Address, "info@acme.example"}}}
	s := read[api.SubmitterSecret](r.ask("POST", "/submitters", in).is(201))
	r.change("/users/"+u.ID, etag(u.Revision), api.UserInput{Address: "jane.doe@acme.example"}).is(200)
	if a = read[api.Account](r.ask("GET", "/accounts/"+a.ID, nil).is(200)); a.Address != "jane.doe@acme.example" {
		t.Errorf("account %+v", a)
	}
	got := read[api.Submitter](r.ask("GET", "/submitters/"+s.Submitter.ID, nil).is(200))
	if strings.Join(got.Senders.Addresses, " ") != "jane.doe@acme.example info@acme.example" {
		t.Errorf("submitter %+v", got.Senders)
	}
}

// A change of a user's address that broke off can be made again.
func TestNewAddressOfAUserAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, u := r.company("acme.example")
	a := read[api.Account](r.ask("POST", "/accounts", servers(u.ID, canary)).is(201))
	r.accounts.fault = errors.New("the disk is away")
	in := api.UserInput{Address: "jane.doe@acme.example"}
	r.change("/users/"+u.ID, etag(u.Revision), in).is(500)
	r.accounts.fault = nil
	r.change("/users/"+u.ID, etag(u.Revision), in).is(200)
	if a = read[api.Account](r.ask("GET", "/accounts/"+a.ID, nil).is(200)); a.Address != in.Address {
		t.Errorf("account %+v", a)
	}
}

// What was entrusted to an application follows it nowhere else.
func TestApplicationThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o, _ := r.company("acme.example")
	secret := canary
	in := api.AppInput{Name: "Mail", Vendor: "google", ClientID: "id", Secret: &secret, Organisation: o.ID}
	first := r.ask("POST", "/apps", in).is(201)
	app := read[api.App](first)
	for name, change := range map[string]func(*api.AppInput){
		"tokens":   func(in *api.AppInput) { in.Endpoints = &api.Endpoints{Token: "https://thief.example/token"} },
		"mail":     func(in *api.AppInput) { in.Endpoints = &api.Endpoints{Mail: "thief.example"} },
		"vendor":   func(in *api.AppInput) { in.Vendor = "other" },
		"client":   func(in *api.AppInput) { in.ClientID = "other" },
		"tenant":   func(in *api.AppInput) { in.Tenant = "other" },
		"its kind": func(in *api.AppInput) { in.Kind = "app_only" },
	} {
		changed := in
		changed.Secret = nil
		change(&changed)
		if got := r.change("/apps/"+app.ID, first.header.Get("ETag"), changed).is(422); !strings.Contains(string(got.body), "needed again") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if err := r.server.opt.Directory.Grants().Put(t.Context(), &relay.Grant{ID: "acc_1", App: app.ID}); err != nil {
		t.Fatal(err)
	}
	in.Endpoints = &api.Endpoints{Token: "https://other.example/token"}
	r.change("/apps/"+app.ID, first.header.Get("ETag"), in).is(409)
	in.Endpoints = nil
	r.change("/apps/"+app.ID, first.header.Get("ETag"), in).is(200)
	if len(r.accounts.mended) != 1 || r.accounts.mended[0] != app.ID {
		t.Errorf("after a new secret: %v", r.accounts.mended)
	}
}

// A domain is not taken away under an address that sends from it.
func TestDomainOfAnAlias(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	o, u := r.company("acme.example")
	o = read[api.Organisation](r.change("/organisations/"+o.ID, etag(o.Revision), api.OrganisationInput{Name: o.Name, Domains: []string{"acme.example", "second.example"}}).is(200))
	a := read[api.Account](r.ask("POST", "/accounts", servers(u.ID, canary)).is(201))
	rec, err := r.server.opt.Directory.Accounts().Get(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	rec.Aliases = []relay.Alias{{Address: relay.Address{Local: "sales", Domain: "second.example"}}}
	if err := r.server.opt.Directory.Accounts().Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	less := api.OrganisationInput{Name: o.Name, Domains: []string{"acme.example"}}
	if got := r.change("/organisations/"+o.ID, etag(o.Revision), less).is(409); !strings.Contains(string(got.body), "in use") {
		t.Errorf("%s", got.body)
	}
}

// A display name that receivers may take for a forgery is warned of, and kept.
func TestHeaderNameWarning(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, u := r.company("acme.example")
	changed := read[api.User](r.change("/users/"+u.ID, etag(u.Revision), api.UserInput{Address: u.Address, HeaderName: "Your Bank"}).is(200))
	if changed.HeaderName != "Your Bank" || !strings.Contains(changed.Warning, "forged") {
		t.Errorf("user %+v", changed)
	}
}

// What is shown of an account that is not plain.
func TestViewOfAnAccount(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	a := &relay.Account{
		Settings: relay.Settings{Provider: relay.ProviderExchange, EWS: relay.EWS{URL: "https://mail.example/EWS/Exchange.asmx"}, Ways: []relay.Way{relay.WayEWS}},
		Password: []byte("sealed"), CopyMode: relay.CopyNever,
		Candidate: &relay.Candidate{Settings: relay.Settings{SignIn: relay.SignInConsent, App: "app_1"}, Password: []byte("sealed"), Since: now, Reason: "no"},
		Down:      []relay.Rung{{Way: relay.WaySMTP, Since: now, RetryAt: now}}, Binding: relay.Binding{Kind: relay.BindingCode, At: now},
		Aliases: []relay.Alias{{Address: relay.Address{Local: "a", Domain: "b.example"}, ProvedAt: now}},
	}
	v := viewAccount(a)
	if v.SMTP != nil || v.EWS == nil || v.SignIn != "password" || v.CopyMode != "never" || v.Candidate.App != "app_1" || v.Candidate.SignIn != "oauth" ||
		v.Down[0].Way != "smtp" || v.Binding.Kind != "code" || v.Aliases[0].ProvedAt == nil || !v.HasPassword {
		t.Errorf("%+v", v)
	}
}
