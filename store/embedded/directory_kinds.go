package embedded

import (
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// directoryKind is what the engine must know about one kind of record.
type directoryKind[T any] struct {
	kind     store.Kind
	id       func(*T) string
	revision func(*T) *uint64
	unique   func(*T) []directoryValue // what no other record may have
	refers   func(*T) []directoryRef   // what must exist, and cannot be deleted meanwhile
	clone    func(*T) *T               // shares nothing with the original that can change
}

// directoryValue is a value that is unique over the installation within its space.
// An empty value is nobody's.
type directoryValue struct {
	space directorySpace
	value string
}

// directoryRef names a record of another kind. An empty id is no reference.
type directoryRef struct {
	kind store.Kind
	id   string
}

// directorySpace names what a unique value is. The names stand in the file.
type directorySpace string

const (
	spaceID       directorySpace = "" // in the cache only: the record's own id
	spaceDomain   directorySpace = "domain"
	spaceUser     directorySpace = "user address"
	spaceAccount  directorySpace = "account address"
	spaceLogin    directorySpace = "login"
	spaceSelector directorySpace = "selector" // domain NUL selector
	spaceStarter  directorySpace = "starter"  // organisation NUL domain
)

func organisationKind() directoryKind[relay.Organisation] {
	return directoryKind[relay.Organisation]{
		kind:     store.KindOrganisation,
		id:       func(o *relay.Organisation) string { return o.ID },
		revision: func(o *relay.Organisation) *uint64 { return &o.Revision },
		unique: func(o *relay.Organisation) (values []directoryValue) {
			for _, domain := range o.Domains {
				values = append(values, directoryValue{spaceDomain, domain})
			}
			return values
		},
		refers: func(*relay.Organisation) []directoryRef { return nil },
		clone: func(o *relay.Organisation) *relay.Organisation {
			c := *o
			c.Domains = slices.Clone(o.Domains)
			return &c
		},
	}
}

func userKind() directoryKind[relay.User] {
	return directoryKind[relay.User]{
		kind:     store.KindUser,
		id:       func(u *relay.User) string { return u.ID },
		revision: func(u *relay.User) *uint64 { return &u.Revision },
		unique: func(u *relay.User) []directoryValue {
			return []directoryValue{{spaceUser, u.Address.Key()}}
		},
		refers: func(u *relay.User) []directoryRef {
			return []directoryRef{{store.KindOrganisation, u.Organisation}}
		},
		clone: func(u *relay.User) *relay.User { c := *u; return &c },
	}
}

func accountKind() directoryKind[relay.Account] {
	return directoryKind[relay.Account]{
		kind:     store.KindAccount,
		id:       func(a *relay.Account) string { return a.ID },
		revision: func(a *relay.Account) *uint64 { return &a.Revision },
		// An alias that nobody proved belongs to nobody: else whoever names an address
		// first could keep its owner from it.
		unique: func(a *relay.Account) []directoryValue {
			values := []directoryValue{{spaceAccount, a.Address.Key()}}
			for i := range a.Aliases {
				if !a.Aliases[i].ProvedAt.IsZero() {
					values = append(values, directoryValue{spaceAccount, a.Aliases[i].Address.Key()})
				}
			}
			return values
		},
		refers: func(a *relay.Account) []directoryRef {
			refs := []directoryRef{{store.KindOrganisation, a.Organisation}, {store.KindUser, a.User}, {store.KindApp, a.App}}
			if a.Candidate != nil && a.Candidate.App != a.App {
				refs = append(refs, directoryRef{store.KindApp, a.Candidate.App})
			}
			return refs
		},
		clone: (*relay.Account).Clone,
	}
}

func submitterKind() directoryKind[relay.Submitter] {
	return directoryKind[relay.Submitter]{
		kind:     store.KindSubmitter,
		id:       func(s *relay.Submitter) string { return s.ID },
		revision: func(s *relay.Submitter) *uint64 { return &s.Revision },
		unique: func(s *relay.Submitter) []directoryValue {
			return []directoryValue{{spaceLogin, s.Login}}
		},
		refers: func(s *relay.Submitter) []directoryRef {
			return []directoryRef{{store.KindOrganisation, s.Organisation}}
		},
		clone: func(s *relay.Submitter) *relay.Submitter {
			c := *s
			c.PasswordHash = slices.Clone(s.PasswordHash)
			c.Networks = slices.Clone(s.Networks)
			c.Senders.Addresses = slices.Clone(s.Senders.Addresses)
			c.Senders.Domains = slices.Clone(s.Senders.Domains)
			return &c
		},
	}
}

func keyKind() directoryKind[relay.Key] {
	return directoryKind[relay.Key]{
		kind:     store.KindKey,
		id:       func(k *relay.Key) string { return k.ID },
		revision: func(k *relay.Key) *uint64 { return &k.Revision },
		unique: func(k *relay.Key) []directoryValue {
			return []directoryValue{{spaceSelector, selectorValue(k.Domain, k.Selector)}}
		},
		refers: func(k *relay.Key) []directoryRef {
			return []directoryRef{{store.KindOrganisation, k.Organisation}}
		},
		clone: func(k *relay.Key) *relay.Key {
			c := *k
			c.Private = slices.Clone(k.Private)
			return &c
		},
	}
}

func tokenKind() directoryKind[relay.Token] {
	return directoryKind[relay.Token]{
		kind:     store.KindToken,
		id:       func(t *relay.Token) string { return t.ID },
		revision: func(t *relay.Token) *uint64 { return &t.Revision },
		unique:   func(*relay.Token) []directoryValue { return nil },
		refers: func(t *relay.Token) []directoryRef {
			return []directoryRef{{store.KindOrganisation, t.Organisation}}
		},
		clone: func(t *relay.Token) *relay.Token {
			c := *t
			c.Hash = slices.Clone(t.Hash)
			return &c
		},
	}
}

// selectorValue keeps the keys of one domain together in the index. A key without
// a domain or selector has no place there.
func selectorValue(domain, selector string) string {
	if domain == "" || selector == "" {
		return ""
	}
	return domain + "\x00" + selector
}
