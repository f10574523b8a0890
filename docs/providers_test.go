package docs_test

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// The pages of docs/providers and what the program knows of providers must agree.

const providersDir = "docs/providers/"

func providerPages(t *testing.T) []document {
	t.Helper()
	return slices.DeleteFunc(documents(t), func(d document) bool { return path.Dir(d.path)+"/" != providersDir })
}

func presets(t *testing.T) *provider.Presets {
	t.Helper()
	p, err := provider.NewPresets()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryProviderHasItsPages: one for people and one for administrators, not long,
// with the date of its facts, and reached from the first page.
func TestEveryProviderHasItsPages(t *testing.T) {
	t.Parallel()
	const most = 150
	first := read(t, providersDir+"README.md").text
	for _, name := range []string{relay.ProviderGmail, relay.ProviderOffice365, relay.ProviderExchange, relay.ProviderIMAP} {
		for _, page := range []string{name + ".md", name + "-admin.md"} {
			d := read(t, providersDir+page)
			if n := strings.Count(d.text, "\n"); n > most {
				t.Errorf("%s has %d lines, more than %d", d.path, n, most)
			}
			for _, part := range []string{"21 November 2026", "nothing here was tried against a live"} {
				if !strings.Contains(strings.Join(strings.Fields(d.prose), " "), part) {
					t.Errorf("%s does not say %q", d.path, part)
				}
			}
			if !strings.Contains(first, "("+page+")") {
				t.Errorf("%sREADME.md does not lead to %s", providersDir, page)
			}
		}
	}
	if n := len(providerPages(t)); n != 9 {
		t.Errorf("there are %d pages; what is the further one for?", n)
	}
}

// TestPresetsAreOnTheirPages: whatever a preset tells people stands on the pages of its
// provider: who has to do something first, the provider's own page about it, what ends
// when, and the permissions that are asked for.
func TestPresetsAreOnTheirPages(t *testing.T) {
	t.Parallel()
	for _, p := range presets(t).All() {
		people := read(t, providersDir+p.Provider+".md").text
		admin := read(t, providersDir+p.Provider+"-admin.md").text
		for _, h := range p.Hints {
			if !h.Administrator && p.Provider == relay.ProviderIMAP && !strings.Contains(people, "\n### "+p.Name+"\n") {
				t.Errorf("%s.md has no section %q, and there is a hint: %s", p.Provider, p.Name, h.Text)
			}
			if !strings.Contains(people+admin, h.URL) {
				t.Errorf("no page of %s names %s", p.Provider, h.URL)
			}
		}
		for _, d := range p.Deadlines {
			if date := d.Date.Format("2 January 2006"); !strings.Contains(people+admin, date) || !strings.Contains(admin, d.URL) {
				t.Errorf("the pages of %s do not tell that on %s: %s %s", p.Provider, date, d.Text, d.URL)
			}
		}
		if p.Provider == relay.ProviderIMAP || p.OAuth == nil {
			continue
		}
		for _, scopes := range p.OAuth.Scopes {
			for _, scope := range scopes {
				if !strings.Contains(admin, "`"+scope+"`") {
					t.Errorf("%s-admin.md does not name the scope %s", p.Provider, scope)
				}
			}
		}
	}
}

// TestProviderLimits: the numbers on the pages of the large providers are those of the
// presets.
func TestProviderLimits(t *testing.T) {
	t.Parallel()
	p := presets(t)
	limits := func(id, domain string) relay.Limits { return p.Limits(id, domain) }
	google, free := limits("gmail", ""), limits("gmail", "gmail.com")
	company, outlook := limits("microsoft365", ""), limits("outlook_com", "")
	for page, texts := range map[string][]string{
		"gmail-admin.md": {
			number(google.MessagesPerDay) + " messages a day", number(google.RecipientsPerMessage) + " recipients a message",
			number(google.RecipientsPerDay) + " of them outside", "about " + number(free.MessagesPerDay) + " messages a day",
		},
		"gmail.md": {number(google.MessagesPerDay) + " messages a day", number(free.MessagesPerDay) + " with gmail.com"},
		"office365-admin.md": {
			number(company.Connections) + " connections", number(company.RecipientsPerMessage) + " recipients a message",
			number(company.RecipientsPerDay) + " recipients in rolling 24 hours", number(int(company.MessageSize>>20)) + " MB a message",
			"about " + number(outlook.RecipientsPerDay) + " recipients a day",
		},
		"office365.md": {number(company.RecipientsPerDay) + " recipients a day", "about " + number(outlook.RecipientsPerDay)},
		"README.md": {
			number(google.MessagesPerDay) + " a day, " + number(free.MessagesPerDay) + " at gmail.com", number(company.MessagesPerMinute) + " a minute",
			number(google.RecipientsPerMessage) + " a message, " + number(google.RecipientsPerDay) + " a day outside",
			number(company.RecipientsPerMessage) + " a message, " + number(company.RecipientsPerDay) + " a day",
		},
		"imap-admin.md": {
			number(limits("", "").Connections) + " connections, " + number(limits("", "").MessagesPerMinute) + " messages a minute",
		},
	} {
		text := strings.Join(strings.Fields(read(t, providersDir+page).prose), " ")
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", page, want)
			}
		}
	}
}

