package oauth

import (
	"slices"
	"strings"

	"github.com/relayd/relayd/relay"
)

// shortScope is the form in which scopes are compared: some vendors give them back
// without the resource in front, and in another case.
func (v *vendor) shortScope(scope string) string {
	if !v.ShortScopes {
		return scope
	}
	return strings.ToLower(scope[strings.LastIndexByte(scope, '/')+1:])
}

// missing gives those of the wanted scopes that were not granted. An answer that names
// no scopes grants what was asked (RFC 6749 §5.1).
func (v *vendor) missing(wanted, granted []string) *ScopeError {
	if granted == nil {
		return nil
	}
	e := &ScopeError{}
	for _, scope := range wanted {
		same := func(other string) bool { return v.shortScope(other) == v.shortScope(scope) }
		if slices.ContainsFunc(granted, same) {
			continue
		}
		e.Missing = append(e.Missing, scope)
		e.Words = append(e.Words, v.word(scope))
	}
	if len(e.Missing) == 0 {
		return nil
	}
	return e
}

// word is what a scope means, for people.
func (v *vendor) word(scope string) string {
	if word := v.Words[scope]; word != "" {
		return word
	}
	if word := v.Words[scope[strings.LastIndexByte(scope, '/')+1:]]; word != "" {
		return word
	}
	return relay.Printable(scope)
}

// resourceOf finds a resource that the scopes open, for a consent that is to be kept
// alive without anybody asking for one.
func (m *realm) resourceOf(granted []string) relay.Resource {
	for _, r := range []relay.Resource{relay.ResourceMail, relay.ResourceGraph, relay.ResourceGmail} {
		scopes, err := m.scopes(r)
		if err == nil && m.vendor.missing(scopes, append([]string{}, granted...)) == nil {
			return r
		}
	}
	return relay.ResourceMail
}

// merge gives both lists, each scope once.
func merge(lists ...[]string) []string {
	var out []string
	for _, list := range lists {
		for _, scope := range list {
			if !slices.Contains(out, scope) {
				out = append(out, scope)
			}
		}
	}
	return out
}

// offline is the scope without which some vendors give no refresh token (OpenID Connect
// Core 1.0 §11).
const offline = "offline_access"

// refreshScopes are those of a refresh: none, which means all that was consented to
// (RFC 6749 §6), unless a token opens one resource only.
func (m *realm) refreshScopes(r relay.Resource) ([]string, error) {
	scopes, err := m.scopes(r)
	if err != nil || !m.vendor.OneResource {
		return nil, err
	}
	if slices.Contains(m.vendor.Identity, offline) {
		scopes = append(scopes, offline)
	}
	return scopes, nil
}
