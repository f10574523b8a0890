package relay

import "fmt"

// Outcome is how things stand for one recipient.
type Outcome uint8

// The outcomes. Pending, Deferred, Unknown and Held wait; the others are final.
const (
	Pending   Outcome = iota // not yet attempted
	Deferred                 // a later attempt may succeed
	Unknown                  // the final dot left, its answer did not come: it may have been accepted
	Held                     // waits for a person, an account or a policy
	Delivered                // the next server took responsibility
	Failed                   // final: a DSN is due
	Cancelled                // a person ended it; no DSN
)

var outcomeNames = [...]string{"pending", "deferred", "unknown", "held", "delivered", "failed", "cancelled"}

// String is the outcome as it stands in logs, the API and pages.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// MarshalText writes the outcome as String does.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (o *Outcome) UnmarshalText(text []byte) error {
	for i, name := range outcomeNames {
		if name == string(text) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("unknown outcome %q", text)
}

// Final reports whether nothing more will be tried for the recipient.
func (o Outcome) Final() bool { return o >= Delivered }
