package provider

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/relayd/relayd/relay"
)

// formatVersion is the version of the data that this code reads.
const formatVersion = 1

// anyProvider is the word for a rule without a condition on the provider.
const anyProvider = "any"

// file is replies.yaml.
type file struct {
	Version    int                 `yaml:"version"`
	Providers  []string            `yaml:"providers"`
	Transports []string            `yaml:"transports"`
	Families   map[string][]string `yaml:"families"`
	Rules      []entry             `yaml:"rules"`
	Defaults   []entry             `yaml:"defaults"`
}

// entry is one rule as it is written.
type entry struct {
	ID             string   `yaml:"id"`
	Where          []string `yaml:"where"`
	Provider       string   `yaml:"provider"`
	Code           []string `yaml:"code"`
	Enhanced       []string `yaml:"enhanced"`
	TextRegex      string   `yaml:"text_regex"`
	Action         string   `yaml:"action"`
	Pause          string   `yaml:"pause"`
	WhoIsTold      []string `yaml:"who_is_told"`
	Hint           string   `yaml:"hint"`
	OtherTransport bool     `yaml:"other_transport"`
	Unverified     bool     `yaml:"unverified"`
	Example        string   `yaml:"example"`
	Source         string   `yaml:"source"`
}

func decode(data []byte) (*file, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	f := new(file)
	if err := d.Decode(f); err != nil {
		return nil, err
	}
	if f.Version != formatVersion {
		return nil, fmt.Errorf("version %d is not known", f.Version)
	}
	return f, nil
}

// compile gives all rules in the order in which they are tried, or every mistake
// in them.
func (f *file) compile() ([]*rule, error) {
	var all []*rule
	var errs []error
	seen := make(map[string]bool)
	for _, e := range slices.Concat(f.Rules, f.Defaults) {
		if seen[e.ID] {
			errs = append(errs, fmt.Errorf("rule %s: the id is used twice", e.ID))
		}
		seen[e.ID] = true
		r, err := f.compileRule(e)
		if err != nil {
			errs = append(errs, fmt.Errorf("rule %s: %w", e.ID, err))
			continue
		}
		all = append(all, r)
	}
	if len(f.Rules) == 0 || len(f.Defaults) == 0 {
		errs = append(errs, errors.New("rules and defaults are both needed"))
	}
	return all, errors.Join(errs...)
}

// The forms of the values.
var (
	idForm       = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
	codeForm     = regexp.MustCompile(`^([2-5](xx|[0-9]{2})|NO|BAD|BYE)$`)
	enhancedForm = regexp.MustCompile(`^([245](\.(x|[0-9]{1,3})){2}|[A-Z]+)$`)
)

func (f *file) compileRule(e entry) (*rule, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	ids, err := f.resolve(e.Provider)
	if err != nil {
		return nil, err
	}
	pause, err := time.ParseDuration(e.Pause)
	if err != nil || pause < 0 {
		return nil, fmt.Errorf("pause %q is not a duration", e.Pause)
	}
	r := &rule{providers: ids, codes: e.Code, enhanced: e.Enhanced, example: e.Example}
	if len(ids) > 0 {
		r.testAs = ids[0]
	}
	for _, where := range e.Where {
		r.where = append(r.where, relay.Where(where))
	}
	if e.TextRegex != "" {
		if r.text, err = regexp.Compile(e.TextRegex); err != nil {
			return nil, err
		}
	}
	r.class = relay.Class{
		Rule: e.ID, Action: relay.Action(e.Action), Pause: pause,
		Told: e.WhoIsTold, Hint: e.Hint, OtherTransport: e.OtherTransport,
	}
	return r, nil
}

// check looks at every value by itself.
func (e entry) check() error {
	switch {
	case !idForm.MatchString(e.ID):
		return errors.New("the id is not class.detail")
	case len(e.Where) == 0:
		return errors.New("where is empty")
	case e.Hint == "" || e.Example == "":
		return errors.New("hint and example are both needed")
	case !slices.Contains(actions(), relay.Action(e.Action)):
		return fmt.Errorf("action %q is not known", e.Action)
	}
	for _, list := range []struct {
		name   string
		values []string
		good   func(string) bool
	}{
		{"where", e.Where, func(s string) bool { return slices.Contains(places(), relay.Where(s)) }},
		{"code", e.Code, codeForm.MatchString},
		{"enhanced", e.Enhanced, enhancedForm.MatchString},
		{"who_is_told", e.WhoIsTold, func(s string) bool { return slices.Contains([]string{"owner", "operator", "submitter"}, s) }},
	} {
		for _, v := range list.values {
			if !list.good(v) {
				return fmt.Errorf("%s: %q is not known", list.name, v)
			}
		}
	}
	return nil
}

// resolve gives the ids that a rule's provider stands for; none means any.
func (f *file) resolve(name string) ([]string, error) {
	if name == anyProvider {
		return nil, nil
	}
	ids, ok := f.Families[name]
	if !ok {
		ids = []string{name}
	}
	for _, id := range ids {
		if !slices.Contains(f.Providers, id) && !slices.Contains(f.Transports, id) {
			return nil, fmt.Errorf("provider %q is not known", id)
		}
	}
	return ids, nil
}

func places() []relay.Where {
	return []relay.Where{
		relay.AtConnect, relay.AtTLS, relay.AtAuth, relay.AtToken, relay.AtMail,
		relay.AtRcpt, relay.AtData, relay.AtAfterDot, relay.AtIMAP,
	}
}

func actions() []relay.Action {
	return []relay.Action{
		relay.ActionRetry, relay.ActionSlow, relay.ActionHoldAccount, relay.ActionHoldApp,
		relay.ActionHoldSender, relay.ActionSplit, relay.ActionFailRecipient,
		relay.ActionFailMessage, relay.ActionUnknown,
	}
}
