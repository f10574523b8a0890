package provider

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/relayd/relayd/relay"
)

//go:embed presets.yaml
var presets []byte

// Match is how a preset was found.
type Match int

// The ways of finding one, the surest first. Whatever is not MatchDomain wants a
// person's word.
const (
	NoMatch      Match = iota
	MatchDomain        // the domain is the provider's own
	MatchPattern       // the domain looks like one of the provider's
	MatchMX            // the domain's mail goes to the provider
	MatchMXHint        // it seems to
)

// Presets is all presets. It never changes and may be used concurrently; what its
// methods give belongs to the caller.
type Presets struct {
	list     []*Preset
	byID     map[string]*Preset
	byDomain map[string]*Preset
	byServer map[string]*Preset // by host
	defaults relay.Limits
}

// genericID is the preset for hosts of which nothing is known.
const genericID = "generic_dovecot_cpanel"

// NewPresets gives the presets that are part of the program.
func NewPresets() (*Presets, error) { return ParsePresets(presets) }

// ParsePresets reads presets in the form of presets.yaml. It refuses whatever the
// header of that file does not describe.
func ParsePresets(data []byte) (*Presets, error) {
	f, err := decodePresets(data)
	if err != nil {
		return nil, fmt.Errorf("read the presets: %w", err)
	}
	p, err := f.compile()
	if err != nil {
		return nil, fmt.Errorf("check the presets: %w", err)
	}
	return p, nil
}

// All gives every preset, in the order of presets.yaml.
func (p *Presets) All() []Preset {
	all := make([]Preset, 0, len(p.list))
	for _, preset := range p.list {
		all = append(all, preset.resolved(nil, false))
	}
	return all
}

// ByID gives a preset by its id.
func (p *Presets) ByID(id string) (Preset, bool) {
	preset := p.byID[id]
	if preset == nil {
		return Preset{}, false
	}
	return preset.resolved(nil, false), true
}

// ByDomain finds the preset of a mail domain (lower-case A-labels): first by the
// exact domain, then by pattern.
func (p *Presets) ByDomain(domain string) (Preset, Match) {
	if preset := p.byDomain[domain]; preset != nil {
		return preset.resolved(preset.variants.of(domain), false), MatchDomain
	}
	for _, preset := range p.list {
		if found := firstMatch(preset.patterns, domain); found != nil {
			return preset.resolved(preset.variants.find(found, domain), false), MatchPattern
		}
	}
	return Preset{}, NoMatch
}

// ByMX finds the preset of the provider that a mail exchanger belongs to (lower
// case, no dot at its end). Its servers are those for customers' own domains.
func (p *Presets) ByMX(host string) (Preset, Match) {
	for _, try := range []struct {
		patterns func(*Preset) []*regexp.Regexp
		match    Match
	}{
		{func(s *Preset) []*regexp.Regexp { return s.mx }, MatchMX},
		{func(s *Preset) []*regexp.Regexp { return s.mxHints }, MatchMXHint},
	} {
		for _, preset := range p.list {
			if found := firstMatch(try.patterns(preset), host); found != nil {
				return preset.resolved(preset.variants.find(found, host), true), try.match
			}
		}
	}
	return Preset{}, NoMatch
}

// ByServer finds the preset that a server belongs to, however it became known: its
// limits and reply rules hold there. Where two presets share a server the first one is
// given, and an SMTP server counts more than another.
func (p *Presets) ByServer(host string) (Preset, bool) {
	preset := p.byServer[strings.ToLower(host)]
	if preset == nil {
		return Preset{}, false
	}
	return preset.resolved(nil, false), true
}

// Guesses gives the servers to try for a domain of which nothing is known, best
// first. mxHost may be empty.
func (p *Presets) Guesses(domain, mxHost string) []Guess {
	var out []Guess
	fill := strings.NewReplacer("{domain}", domain, "{mx_host}", mxHost)
	for _, g := range p.byID[genericID].guesses {
		if mxHost == "" && strings.Contains(g.SMTP.Host+g.IMAP.Host, "{mx_host}") {
			continue
		}
		g.SMTP.Host, g.IMAP.Host = fill.Replace(g.SMTP.Host), fill.Replace(g.IMAP.Host)
		out = append(out, g)
	}
	return out
}

// Limits gives what the provider lets an account of this domain do, with the defaults
// where nothing is known. The domain may be empty, and an id that is not known has
// the defaults.
func (p *Presets) Limits(id, domain string) relay.Limits {
	preset := p.byID[id]
	if preset == nil {
		return p.defaults
	}
	return preset.limitsFor[domain].Over(preset.Limits).Over(p.defaults)
}
