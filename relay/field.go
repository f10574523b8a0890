package relay

// FieldError is a refusal that a person can mend: it names the setting that is
// wrong, in the words of Verification.Field, and says what to do. It is safe to
// show.
type FieldError struct {
	Field   string // such as "smtp.port"; empty if it is no single setting
	Message string // one or two sentences for a person
}

// Error is the message with the field in front.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}
