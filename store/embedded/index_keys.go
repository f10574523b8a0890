package embedded

import (
	"bytes"
	"slices"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The kinds of key by which messages are found. They are part of the format.
const (
	byHeaderID     = 'i'
	byRecipient    = 'r'
	byFrom         = 'f'
	byAccount      = 'a'
	byHeld         = 'h'
	byOutcome      = 'o'
	bySubmitter    = 's'
	byOrganisation = 'g'
)

// A key is the kind, a hash of the value, and the ID: the messages of one value stand
// together, by age. Two values of one hash are told apart by matches.
const keyPrefix = 1 + 8

// hashValue is FNV-1a of 64 bits: it is the same in every process.
func hashValue(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

func prefixOf(kind byte, value string) []byte {
	h := hashValue(value)
	b := make([]byte, keyPrefix, keyPrefix+16)
	b[0] = kind
	for i := range 8 {
		b[1+i] = byte(h >> (56 - 8*i))
	}
	return b
}

// keysOf gives the keys of a message in a state, sorted, each once.
func keysOf(m *relay.Message, s *relay.State) [][]byte {
	keys := make([][]byte, 0, 7+len(m.Envelope.Recipients))
	add := func(kind byte, value string) {
		if value != "" {
			keys = append(keys, append(prefixOf(kind, value), m.ID[:]...))
		}
	}
	add(byHeaderID, m.HeaderID)
	add(byFrom, m.From.Key())
	add(bySubmitter, m.Submitter)
	add(byOrganisation, m.Organisation)
	add(byAccount, s.Route.Account)
	if s.Hold != nil {
		add(byHeld, "held")
	}
	for i := range m.Envelope.Recipients {
		add(byRecipient, m.Envelope.Recipients[i].Address.Key())
	}
	for i := range s.Recipients {
		add(byOutcome, s.Recipients[i].Outcome.String())
	}
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}

// rarest gives the prefix of the keys that serve a filter best: those of the value
// that fewest messages are likely to share. nil means that all must be looked at.
func rarest(f *store.Filter) []byte {
	switch {
	case f.HeaderID != "":
		return prefixOf(byHeaderID, f.HeaderID)
	case f.Recipient != "":
		return prefixOf(byRecipient, f.Recipient)
	case f.From != "":
		return prefixOf(byFrom, f.From)
	case f.Held:
		return prefixOf(byHeld, "held")
	case f.Outcome != nil && *f.Outcome != relay.Delivered:
		return prefixOf(byOutcome, f.Outcome.String())
	case f.Account != "":
		return prefixOf(byAccount, f.Account)
	case f.Submitter != "":
		return prefixOf(bySubmitter, f.Submitter)
	case f.Organisation != "":
		return prefixOf(byOrganisation, f.Organisation)
	case f.Outcome != nil:
		return prefixOf(byOutcome, f.Outcome.String())
	}
	return nil
}

// matches reports whether a record is one that the filter selects.
func matches(f *store.Filter, r *store.Record) bool {
	m, s := r.Message, r.State
	return (f.Outcome == nil || slices.ContainsFunc(s.Recipients, func(x relay.RecipientState) bool { return x.Outcome == *f.Outcome })) &&
		(!f.Held || s.Hold != nil) &&
		(!f.Waiting || r.Retired.IsZero()) &&
		(f.Organisation == "" || f.Organisation == m.Organisation) &&
		(f.Submitter == "" || f.Submitter == m.Submitter) &&
		(f.From == "" || f.From == m.From.Key()) &&
		(f.Recipient == "" || slices.ContainsFunc(m.Envelope.Recipients, func(x relay.Recipient) bool { return x.Address.Key() == f.Recipient })) &&
		(f.HeaderID == "" || f.HeaderID == m.HeaderID) &&
		(f.Account == "" || f.Account == s.Route.Account)
}