// number writes a number as the pages do.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// TestProviderTable: the table in imap-admin.md is the presets'.
func TestProviderTable(t *testing.T) {
	t.Parallel()
	want := []string{
		"| provider | preset | outgoing | incoming | user name | password | Sent | limits |",
		"|---|---|---|---|---|---|---|---|",
	}
	for _, p := range presets(t).All() {
		if p.Provider == relay.ProviderIMAP && len(p.SMTP) > 0 {
			want = append(want, row(&p))
		}
	}
	var got []string
	for line := range strings.Lines(read(t, providersDir+"imap-admin.md").section(t, "## The providers").prose) {
		if strings.HasPrefix(line, "|") {
			got = append(got, strings.TrimSuffix(line, "\n"))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table must be\n%s", strings.Join(want, "\n"))
	}
}

// row is what the table says of a preset.
func row(p *provider.Preset) string {
	login := map[provider.LoginForm]string{provider.LoginEmail: "the address", provider.LoginLocal: "what stands before the @"}
	name := login[p.Login]
	if p.IMAPLogin != p.Login && len(p.IMAP) > 0 {
		name += "; incoming: " + login[p.IMAPLogin]
	}
	return "| " + strings.Join([]string{
		p.Name, "`" + p.ID + "`", place(p.SMTP), place(p.IMAP), name,
		map[provider.PasswordRule]string{
			provider.PasswordPlain: "plain", provider.PasswordApp: "app", provider.PasswordAppIf2FA: "app with 2FA",
			provider.PasswordBridge: "the Bridge's", provider.PasswordToken: "SMTP token",
		}[p.Password],
		map[provider.SavesSent]string{
			provider.SavesAlways: "files", provider.SavesDefaultOn: "files, unless switched off",
			provider.SavesNever: "does not file", provider.SavesUnknown: "not known",
		}[p.SavesSent],
		limitsOf(p.Limits),
	}, " | ") + " |"
}

func place(list []relay.Server) string {
	if len(list) == 0 {
		return "none"
	}
	return fmt.Sprintf("`%s:%d`", list[0].Host, list[0].Port)
}

func limitsOf(l relay.Limits) string {
	var parts []string
	for _, n := range []struct {
		value int
		text  string
	}{
		{l.MessagesPerHour, " messages an hour"}, {l.MessagesPerDay, " messages a day"},
		{l.RecipientsPerDay, " recipients a day"}, {l.RecipientsPerMessage, " recipients a message"},
	} {
		if n.value > 0 {
			parts = append(parts, number(n.value)+n.text)
		}
	}
	if l.MessageSize > 0 {
		parts = append(parts, number(int(l.MessageSize>>20))+" MiB")
	}
	return strings.Join(parts, ", ")
}
