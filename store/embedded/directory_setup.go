package embedded

import (
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// What is set up for accounts: applications and consents, starter configurations,
// claims to domains, links and webhooks.

func nothingUnique[T any](*T) []directoryValue { return nil }

func appKind() directoryKind[relay.App] {
	return directoryKind[relay.App]{
		kind:     store.KindApp,
		id:       func(a *relay.App) string { return a.ID },
		revision: func(a *relay.App) *uint64 { return &a.Revision },
		unique:   nothingUnique[relay.App],
		refers: func(a *relay.App) []directoryRef {
			return []directoryRef{{store.KindOrganisation, a.Organisation}}
		},
		clone: func(a *relay.App) *relay.App {
			c := *a
			c.Secret = slices.Clone(a.Secret)
			return &c
		},
	}
}

// grantKind does not refer to the account: the consent is written before the account
// that it is for, and removed after it.
func grantKind() directoryKind[relay.Grant] {
	return directoryKind[relay.Grant]{
		kind:     store.KindGrant,
		id:       func(g *relay.Grant) string { return g.ID },
		revision: func(g *relay.Grant) *uint64 { return &g.Revision },
		unique:   nothingUnique[relay.Grant],
		refers: func(g *relay.Grant) []directoryRef {
			return []directoryRef{{store.KindApp, g.App}}
		},
		clone: func(g *relay.Grant) *relay.Grant {
			c := *g
			c.Refresh, c.Scopes = slices.Clone(g.Refresh), slices.Clone(g.Scopes)
			return &c
		},
	}
}

func starterKind() directoryKind[relay.Starter] {
	return directoryKind[relay.Starter]{
		kind:     store.KindStarter,
		id:       func(s *relay.Starter) string { return s.ID },
		revision: func(s *relay.Starter) *uint64 { return &s.Revision },
		unique: func(s *relay.Starter) []directoryValue {
			return []directoryValue{{spaceStarter, starterValue(s.Organisation, s.Domain)}}
		},
		refers: func(s *relay.Starter) []directoryRef {
			return []directoryRef{{store.KindOrganisation, s.Organisation}, {store.KindApp, s.App}}
		},
		clone: func(s *relay.Starter) *relay.Starter {
			c := *s
			c.Ways = slices.Clone(s.Ways)
			return &c
		},
	}
}

// starterValue is where the starter configuration of a domain stands in the index; an
// empty domain is every one of the organisation.
func starterValue(organisation, domain string) string {
	if organisation == "" {
		return ""
	}
	return organisation + "\x00" + domain
}

func domainClaimKind() directoryKind[relay.DomainClaim] {
	return directoryKind[relay.DomainClaim]{
		kind:     store.KindDomainClaim,
		id:       func(c *relay.DomainClaim) string { return c.ID },
		revision: func(c *relay.DomainClaim) *uint64 { return &c.Revision },
		unique:   nothingUnique[relay.DomainClaim], // several may claim a domain, one will prove it
		refers: func(c *relay.DomainClaim) []directoryRef {
			return []directoryRef{{store.KindOrganisation, c.Organisation}}
		},
		clone: func(c *relay.DomainClaim) *relay.DomainClaim { k := *c; return &k },
	}
}

func linkKind() directoryKind[relay.Link] {
	return directoryKind[relay.Link]{
		kind:     store.KindLink,
		id:       func(l *relay.Link) string { return l.ID },
		revision: func(l *relay.Link) *uint64 { return &l.Revision },
		unique:   nothingUnique[relay.Link],
		refers:   func(*relay.Link) []directoryRef { return nil }, // it ends by itself, and keeps nothing alive
		clone: func(l *relay.Link) *relay.Link {
			c := *l
			c.Code = slices.Clone(l.Code)
			return &c
		},
	}
}

func webhookKind() directoryKind[relay.Webhook] {
	return directoryKind[relay.Webhook]{
		kind:     store.KindWebhook,
		id:       func(w *relay.Webhook) string { return w.ID },
		revision: func(w *relay.Webhook) *uint64 { return &w.Revision },
		unique:   nothingUnique[relay.Webhook],
		refers: func(w *relay.Webhook) []directoryRef {
			return []directoryRef{{store.KindOrganisation, w.Organisation}}
		},
		clone: func(w *relay.Webhook) *relay.Webhook {
			c := *w
			c.Secret, c.Events = slices.Clone(w.Secret), slices.Clone(w.Events)
			return &c
		},
	}
}

func webhookCallKind() directoryKind[relay.WebhookCall] {
	return directoryKind[relay.WebhookCall]{
		kind:     store.KindWebhookCall,
		id:       func(c *relay.WebhookCall) string { return c.ID },
		revision: func(c *relay.WebhookCall) *uint64 { return &c.Revision },
		unique:   nothingUnique[relay.WebhookCall],
		refers:   func(*relay.WebhookCall) []directoryRef { return nil },
		clone: func(c *relay.WebhookCall) *relay.WebhookCall {
			k := *c
			k.Body = slices.Clone(c.Body)
			return &k
		},
	}
}
