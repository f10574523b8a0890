package discover

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/provider"
)

// Source is where settings come from.
type Source string

// The sources, the most trusted first.
const (
	SourceOperator     Source = "operator"
	SourcePreset       Source = "preset"
	SourceAutoconfig   Source = "autoconfig"
	SourcePACC         Source = "pacc"
	SourceISPDB        Source = "ispdb"
	SourceMX           Source = "mx"
	SourceSRV          Source = "srv"
	SourceAutodiscover Source = "autodiscover"
	SourceGuess        Source = "guess"
)

// weak reports whether what the source says rests on the DNS alone, or on nothing.
func (s Source) weak() bool {
	return s == SourceMX || s == SourceSRV || s == SourceAutodiscover || s == SourceGuess
}

// Choice is what the person has said already.
type Choice struct {
	Organisation string // id; empty if the person belongs to none
	Provider     string // relay.ProviderIMAP and so on; empty: none was chosen

	// Progress, if set, is told of each step when it begins and again when it ends. It
	// is called by one goroutine at a time and must return soon.
	Progress func(Step)
}

// Step is one question that was asked.
type Step struct {
	Number int // of the step, from 1; the same when it begins and when it ends
	Source Source
	Asked  string // plain words: what was looked for, and where
	Came   string // plain words: what came of it; empty while it is asked
	Found  bool   // it gave a suggestion
}

// Suggestion is settings that may work.
type Suggestion struct {
	Settings relay.Settings
	Name     string // of the provider, if it is known

	// The user names in full. An empty one of a server that is there means that only
	// the person knows it.
	SMTPLogin string
	IMAPLogin string
	EWSLogin  string

	Source  Source
	Confirm bool   // the person must confirm it, after a look at RegisteredDomains
	Why     string // why it must be confirmed, in plain words

	// RegisteredDomains is who runs the servers, and who gave the settings if that was
	// another host than the one that was asked.
	RegisteredDomains []string

	SignIns []relay.SignIn // that the person can use, best first
	Hints   []provider.Hint

	whole bool // nothing is missing
}

// Result is what a discovery found.
type Result struct {
	Suggestions []Suggestion // best first; empty: the person fills in the form
	Final       bool         // the operator has decided: there is nothing to choose
	Trail       []Step       // in the order of trust
}

// maxSuggestions bounds what a person is shown.
const maxSuggestions = 8

// result puts what fits the choice first, and says each thing once.
func (s *search) result() Result {
	r := Result{Final: s.final, Trail: s.trail}
	for _, fitting := range []bool{true, false} {
		for _, found := range s.found {
			same := func(other Suggestion) bool { return other.Settings.Equal(&found.Settings) }
			if s.fits(found) == fitting && !slices.ContainsFunc(r.Suggestions, same) && len(r.Suggestions) < maxSuggestions {
				r.Suggestions = append(r.Suggestions, found)
			}
		}
	}
	return r
}

// fits reports whether a suggestion is of the kind that the person chose.
func (s *search) fits(found Suggestion) bool {
	switch s.choice.Provider {
	case "":
		return true
	case relay.ProviderIMAP:
		return found.Settings.SMTP.Host != ""
	}
	return found.Settings.Provider == s.choice.Provider
}

// registered is the part of a host name that somebody has registered, by the Public
// Suffix List. A name that has none, such as an address, is its own.
func registered(host string) string {
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return domain
	}
	return host
}

// ownable reports whether a domain can belong to somebody: co.uk and com cannot, and
// what is published under their names speaks for nobody (attack list, section 8: never
// autodiscover.TLD). A suffix that a company runs for its customers is the company's.
func ownable(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(domain)
	return suffix != domain || (!icann && strings.Contains(domain, "."))
}
