package provider

import "slices"

// Hint is the sentence that a rule has for the submitter of a message; empty for a
// rule that speaks to the owner of the account or to the operator, and for one that
// is not of these rules.
func (r *Rules) Hint(rule string) string { return r.hints[rule] }

// ForOwner reports whether a rule names the owner of the account as the one who can
// mend it. One that is not of these rules may be anybody's.
func (r *Rules) ForOwner(rule string) bool {
	told, known := r.told[rule]
	return !known || slices.Contains(told, "owner")
}

// forSubmitter reports whether the submitter may read a rule's hint: it is told by
// name, or the hint is for nobody in particular.
func forSubmitter(told []string) bool {
	return len(told) == 0 || slices.Contains(told, "submitter")
}
