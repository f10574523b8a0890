package report

import (
	"slices"

	"github.com/relayd/relayd/relay"
)

// Due chooses those of some recipients that a report of this kind is due for, in
// their order. It decides by the message and its state alone.
func Due(m *relay.Message, s *relay.State, recipients []int, kind relay.ReportKind) []int {
	// RFC 5321 §6.1, RFC 3461 §6.1: a report about a report could go on for ever.
	if m.Kind == relay.KindReport || m.Envelope.ReturnPath.IsZero() {
		return nil
	}
	var due []int
	for _, i := range recipients {
		if isDue(m.Envelope.Recipients[i].Notify, s.Recipients[i].Outcome, kind) {
			due = append(due, i)
		}
	}
	slices.Sort(due)
	return slices.Compact(due)
}

func isDue(notify relay.Notify, outcome relay.Outcome, kind relay.ReportKind) bool {
	switch kind {
	case relay.ReportFailure:
		return outcome == relay.Failed && notify.WantsFailure()
	case relay.ReportDelay:
		return !outcome.Final() && notify.WantsDelay()
	case relay.ReportSuccess:
		return outcome == relay.Delivered && notify.WantsSuccess()
	}
	return false
}
