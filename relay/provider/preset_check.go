package provider

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/relayd/relayd/internal/mailaddr"
	"github.com/relayd/relayd/relay"
)

// maxHint is how many characters a hint or a deadline may have: it stands beside a
// field of a form.
const maxHint = 300

var presetIDForm = regexp.MustCompile(`^[a-z0-9_]+$`)

// compile checks one preset and makes it ready for use.
func (e *presetEntry) compile() (*Preset, error) {
	s := &Preset{
		ID: e.ID, Name: e.Name, Provider: e.Provider, Login: LoginForm(e.Login), IMAPLogin: LoginForm(e.IMAPLogin),
		Auth: e.Auth, EWSAuth: e.EWS.Auth, Password: PasswordRule(e.Password), SavesSent: SavesSent(e.SavesSent),
		AppendDedup: e.AppendDedup, From: FromPolicy(e.From), RewritesMessageID: e.RewritesMessageID, LimitsNote: e.LimitsNote,
		Sent: SentFolder{SpecialUse: Known(e.Sent.SpecialUse), XList: e.Sent.XList, Names: e.Sent.Names, NameHints: e.Sent.NamesHint},
	}
	if s.IMAPLogin == "" {
		s.IMAPLogin = s.Login
	}
	if s.Sent.SpecialUse == "" {
		s.Sent.SpecialUse = Unknown
	}
	for _, way := range e.Ladder {
		s.Ladder = append(s.Ladder, relay.Way(way))
	}
	for _, step := range []func(*Preset) error{
		e.checkWords, e.compileVariants, e.compileMatching, e.compileServers, e.compileEWS, e.compileGuesses,
		e.compileOAuth, e.compileLimits, e.compileDeadlines, e.compileHints,
	} {
		if err := step(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// checkWords looks at every value that is one of a few words.
func (e *presetEntry) checkWords(s *Preset) error {
	if !presetIDForm.MatchString(e.ID) || e.Name == "" {
		return errors.New("an id and a name are both needed")
	}
	var ways []string
	for _, w := range s.Ladder {
		ways = append(ways, string(w))
	}
	for _, list := range []struct {
		name   string
		values []string
		good   []string
	}{
		{"provider", []string{e.Provider}, []string{relay.ProviderIMAP, relay.ProviderGmail, relay.ProviderOffice365, relay.ProviderExchange}},
		{"login", []string{string(s.Login), string(s.IMAPLogin)}, []string{"email", "local", "other"}},
		{"auth", e.Auth, []string{"plain", "login", "xoauth2", "oauthbearer"}},
		{"ews auth", e.EWS.Auth, []string{"ntlm", "basic"}},
		{"password", []string{e.Password}, []string{"plain", "app_password", "app_password_if_2fa", "none", "ending", "bridge", "token"}},
		{"ladder", ways, []string{string(relay.WaySMTP), string(relay.WayGraph), string(relay.WayGmailAPI), string(relay.WayEWS)}},
		{"saves_sent", []string{e.SavesSent}, []string{"always", "default_on", "never", "unknown", "by_way"}},
		{"special_use", []string{string(s.Sent.SpecialUse)}, []string{"yes", "no", "unknown"}},
		{"from", []string{e.From}, []string{"rewrite", "refuse", "unknown"}},
	} {
		for _, v := range list.values {
			if !slices.Contains(list.good, v) {
				return fmt.Errorf("%s: %q is not known", list.name, v)
			}
		}
	}
	switch {
	case len(s.Ladder) == 0:
		return errors.New("the ladder is empty")
	case e.OAuth == nil && (s.Password == PasswordNone || slices.Contains(e.Auth, "xoauth2") || slices.Contains(e.Auth, "oauthbearer")):
		return errors.New("there is no other sign-in than by OAuth, and no oauth")
	}
	return nil
}

func (e *presetEntry) compileVariants(s *Preset) error {
	if e.Variants == nil {
		return nil
	}
	v := &variants{name: e.Variants.Name, values: e.Variants.Values, fallback: e.Variants.Default, domains: e.Variants.Domains}
	if v.name == "" || len(v.values) == 0 || (v.fallback != "" && !slices.Contains(v.values, v.fallback)) {
		return errors.New("variants: a name, values, and a default among them are needed")
	}
	for domain, value := range v.domains {
		if !slices.Contains(e.Domains, domain) || !slices.Contains(v.values, value) {
			return fmt.Errorf("variants: %s: %s is not known", domain, value)
		}
	}
	s.variants = v
	return nil
}

func (e *presetEntry) compileMatching(s *Preset) error {
	for _, d := range e.Domains {
		if parsed, err := mailaddr.ParseDomain(d); err != nil || parsed != d {
			return fmt.Errorf("domains: %q is not a domain in lower case", d)
		}
	}
	s.domains = e.Domains
	for _, list := range []struct {
		name     string
		texts    []string
		anchored bool // at both ends; else at the end alone
		to       *[]*regexp.Regexp
	}{
		{"domain_patterns", e.DomainPatterns, true, &s.patterns},
		{"mx", e.MX, false, &s.mx}, {"mx_hint", e.MXHint, false, &s.mxHints},
	} {
		for _, text := range list.texts {
			pattern, err := regexp.Compile(text)
			if err != nil {
				return fmt.Errorf("%s: %w", list.name, err)
			}
			if !strings.HasSuffix(text, "$") || (list.anchored && !strings.HasPrefix(text, "^")) {
				return fmt.Errorf("%s: %s is not anchored", list.name, text)
			}
			*list.to = append(*list.to, pattern)
		}
	}
	return nil
}
