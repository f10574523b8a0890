package provider

// Hint is the sentence that a rule has for the person concerned; empty for a rule
// that is not one of these.
func (r *Rules) Hint(rule string) string { return r.hints[rule] }
