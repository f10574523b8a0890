package provider

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

func load(t *testing.T) *Rules {
	t.Helper()
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// everyRule gives each rule once, in the order in which rules are tried.
func everyRule(t *testing.T) []*rule {
	t.Helper()
	f, err := decode(replies)
	if err != nil {
		t.Fatal(err)
	}
	all, err := f.compile()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var imapExample = regexp.MustCompile(`^(NO|BAD|BYE)(?: \[([A-Z]+)[^\]]*\])? ?(.*)$`)

// answerOf reads an example line as the answer that it stands for.
func answerOf(where relay.Where, provider, line string) relay.Answer {
	a := relay.Answer{Where: where, Provider: provider}
	if m := imapExample.FindStringSubmatch(line); m != nil && where == relay.AtIMAP {
		a.IMAP, a.IMAPCode, a.Reply.Text = m[1], m[2], m[3]
		return a
	}
	first, rest, _ := strings.Cut(line, " ")
	code, err := strconv.Atoi(first)
	if err != nil || len(first) != 3 {
		a.Reply.Text = line
		return a
	}
	a.Reply.Code = code
	second, text, _ := strings.Cut(rest, " ")
	if e, ok := smtpwire.ParseEnhanced(second); ok {
		a.Reply.Enhanced, rest = e, text
	}
	a.Reply.Text = relay.Printable(rest)
	return a
}

// TestExamples is the golden test: the first rule that matches an example is the
// rule that it stands at, in every place that the rule is for.
func TestExamples(t *testing.T) {
	t.Parallel()
	rules := load(t)
	all := everyRule(t)
	if len(all) < 80 {
		t.Fatalf("only %d rules were read", len(all))
	}
	for _, r := range all {
		for _, where := range r.where {
			if got := rules.Classify(answerOf(where, r.testAs, r.example)); got.Rule != r.class.Rule {
				t.Errorf("%s at %s: %q is decided by %s", r.class.Rule, where, r.example, got.Rule)
			}
		}
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	rules := load(t)
	for _, c := range []struct {
		where    relay.Where
		provider string
		line     string
		rule     string
		action   relay.Action
	}{
		{relay.AtAuth, "imap", "535 5.7.8 no", "auth.password", relay.ActionHoldAccount},
		{relay.AtAuth, "imap", "454 4.7.0 later", "auth.too_many_logins", relay.ActionSlow},
		{relay.AtMail, "imap", "530 5.7.0 sign in first", "auth.password", relay.ActionHoldAccount},
		{relay.AtRcpt, "imap", "550 5.1.1 no such user", "recipient.unknown", relay.ActionFailRecipient},
		{relay.AtRcpt, "imap", "452 4.5.3 too many", "recipient.too_many", relay.ActionSplit},
		{relay.AtRcpt, "imap", "451 4.7.1 greylisted", "recipient.later", relay.ActionRetry},
		{relay.AtAfterDot, "imap", "550 5.7.1 spam", "message.content", relay.ActionFailMessage},
		{relay.AtAfterDot, "imap", "451 4.3.0 later", "default.temporary", relay.ActionRetry},
		{relay.AtAfterDot, "imap", "local: timeout after the final dot", "outcome.unknown", relay.ActionUnknown},
		{relay.AtData, "imap", "local: reset before the final dot", "connection.lost", relay.ActionRetry},
		{relay.AtConnect, "imap", "local: dns no such host", "connect.unreachable", relay.ActionRetry},
		{relay.AtTLS, "imap", "local: certificate expired", "tls.certificate", relay.ActionHoldAccount},
		{relay.AtTLS, "imap", "local: starttls missing", "tls.stripped", relay.ActionHoldAccount},
		{relay.AtTLS, "imap", "local: handshake remote error: tls: protocol version not supported", "tls.too_old", relay.ActionHoldAccount},
		{relay.AtMail, "gmail", "550 5.4.5 Daily user sending limit exceeded.", "quota.daily.gmail", relay.ActionSlow},
		{relay.AtMail, "imap", "550 5.4.5 unknown here", "default.message_permanent", relay.ActionFailMessage},
		{relay.AtMail, "microsoft365", "550 5.7.30 Basic", "auth.basic_retired.microsoft", relay.ActionHoldAccount},
		{relay.AtMail, "outlook_com", "550 5.7.30 Basic", "auth.basic_retired.microsoft", relay.ActionHoldAccount},
		{relay.AtMail, "zoho", "553 Relaying disallowed as boss@other.example", "sender.denied_word", relay.ActionHoldSender},
		{relay.AtAfterDot, "imap", "553 5.7.1 Relaying disallowed as boss@other.example", "sender.denied_word", relay.ActionHoldSender},
		{relay.AtRcpt, "imap", "553 Relaying disallowed", "recipient.refused", relay.ActionFailRecipient}, // of the recipient, it may be
		{relay.AtAfterDot, "exchange_onprem", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender.denied", relay.ActionHoldSender},
		{relay.AtAfterDot, "microsoft365", "550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender.denied_code.microsoft", relay.ActionHoldSender},
		{relay.AtIMAP, "imap", "NO [overquota] full", "default.imap", relay.ActionRetry}, // not even a response code
		{relay.AtIMAP, "imap", "NO [OVERQUOTA] full", "copy.full", relay.ActionHoldAccount},
		{relay.Where("elsewhere"), "imap", "550 no", "default.nothing", relay.ActionRetry},
	} {
		got := rules.Classify(answerOf(c.where, c.provider, c.line))
		if got.Rule != c.rule || got.Action != c.action {
			t.Errorf("%s %s %q: %s %s, want %s %s", c.where, c.provider, c.line, got.Rule, got.Action, c.rule, c.action)
		}
	}
}

// TestRulesKnowEveryProvider: the id that an account without a preset has is one of
// those that rules can name.
func TestRulesKnowEveryProvider(t *testing.T) {
	t.Parallel()
	f, err := decode(replies)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{relay.ProviderIMAP, relay.ProviderGmail, relay.ProviderOffice365, relay.ProviderExchange} {
		settings := relay.Settings{Provider: name}
		if id := settings.Rules(); !slices.Contains(f.Providers, id) {
			t.Errorf("%s goes by the rules of %q, which is no id", name, id)
		}
	}
	settings := relay.Settings{Provider: relay.ProviderOffice365, Preset: "outlook_com"}
	if id := settings.Rules(); id != "outlook_com" {
		t.Errorf("the preset goes before: %q", id)
	}
}

// TestEveryAnswerHasAMeaning: no code at any place is left without a rule, and
// none but fail_recipient and fail_message can end something.
func TestEveryAnswerHasAMeaning(t *testing.T) {
	t.Parallel()
	rules := load(t)
	for _, where := range places() {
		for code := 0; code < 600; code++ {
			c := rules.Classify(relay.Answer{Where: where, Provider: "imap", Reply: relay.Reply{Code: code}})
			if c.Rule == unmatched {
				t.Errorf("%d at %s matches nothing", code, where)
			}
			final := c.Action == relay.ActionFailMessage || c.Action == relay.ActionFailRecipient
			if final && code < 500 {
				t.Errorf("%d at %s is final by %s", code, where, c.Rule)
			}
		}
	}
}

// TestDirect: on the direct path there is no account to hold.
func TestDirect(t *testing.T) {
	t.Parallel()
	direct := load(t).Direct()
	for _, where := range places() {
		for code := 0; code < 600; code++ {
			c := direct.Classify(relay.Answer{Where: where, Provider: "gmail", Reply: relay.Reply{Code: code}})
			if strings.HasPrefix(string(c.Action), "hold") {
				t.Errorf("%d at %s holds by %s", code, where, c.Rule)
			}
		}
	}
	c := direct.Classify(answerOf(relay.AtTLS, "", "local: certificate expired"))
	if c.Rule != "tls.certificate" || c.Action != relay.ActionRetry || c.Pause != 0 || c.Hint != "" {
		t.Errorf("a certificate on the direct path: %+v", c)
	}
	c = direct.Classify(answerOf(relay.AtRcpt, "gmail", "421 4.7.0 slower"))
	if c.Action != relay.ActionSlow || c.Pause != 15*time.Minute {
		t.Errorf("slowing down on the direct path: %+v", c)
	}
}

// TestClassBelongsToCaller: a caller that changes a class does not change the rule.
func TestClassBelongsToCaller(t *testing.T) {
	t.Parallel()
	rules := load(t)
	a := answerOf(relay.AtAuth, "imap", "535 no")
	rules.Classify(a).Told[0] = "nobody"
	if got := rules.Classify(a).Told[0]; got != "owner" {
		t.Errorf("the rule now tells %q", got)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const good = `{id: a.b, where: [mail], provider: any, code: ["5xx"], action: retry, pause: 1m, who_is_told: [], hint: h, example: "500 x"}`
	doc := func(rule string) string {
		return "version: 1\nproviders: [gmail]\nfamilies: {bad: [nobody]}\nrules:\n  - " + rule +
			"\ndefaults:\n  - " + strings.Replace(good, "a.b", "default.c", 1) + "\n"
	}
	if _, err := Parse([]byte(doc(good))); err != nil {
		t.Fatalf("the good rule: %v", err)
	}
	for name, change := range map[string][2]string{
		"unknown key":     {"hint: h", "hint: h, hnit: x"},
		"id":              {"a.b", "A"},
		"id twice":        {"a.b", "default.c"},
		"where":           {"[mail]", "[post]"},
		"no where":        {"[mail]", "[]"},
		"provider":        {"any", "nobody"},
		"family":          {"any", "bad"},
		"code":            {"5xx", "6xx"},
		"action":          {"retry", "bounce"},
		"pause":           {"1m", "60"},
		"negative pause":  {"1m", "-1m"},
		"told":            {"who_is_told: []", "who_is_told: [everybody]"},
		"regex":           {`code: ["5xx"]`, `text_regex: "("`},
		"enhanced":        {`code: ["5xx"]`, `enhanced: ["9.9"]`},
		"missing hint":    {"hint: h, ", ""},
		"missing example": {`, example: "500 x"`, ""},
	} {
		if _, err := Parse([]byte(doc(strings.Replace(good, change[0], change[1], 1)))); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := Parse([]byte("version: 2\n")); err == nil {
		t.Error("another version was accepted")
	}
}
