package relay

import "time"

// Wait says what a message waits for that is not its own doing: its state says what was
// answered to it and when it is tried again, and a Wait what stands in its way.
type Wait struct {
	Lane   string    // such as "account:01h…" or "domain:example.org"
	Reason string    // plain words
	Until  time.Time // zero if nobody knows
}
