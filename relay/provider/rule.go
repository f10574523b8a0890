package provider

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/relayd/relayd/relay"
)

// rule is one line of the data, ready for use. An empty condition always holds.
type rule struct {
	where     []relay.Where
	providers []string // ids, families resolved; empty: any
	codes     []string // "535", "5xx", "NO"
	enhanced  []string // "5.7.1", "5.6.x", "OVERQUOTA"
	text      *regexp.Regexp
	class     relay.Class
	example   string
	testAs    string // the provider that the example is for
}

// meaning is the class, for the caller to keep.
func (r *rule) meaning() relay.Class {
	c := r.class
	c.Told = slices.Clone(c.Told)
	return c
}

func (r *rule) matches(a relay.Answer) bool {
	if len(r.providers) > 0 && !slices.Contains(r.providers, a.Provider) {
		return false
	}
	if len(r.codes) > 0 && !slices.ContainsFunc(r.codes, codeOf(a)) {
		return false
	}
	if len(r.enhanced) > 0 && !slices.ContainsFunc(r.enhanced, enhancedOf(a)) {
		return false
	}
	return r.text == nil || r.text.MatchString(a.Reply.Text)
}

// codeOf compares a pattern with the code of the answer; an answer without a code
// matches none.
func codeOf(a relay.Answer) func(string) bool {
	code := strings.ToUpper(a.IMAP)
	if a.Where != relay.AtIMAP {
		code = strconv.Itoa(a.Reply.Code)
	}
	return func(pattern string) bool {
		if class, ok := strings.CutSuffix(pattern, "xx"); ok {
			return len(code) == 3 && code[:1] == class
		}
		return code == pattern
	}
}

// enhancedOf compares a pattern with the enhanced status code, or with the
// response code of IMAP.
func enhancedOf(a relay.Answer) func(string) bool {
	if a.Where == relay.AtIMAP {
		return func(pattern string) bool { return strings.EqualFold(a.IMAPCode, pattern) }
	}
	return func(pattern string) bool { return enhancedMatches(pattern, a.Reply.Enhanced) }
}

func enhancedMatches(pattern string, e relay.Enhanced) bool {
	if e == (relay.Enhanced{}) {
		return false
	}
	for i, part := range strings.Split(pattern, ".") {
		if part != "x" && part != strconv.Itoa(e[i]) {
			return false
		}
	}
	return true
}
