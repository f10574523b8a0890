package provider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

func loadPresets(t *testing.T) *Presets {
	t.Helper()
	p, err := NewPresets()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The golden test: every preset of the program loads, which checks every value by
// itself, and the presets are those that the reply rules know.
func TestPresetsAreThoseOfTheRules(t *testing.T) {
	t.Parallel()
	rules, err := decode(replies)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range loadPresets(t).All() {
		ids = append(ids, s.ID)
	}
	want := slices.DeleteFunc(slices.Clone(rules.Providers), func(id string) bool { return id == relay.ProviderIMAP })
	slices.Sort(ids)
	slices.Sort(want)
	if !slices.Equal(ids, want) {
		t.Errorf("presets %v\nrules   %v", ids, want)
	}
}

// What a preset gives can be dialled as it is: no placeholder is left, and every pair
// of servers makes settings.
func TestPresetsAreWrittenOut(t *testing.T) {
	t.Parallel()
	address := relay.Address{Local: "jane", Domain: "acme.example"}
	for _, s := range loadPresets(t).All() {
		for _, server := range slices.Concat(s.SMTP, s.IMAP) {
			if strings.ContainsAny(server.Host, "{}") || server.Login != "" {
				t.Errorf("%s: %+v", s.ID, server)
			}
		}
		if strings.ContainsAny(s.EWS.URL, "{}") {
			t.Errorf("%s: %s", s.ID, s.EWS.URL)
		}
		n := 0
		for ; ; n++ {
			settings, ok := s.Settings(address, n)
			if !ok {
				break
			}
			if settings.Preset != s.ID || settings.Provider != s.Provider || n > 10 {
				t.Fatalf("%s: %+v", s.ID, settings)
			}
		}
		if want := max(len(s.SMTP), len(s.IMAP)); n != want {
			t.Errorf("%s gives %d settings of %d servers", s.ID, n, want)
		}
		if len(s.SignIns()) == 0 {
			t.Errorf("nobody can sign in at %s", s.ID)
		}
	}
}

func TestByDomain(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for _, c := range []struct {
		domain, id string
		match      Match
		smtp       string
	}{
		{"gmail.com", "gmail", MatchDomain, "smtp.gmail.com"},
		{"zoho.com", "zoho", MatchDomain, "smtp.zoho.com"},
		{"zohomail.eu", "zoho", MatchDomain, "smtp.zoho.eu"},
		{"hotmail.com", "outlook_com", MatchDomain, "smtp-mail.outlook.com"},
		{"hotmail.co.uk", "outlook_com", MatchPattern, "smtp-mail.outlook.com"},
		{"contoso.onmicrosoft.com", "microsoft365", MatchPattern, "smtp.office365.com"},
		{"acme.awsapps.com", "workmail", MatchPattern, "smtp.mail.us-east-1.awsapps.com"},
		{"posteo.net", "posteo", MatchPattern, "posteo.de"},
		{"hotmail.example", "", NoMatch, ""},
		{"nothotmail.com", "", NoMatch, ""},
		{"acme.example", "", NoMatch, ""},
		{"", "", NoMatch, ""},
	} {
		s, match := p.ByDomain(c.domain)
		if s.ID != c.id || match != c.match || (c.smtp != "" && s.SMTP[0].Host != c.smtp) {
			t.Errorf("%q: %s (%d) by %+v", c.domain, s.ID, match, s.SMTP)
		}
	}
	if s, _ := p.ByDomain("acme.awsapps.com"); len(s.SMTP) != 3 {
		t.Errorf("without a region there are %d servers, not one for each", len(s.SMTP))
	}
}

func TestByMX(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for _, c := range []struct {
		host, id string
		match    Match
		smtp     string
	}{
		{"aspmx.l.google.com", "gmail", MatchMX, "smtp.gmail.com"},
		{"smtp.google.com", "gmail", MatchMXHint, "smtp.gmail.com"},
		{"acme-example.mail.protection.outlook.com", "microsoft365", MatchMX, "smtp.office365.com"},
		{"hotmail-com.olc.protection.outlook.com", "outlook_com", MatchMX, "smtp-mail.outlook.com"},
		{"mx2.zoho.eu", "zoho", MatchMX, "smtppro.zoho.eu"},
		{"mx.zoho.in", "zoho", MatchMXHint, "smtppro.zoho.in"},
		{"inbound-smtp.eu-west-1.amazonaws.com", "workmail", MatchMX, "smtp.mail.eu-west-1.awsapps.com"},
		{"mta5.am0.yahoodns.net", "yahoo", MatchMX, "smtp.mail.yahoo.com"},
		{"mx-aol.mail.gm0.yahoodns.net", "aol", MatchMX, "smtp.aol.com"},
		{"in1-smtp.messagingengine.com", "fastmail", MatchMX, "smtp.fastmail.com"},
		{"mail.protonmail.ch", "proton_smtp", MatchMXHint, "smtp.protonmail.ch"},
		{"evil-l.google.com.attacker.example", "", NoMatch, ""},
		{"notmessagingengine.com", "", NoMatch, ""},
	} {
		s, match := p.ByMX(c.host)
		if s.ID != c.id || match != c.match || (c.smtp != "" && s.SMTP[0].Host != c.smtp) {
			t.Errorf("%q: %s (%d) by %+v", c.host, s.ID, match, s.SMTP)
		}
	}
	// A region that nobody knows is somebody's invention: it becomes no host name.
	if s, _ := p.ByMX("inbound-smtp.mars.amazonaws.com"); s.SMTP[0].Host != "smtp.mail.us-east-1.awsapps.com" {
		t.Errorf("an unknown region gives %s", s.SMTP[0].Host)
	}
}

func TestByServer(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for host, id := range map[string]string{
		"smtp.gmail.com": "gmail", "SMTP.Office365.com": "microsoft365", "outlook.office365.com": "microsoft365",
		"smtppro.zoho.in": "zoho", "imap.mail.me.com": "icloud", "127.0.0.1": "", "mail.acme.example": "",
	} {
		if s, ok := p.ByServer(host); s.ID != id || ok != (id != "") {
			t.Errorf("%s belongs to %q", host, s.ID)
		}
	}
}

func TestGuesses(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	with, without := p.Guesses("acme.example", "mx.acme.example"), p.Guesses("acme.example", "")
	if len(with) != len(without)+1 || with[0].SMTP.Host != "mail.acme.example" || with[len(with)-1].IMAP.Host != "mx.acme.example" {
		t.Errorf("with an MX %+v\nwithout %+v", with, without)
	}
}

func TestSettingsOfAPreset(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for _, c := range []struct {
		id         string
		smtp, imap string // logins
		signIn     relay.SignIn
		ladder     []relay.Way
	}{
		{"gmail", "", "", relay.SignInPassword, []relay.Way{relay.WaySMTP}},
		{"icloud", "", "jane", relay.SignInPassword, []relay.Way{relay.WaySMTP}},
		{"webde", "jane", "jane", relay.SignInPassword, []relay.Way{relay.WaySMTP}},
		{"microsoft365", "", "", relay.SignInConsent, []relay.Way{relay.WaySMTP, relay.WayGraph}},
		{"outlook_com", "", "", relay.SignInConsent, []relay.Way{relay.WaySMTP, relay.WayGraph}},
		{"workmail", "", "", relay.SignInPassword, []relay.Way{relay.WaySMTP, relay.WayEWS}},
	} {
		s, _ := p.ByID(c.id)
		got, ok := s.Settings(relay.Address{Local: "jane", Domain: "acme.example"}, 0)
		if !ok || got.SMTP.Login != c.smtp || got.IMAP.Login != c.imap || got.SignIn != c.signIn || !slices.Equal(got.Ladder(), c.ladder) {
			t.Errorf("%s: %+v", c.id, got)
		}
	}
	// A password at Microsoft opens SMTP and nothing else.
	s, _ := p.ByID("microsoft365")
	got, _ := s.Settings(relay.Address{Local: "jane", Domain: "acme.example"}, 0)
	got.SignIn = relay.SignInPassword
	if ladder := got.Ladder(); !slices.Equal(ladder, []relay.Way{relay.WaySMTP}) {
		t.Errorf("with a password the ladder is %v", ladder)
	}
	// Only the person knows where an own Exchange is.
	s, _ = p.ByID("exchange_onprem")
	if got, ok := s.Settings(relay.Address{Local: "jane", Domain: "acme.example"}, 0); ok {
		t.Errorf("an own Exchange is found out of nothing: %+v", got)
	}
}

func TestLimitsOfAProvider(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for _, c := range []struct {
		id, domain string
		want       relay.Limits
	}{
		{"", "", relay.Limits{Connections: 2, MessagesPerConnection: 20, MessagesPerMinute: 20, RecipientsPerMessage: 100}},
		{"gmail", "acme.example", relay.Limits{Connections: 2, MessagesPerConnection: 20, MessagesPerMinute: 20, MessagesPerDay: 2000, RecipientsPerMessage: 100, RecipientsPerDay: 3000}},
		{"gmail", "gmail.com", relay.Limits{Connections: 2, MessagesPerConnection: 20, MessagesPerMinute: 20, MessagesPerDay: 500, RecipientsPerMessage: 100, RecipientsPerDay: 3000}},
		{"microsoft365", "", relay.Limits{Connections: 3, MessagesPerConnection: 20, MessagesPerMinute: 25, RecipientsPerMessage: 500, RecipientsPerDay: 10000, MessageSize: 157286400}},
	} {
		if got := p.Limits(c.id, c.domain); got != c.want {
			t.Errorf("%s %s: %+v", c.id, c.domain, got)
		}
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	got := p.Deadlines("workmail", "exchange_onprem", "nobody", "microsoft365", "workmail")
	var ids []string
	for i, d := range got {
		ids = append(ids, d.ID+" "+d.Date.Format(time.DateOnly))
		if d.Text == "" || (i > 0 && d.Date.Before(got[i-1].Date)) {
			t.Errorf("%+v", d)
		}
	}
	want := []string{"exchange_onprem.support 2025-10-14", "microsoft365.smtp_password 2026-12-31", "workmail.end 2027-03-31", "microsoft365.ews 2027-04-01"}
	if !slices.Equal(ids, want) {
		t.Errorf("got %v", ids)
	}
	for _, c := range []struct {
		settings relay.Settings
		want     []string
	}{
		{relay.Settings{Preset: "microsoft365", Provider: relay.ProviderOffice365}, []string{"microsoft365.smtp_password"}},
		{relay.Settings{Preset: "microsoft365", Provider: relay.ProviderOffice365, SignIn: relay.SignInConsent}, nil},
		{relay.Settings{Preset: "microsoft365", Provider: relay.ProviderExchange, SignIn: relay.SignInConsent}, []string{"microsoft365.ews"}},
		{relay.Settings{Preset: "workmail", Provider: relay.ProviderIMAP}, []string{"workmail.end"}},
		{relay.Settings{Preset: "gandi"}, nil},
	} {
		var concerned []string
		for _, d := range got {
			if d.Concerns(&c.settings) {
				concerned = append(concerned, d.ID)
			}
		}
		if !slices.Equal(concerned, c.want) {
			t.Errorf("%+v: %v", c.settings, concerned)
		}
	}
}

// Providers that need a step of the person first have a hint for it.
func TestHintsWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	for _, s := range p.All() {
		switch s.Password {
		case PasswordPlain:
		default:
			if !slices.ContainsFunc(s.Hints, func(h Hint) bool { return h.Topic == HintPassword && !h.Administrator }) {
				t.Errorf("%s: nobody tells the person which password works", s.ID)
			}
		}
	}
	for id, topic := range map[string]HintTopic{"gmx_net": HintIMAP, "webde": HintIMAP, "zoho": HintIMAP, "yandex": HintIMAP, "microsoft365": HintSMTP} {
		s, _ := p.ByID(id)
		if !slices.ContainsFunc(s.Hints, func(h Hint) bool { return h.Topic == topic }) {
			t.Errorf("%s has no hint about %s", id, topic)
		}
	}
}

// A caller that changes a preset does not change the presets.
func TestPresetBelongsToTheCaller(t *testing.T) {
	t.Parallel()
	p := loadPresets(t)
	a, _ := p.ByID("microsoft365")
	a.SMTP[0].Host, a.Hints[0].Text, a.OAuth.Scopes[relay.ResourceMail][0] = "elsewhere", "", "everything"
	b, _ := p.ByID("microsoft365")
	c, _ := p.ByID("outlook_com")
	if b.SMTP[0].Host == "elsewhere" || b.Hints[0].Text == "" || b.OAuth.Scopes[relay.ResourceMail][0] == "everything" || c.OAuth.Vendor != "microsoft" {
		t.Errorf("%+v\n%+v", b, c.OAuth)
	}
}

func TestParsePresetsRefuses(t *testing.T) {
	t.Parallel()
	const (
		generic = `
  - {id: generic_dovecot_cpanel, name: Any, provider: imap, guesses: [{smtp: {host: "mail.{domain}", port: 465, tls: implicit}, imap: {host: "mail.{domain}", port: 993, tls: implicit}}], login: email, auth: [plain], password: plain, ladder: [smtp], saves_sent: never, from: refuse}`
		good = `
  - {id: acme, name: Acme, provider: imap, domains: [acme.example], domain_patterns: ['^acme\.[a-z]+$'], mx: ['\.acme\.example$'], smtp: [{host: "smtp.{dc}.acme.example", port: 465, tls: implicit}], variants: {name: dc, values: [a, b], default: a, domains: {acme.example: b}}, login: email, auth: [plain], password: plain, oauth: {vendor: acme, auth: "https://acme.example/a", token: "https://acme.example/t", scopes: {mail: [m]}}, ladder: [smtp], saves_sent: never, from: refuse, limits: {connections: 1}, deadlines: [{id: acme.end, date: 2027-01-01, text: It ends.}], hints: [{topic: imap, for: person, text: Do it., url: "https://acme.example/help"}]}`
	)
	doc := func(preset string) []byte { return []byte("version: 1\npresets:" + generic + preset) }
	if _, err := ParsePresets(doc(good)); err != nil {
		t.Fatalf("the good preset: %v", err)
	}
	for name, change := range map[string][2]string{
		"unknown key":        {"name: Acme", "name: Acme, nick: x"},
		"unknown key within": {"connections: 1", "connexions: 1"},
		"id":                 {"id: acme,", "id: Acme!,"},
		"id twice":           {"id: acme,", "id: generic_dovecot_cpanel,"},
		"no name":            {"name: Acme", "name: ''"},
		"provider":           {"provider: imap", "provider: pop3"},
		"domain":             {"[acme.example]", "[Acme.example]"},
		"domain twice":       {"[acme.example]", "[acme.example, acme.example]"},
		"pattern":            {`'^acme\.[a-z]+$'`, `'^acme('`},
		"open pattern":       {`'^acme\.[a-z]+$'`, `'acme\.[a-z]+$'`},
		"open mx":            {`'\.acme\.example$'`, `'\.acme\.example'`},
		"placeholder":        {"{dc}.acme", "{cd}.acme"},
		"variant":            {"default: a", "default: c"},
		"variant's domain":   {"{acme.example: b}", "{other.example: b}"},
		"port":               {"port: 465", "port: 70000"},
		"no port":            {"port: 465, ", ""},
		"plain":              {"tls: implicit", "tls: plain"},
		"no servers":         {`smtp: [{host: "smtp.{dc}.acme.example", port: 465, tls: implicit}], `, ""},
		"login":              {"login: email", "login: mail"},
		"mechanism":          {"auth: [plain]", "auth: [gssapi]"},
		"password":           {"password: plain", "password: secret"},
		"endpoint":           {"https://acme.example/t", "http://acme.example/t"},
		"endpoint's user":    {"https://acme.example/t", "https://u@acme.example/t"},
		"resource":           {"scopes: {mail: [m]}", "scopes: {post: [m]}"},
		"no scopes":          {"scopes: {mail: [m]}", "scopes: {mail: []}"},
		"sharing":            {`{vendor: acme,`, `{as: nobody, vendor: acme,`},
		"way":                {"ladder: [smtp]", "ladder: [pigeon]"},
		"no way":             {"ladder: [smtp]", "ladder: []"},
		"saves":              {"saves_sent: never", "saves_sent: maybe"},
		"from":               {"from: refuse", "from: kept"},
		"limit":              {"connections: 1", "connections: -1"},
		"date":               {"2027-01-01", "2027-13-01"},
		"deadline's id":      {"acme.end", "other.end"},
		"no sentence":        {"Do it.", "Do it"},
		"long sentence":      {"Do it.", strings.Repeat("x", 400) + "."},
		"topic":              {"topic: imap", "topic: weather"},
		"reader":             {"for: person", "for: all"},
		"help":               {"https://acme.example/help", "ftp://acme.example/help"},
		"xoauth2 without":    {`oauth: {vendor: acme, auth: "https://acme.example/a", token: "https://acme.example/t", scopes: {mail: [m]}}, `, "ews: {auth: [digest]}, "},
	} {
		if !strings.Contains(good, change[0]) {
			t.Errorf("%s changes nothing", name)
		}
		if _, err := ParsePresets(doc(strings.Replace(good, change[0], change[1], 1))); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := ParsePresets([]byte("version: 1\npresets:" + good)); err == nil {
		t.Error("presets without the generic one were accepted")
	}
	if _, err := ParsePresets([]byte("version: 2\n")); err == nil {
		t.Error("another version was accepted")
	}
}
