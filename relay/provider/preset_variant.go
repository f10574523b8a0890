package provider

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// variants is one word in the host names of a preset that differs from customer to
// customer, such as a region. A nil variants stands for none.
type variants struct {
	name     string
	values   []string
	fallback string            // where nothing tells; empty: all values, in turn
	domains  map[string]string // domain to value
}

// found is a pattern that matched, with its groups.
type found struct {
	pattern *regexp.Regexp
	groups  []string
}

func firstMatch(patterns []*regexp.Regexp, s string) *found {
	for _, p := range patterns {
		if groups := p.FindStringSubmatch(s); groups != nil {
			return &found{p, groups}
		}
	}
	return nil
}

// of gives the values for a domain; nil where nothing tells.
func (v *variants) of(domain string) []string {
	if v == nil || v.domains[domain] == "" {
		return nil
	}
	return []string{v.domains[domain]}
}

// find gives the values that a match tells, or those for the domain. A value that is
// not known counts for nothing: a foreign zone must not make up host names.
func (v *variants) find(f *found, domain string) []string {
	if v == nil {
		return nil
	}
	if at := f.pattern.SubexpIndex(v.name); at > 0 && slices.Contains(v.values, f.groups[at]) {
		return []string{f.groups[at]}
	}
	return v.of(domain)
}

// resolved gives a copy of the preset that belongs to the caller, its hosts written
// out. Without values the fallback stands, or all values in turn.
func (s *Preset) resolved(values []string, customer bool) Preset {
	out := *s
	smtp, imap := s.SMTP, s.IMAP
	if customer && s.customers != nil {
		smtp, imap = s.customers.smtp, s.customers.imap
	}
	out.SMTP, out.IMAP = slices.Clone(smtp), slices.Clone(imap)
	if v := s.variants; v != nil {
		switch {
		case len(values) > 0:
		case v.fallback != "":
			values = []string{v.fallback}
		default:
			values = v.values
		}
		out.SMTP, out.IMAP = v.expand(smtp, values), v.expand(imap, values)
		out.EWS.URL = v.write(s.EWS.URL, values[0])
	}
	out.Auth, out.EWSAuth, out.Ladder = slices.Clone(s.Auth), slices.Clone(s.EWSAuth), slices.Clone(s.Ladder)
	out.Sent.Names, out.Sent.NameHints = slices.Clone(s.Sent.Names), slices.Clone(s.Sent.NameHints)
	out.Deadlines, out.Hints = slices.Clone(s.Deadlines), slices.Clone(s.Hints)
	if s.OAuth != nil {
		oauth := *s.OAuth
		oauth.Scopes = maps.Clone(oauth.Scopes)
		for resource, scopes := range oauth.Scopes {
			oauth.Scopes[resource] = slices.Clone(scopes)
		}
		out.OAuth = &oauth
	}
	return out
}

// expand writes every server with every value, the values in turn.
func (v *variants) expand(list []relay.Server, values []string) []relay.Server {
	var out []relay.Server
	for _, value := range values {
		for _, server := range list {
			server.Host = v.write(server.Host, value)
			out = append(out, server)
		}
	}
	return out
}

func (v *variants) write(template, value string) string {
	return strings.ReplaceAll(template, "{"+v.name+"}", value)
}
