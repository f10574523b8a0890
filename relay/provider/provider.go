// Package provider knows mail providers: what their answers mean, and what is known of
// them before an account was measured. The knowledge is data and not code. A new
// observation is a new line in replies.yaml, with an example that proves it, or in
// presets.yaml.
//
// NewPresets reads and checks the presets. One is found by id, by the domain of an
// address or by a mail exchanger, and gives the settings of an account.
//
// New reads and checks the rules; Classify is then a function of the answer alone:
//  1. the rules for the place of the answer are tried from the top;
//  2. the first one whose conditions all hold decides;
//  3. the defaults, tried last, leave no answer without a meaning, and none of them
//     ever counts as success.
package provider

import (
	_ "embed"
	"fmt"
	"slices"

	"github.com/relayd/relayd/relay"
)

//go:embed replies.yaml
var replies []byte

// Rules classifies answers. It never changes and may be used concurrently.
type Rules struct {
	byPlace map[relay.Where][]*rule // rules, then defaults
	hints   map[string]string       // by rule
	told    map[string][]string     // who can mend it, by rule
}

// New gives the rules that are part of the program.
func New() (*Rules, error) { return Parse(replies) }

// Parse reads rules in the form of replies.yaml. It refuses whatever the header of
// that file does not describe.
func Parse(data []byte) (*Rules, error) {
	f, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read the reply rules: %w", err)
	}
	compiled, err := f.compile()
	if err != nil {
		return nil, fmt.Errorf("check the reply rules: %w", err)
	}
	r := &Rules{byPlace: make(map[relay.Where][]*rule), hints: make(map[string]string, len(compiled)), told: make(map[string][]string, len(compiled))}
	for _, c := range compiled {
		r.told[c.class.Rule] = c.class.Told
		if forSubmitter(c.class.Told) {
			r.hints[c.class.Rule] = c.class.Hint
		}
		for _, where := range c.where {
			r.byPlace[where] = append(r.byPlace[where], c)
		}
	}
	return r, nil
}

// unmatched is the meaning of an answer from a place that has no rules at all.
const unmatched = "default.nothing"

// Classify tells what an answer on the way through an account means.
func (r *Rules) Classify(a relay.Answer) relay.Class {
	for _, c := range r.byPlace[a.Where] {
		if c.matches(a) {
			return c.meaning()
		}
	}
	return relay.Class{Rule: unmatched, Action: relay.ActionRetry}
}

// Direct classifies answers on the direct path to an MX.
type Direct struct{ rules *Rules }

// Direct gives the same rules for the direct path.
func (r *Rules) Direct() Direct { return Direct{r} }

// Classify is Rules.Classify where there is no account that a person could mend:
// what would hold an account or a sender is tried again by the ordinary schedule,
// and its hint, which speaks of an account, is left out.
func (d Direct) Classify(a relay.Answer) relay.Class {
	a.Provider = ""
	c := d.rules.Classify(a)
	switch c.Action {
	case relay.ActionHoldAccount, relay.ActionHoldApp, relay.ActionHoldSender:
		c.Action, c.Pause, c.Hint, c.OtherTransport = relay.ActionRetry, 0, "", false
		c.Told = slices.DeleteFunc(c.Told, func(who string) bool { return who == "owner" })
	}
	return c
}
