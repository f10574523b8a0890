package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/api"
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

// TestProviderPagesNameRealServers: a server on a page is one of the presets', or the
// reader's own (.example).
func TestProviderPagesNameRealServers(t *testing.T) {
	t.Parallel()
	p, known := presets(t), map[string]bool{}
	all := p.All()
	for _, domain := range []string{"zoho.com", "zoho.eu"} {
		found, _ := p.ByMX("mx." + domain)
		all = append(all, found)
	}
	for _, preset := range all {
		for _, s := range slices.Concat(preset.SMTP, preset.IMAP) {
			known[fmt.Sprintf("%s:%d", s.Host, s.Port)] = true
		}
	}
	written := regexp.MustCompile(`\b([a-z0-9-]+(?:\.[a-z0-9-]+)+):(\d+)\b`)
	inJSON := regexp.MustCompile(`"host":\s*"([^"]+)",\s*"port":\s*(\d+)`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, m := range slices.Concat(written.FindAllStringSubmatch(d.text, -1), inJSON.FindAllStringSubmatch(d.text, -1)) {
			if strings.HasSuffix(m[1], ".example") {
				continue
			}
			seen++
			if !known[m[1]+":"+m[2]] {
				t.Errorf("%s names the server %s:%s, which no preset has", d.path, m[1], m[2])
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d servers were found", seen)
	}
}

// TestProviderPagesNameRealRules: what looks like the id of a reply rule is one.
func TestProviderPagesNameRealRules(t *testing.T) {
	t.Parallel()
	rules := readSource(t).texts["relay/provider/replies.yaml"]
	id := regexp.MustCompile(`^(token|web|ews|connect|quota|tls|auth|sender|account|recipient|message|connection|outcome|copy|default)\.[a-z0-9_.]+$`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, span := range d.spans() {
			if !id.MatchString(span) {
				continue
			}
			seen++
			if !strings.Contains(rules, "{id: "+span+",") {
				t.Errorf("%s names the rule %s, which is not there", d.path, span)
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d rules were found", seen)
	}
}

// TestProviderPagesQuoteTheProgram: what a page for people says that relayd says is
// what it says. … stands for what differs.
func TestProviderPagesQuoteTheProgram(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	for _, pattern := range []string{
		"relay/account/*.go", "relay/oauth/*.go", "relay/admin/pages/*.go", "relay/provider/replies.yaml", "cmd/relayd/accounts.go",
	} {
		names, err := fs.Glob(root(), pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, name := range names {
			raw, err := fs.ReadFile(root(), name)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(raw)
		}
	}
	texts := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(said.String(), "") // a text over several lines
	texts = strings.ToLower(regexp.MustCompile(`%[sdqv]`).ReplaceAllString(texts, "…"))
	seen := 0
	for _, d := range providerPages(t) {
		for line := range strings.Lines(d.prose) {
			cell, _, found := strings.Cut(strings.TrimPrefix(line, "|"), "|")
			if !found || !strings.HasPrefix(line, "|") {
				continue
			}
			for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(cell, -1) {
				seen++
				for part := range strings.SplitSeq(m[1], "…") {
					part = strings.Trim(part, " .,:")
					if !strings.Contains(texts, strings.ToLower(part)) {
						t.Errorf("%s: nothing in relayd says %q (%s)", d.path, part, m[1])
					}
				}
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d quotations were found", seen)
	}
}

// TestProviderPagesCallTheAPI: a call on a page is an operation of docs/api.md, with a
// body that the API knows every name of.
func TestProviderPagesCallTheAPI(t *testing.T) {
	t.Parallel()
	operations := read(t, "docs/api.md").firstColumn()
	files := regexp.MustCompile(`(?ms)^cat >(\w+\.json) <<'(\w+)'$\n(.*?)^\w+$`) //nolint:gocritic // with (?m) each line has its ^
	calls := regexp.MustCompile(`api (GET|POST|PUT|DELETE) '?(/[\w/@.-]+)(?:\?[^ ']*)?'?(?: '([^']*)'| @(\S+))?`)
	seen := 0
	for _, d := range providerPages(t) {
		for _, m := range calls.FindAllStringSubmatch(d.text, -1) {
			seen++
			operation := m[1] + " /api/v1" + pattern(m[2])
			if !slices.Contains(operations, operation) {
				t.Errorf("%s: %s is no operation of docs/api.md", d.path, operation)
			}
			body := m[3]
			for _, file := range files.FindAllStringSubmatch(d.code, -1) {
				if body == "" && file[1] == m[4] {
					body = file[3]
				}
			}
			if err := knows(operation, body); body != "" && err != nil {
				t.Errorf("%s: %s: %v: %s", d.path, operation, err, body)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d calls were found", seen)
	}
}

// pattern puts the parameters of docs/api.md in the place of a reader's.
func pattern(p string) string {
	p = regexp.MustCompile(`/DEVICE\b`).ReplaceAllString(p, "/{device}")
	p = regexp.MustCompile(`/[A-Z]{3,}\b`).ReplaceAllString(p, "/{id}")
	return regexp.MustCompile(`/[^/]+@[^/]+`).ReplaceAllString(p, "/{address}")
}

// knows reads a body as the API does.
func knows(operation, body string) error {
	into := map[string]any{
		"POST /api/v1/apps": api.AppInput{}, "POST /api/v1/starters": api.StarterInput{}, "POST /api/v1/accounts": api.AccountInput{},
		"POST /api/v1/domain-claims": api.DomainClaimInput{}, "POST /api/v1/accounts/{id}/aliases": api.AliasInput{},
		"POST /api/v1/accounts/{id}/links": api.LinkInput{}, "POST /api/v1/accounts/{id}/device-consents": api.DeviceInput{},
		"POST /api/v1/discover": api.DiscoverInput{},
	}[operation]
	if into == nil {
		return fmt.Errorf("no body is known for it")
	}
	decoder := json.NewDecoder(bytes.NewReader([]byte(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(reflect.New(reflect.TypeOf(into)).Interface()); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("more than one value")
	}
	return nil
}
