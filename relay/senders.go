package relay

import (
	"fmt"
	"strings"
)

// Claim is a submitter's claim to send as an address, with everything that decides
// it. Envelope and header are claims of their own, and both must hold (promise G9).
type Claim struct {
	Submitter    *Submitter
	Organisation *Organisation // the submitter's; nil if it belongs to the operator, or the record is gone
	Proved       bool          // an account of this organisation was proved for exactly this address
	Address      Address
}

// MaySend decides a claim and says why, in plain words for a person.
//
// A submitter of an organisation stays within what the organisation owns (its
// domains) or has proved (an address elsewhere, such as at a free mail provider),
// whatever its record lists. A submitter of the operator has what its record lists.
func MaySend(c Claim) (allowed bool, why string) {
	if c.Address.IsZero() {
		if c.Submitter.NullSender {
			return true, "the submitter may use the null return path"
		}
		return false, "the submitter may not use the null return path"
	}
	if allowed, why = c.withinOrganisation(); !allowed {
		return false, why
	}
	granted, how := c.granted()
	if !granted {
		return false, how
	}
	return true, strings.TrimPrefix(why+", and "+how, ", and ")
}

// withinOrganisation is the outer limit: what the organisation itself may use.
func (c Claim) withinOrganisation() (bool, string) {
	switch {
	case c.Submitter.Organisation == "":
		return true, ""
	case c.Organisation == nil || c.Organisation.ID != c.Submitter.Organisation:
		return false, "the submitter's organisation is not known"
	case c.Organisation.Owns(c.Address.Domain):
		return true, fmt.Sprintf("%s owns the domain %s", c.Organisation.Name, c.Address.Domain)
	case c.Proved:
		return true, fmt.Sprintf("%s has proved the address", c.Organisation.Name)
	}
	return false, fmt.Sprintf("%s neither owns the domain %s nor has it proved the address", c.Organisation.Name, c.Address.Domain)
}

// granted is the inner limit: what the submitter's record lists.
func (c Claim) granted() (bool, string) {
	senders, key := &c.Submitter.Senders, c.Address.Key()
	if senders.Organisation && c.Submitter.Organisation != "" {
		return true, "the submitter may send as the whole organisation"
	}
	for _, domain := range senders.Domains {
		if strings.EqualFold(domain, c.Address.Domain) {
			return true, "the submitter may send as every address of this domain"
		}
	}
	for _, address := range senders.Addresses {
		if strings.ToLower(address) == key {
			return true, "the submitter may send as this address"
		}
	}
	return false, "the submitter's list of senders does not hold the address or its domain"
}

// RefuseSender is the answer to a claim that does not hold: it names the address,
// and nothing about who else has it.
func RefuseSender(a Address) *Error {
	if a.IsZero() {
		return Refuse(550, Enhanced{5, 7, 1}, "This login may not use the null return path <>")
	}
	return Refuse(550, Enhanced{5, 7, 1}, "This login may not send as %s", a.Path())
}

// ProvedFor reports whether the account shows that its address is one of this
// organisation: it is the organisation's account and was verified at some time. A
// nil account shows nothing.
func (a *Account) ProvedFor(organisation string) bool {
	if a == nil || organisation == "" || a.Organisation != organisation {
		return false
	}
	return a.State.Usable() || a.State == AccountParked || !a.Card.VerifiedAt.IsZero()
}
