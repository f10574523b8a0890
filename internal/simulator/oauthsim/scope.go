package oauthsim

import (
	"slices"
	"strings"
)

// Use is what an access token is shown for.
type Use int

// The uses.
const (
	UseSMTP Use = iota
	UseIMAP
	UseGraph // any request to Graph
	UseGraphSend
	UseGraphRead
	UseGraphWrite
	UseGmailSend
	UseGmailRead
	UseGmailWrite
)

const (
	googleMail = "https://mail.google.com/"
	googleAPI  = "https://www.googleapis.com/auth/"
	graph      = "https://graph.microsoft.com/"
	outlook    = "https://outlook.office.com/"
	outlook365 = "https://outlook.office365.com/"
)

// scopesFor are the scopes of which one is enough for a use.
func scopesFor(u Use) []string {
	switch u {
	case UseSMTP:
		return []string{googleMail, outlook + "SMTP.Send", outlook365 + "SMTP.Send", outlook365 + ".default", outlook + ".default",
			"mail-w", "https://www.fastmail.com/dev/protocol-smtp", "mail:smtp", "mail.imap"}
	case UseIMAP:
		return []string{googleMail, googleAPI + "gmail.imap_admin", outlook + "IMAP.AccessAsUser.All", outlook365 + "IMAP.AccessAsUser.All",
			outlook365 + ".default", outlook + ".default", "mail-w", "https://www.fastmail.com/dev/protocol-imap", "mail:imap_full", "mail.imap"}
	case UseGraphSend:
		return []string{graph + "Mail.Send", graph + "Mail.Send.Shared", graph + ".default"}
	case UseGraphRead:
		return []string{graph + "Mail.ReadBasic", graph + "Mail.Read", graph + "Mail.ReadWrite", graph + ".default"}
	case UseGraphWrite:
		return []string{graph + "Mail.ReadWrite", graph + ".default"}
	case UseGmailSend:
		return []string{googleMail, googleAPI + "gmail.send", googleAPI + "gmail.compose", googleAPI + "gmail.modify"}
	case UseGmailRead:
		return []string{googleMail, googleAPI + "gmail.readonly", googleAPI + "gmail.modify", googleAPI + "gmail.metadata"}
	case UseGmailWrite:
		return []string{googleMail}
	}
	return nil
}

// allows reports whether the scopes are enough for a use.
func allows(scopes []string, u Use) bool {
	if u == UseGraph {
		return slices.ContainsFunc(scopes, func(scope string) bool { return resource(scope) == graph })
	}
	enough := scopesFor(u)
	return slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(enough, full(scope)) })
}

// full gives the whole name of a scope: Microsoft takes one without an address as
// one of Graph.
func full(scope string) string {
	if strings.HasPrefix(scope, "Mail.") || strings.HasPrefix(scope, "User.") {
		return graph + scope
	}
	return scope
}

// isIdentity reports whether a scope is about who somebody is, not about mail.
func isIdentity(scope string) bool {
	switch scope {
	case "openid", "profile", "email", "offline_access", googleAPI + "userinfo.email", googleAPI + "userinfo.profile":
		return true
	}
	return false
}

// resource is what a scope of Microsoft belongs to; empty for other scopes.
func resource(scope string) string {
	scope = full(scope)
	for _, r := range []string{graph, outlook, outlook365} {
		if strings.HasPrefix(scope, r) {
			return r
		}
	}
	return ""
}

// isKnown reports whether the dialect has such a scope.
func (d Dialect) isKnown(scope string) bool {
	if isIdentity(scope) {
		return true
	}
	for u := UseSMTP; u <= UseGmailWrite; u++ {
		if slices.Contains(scopesFor(u), full(scope)) {
			google := strings.HasPrefix(scope, googleAPI) || scope == googleMail
			return d == Plain || (d == Google) == google
		}
	}
	return d == Plain || (d == Microsoft && full(scope) == graph+"User.Read")
}

// shown is how a list of given scopes stands in a token answer: Google writes email
// and profile in its own way, and Microsoft leaves out what is no permission.
func (d Dialect) shown(scopes []string) []string {
	var out []string
	withGraph := slices.ContainsFunc(scopes, func(scope string) bool { return resource(scope) == graph })
	for _, scope := range scopes {
		switch {
		case d == Google && (scope == "email" || scope == "profile"):
			out = append(out, googleAPI+"userinfo."+scope)
		case d == Microsoft && (scope == "offline_access" || isIdentity(scope) && !withGraph):
		default:
			out = append(out, scope)
		}
	}
	return out
}

// oneResource keeps the scopes of the first resource, and those that belong to none.
func oneResource(scopes []string) []string {
	first := ""
	var out []string
	for _, scope := range scopes {
		r := resource(scope)
		if r != "" && first == "" {
			first = r
		}
		if r == "" || r == first {
			out = append(out, scope)
		}
	}
	return out
}

func without(scopes, drop []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return slices.Contains(drop, scope) })
}

func containsAll(scopes, wanted []string) bool {
	for _, scope := range wanted {
		if !slices.Contains(scopes, scope) {
			return false
		}
	}
	return true
}
