package queue

import (
	"time"

	"github.com/relayd/relayd/relay"
)

// RuleExpired is the reply rule of a recipient that waited too long.
const RuleExpired = "queue.expired"

// policy is what settle needs to know beside the message.
type policy struct {
	backoff     Backoff
	unknownWait time.Duration
	random      func() float64
	noCopies    bool
}

// settle gives the state after an attempt over the route: every answer becomes the
// outcome of its recipient, and what follows from it. It changes nothing but the
// returned state, which is old's clone.
func settle(p policy, now time.Time, m *relay.Message, old *relay.State, route relay.Route, a *relay.Attempt) *relay.State {
	s := old.Clone()
	s.Revision++
	if !s.RouteFixed {
		s.Route = route
	}
	jitter := p.random() // one for all, so that they share the next attempt as well
	p.random = func() float64 { return jitter }
	for i := range a.Results {
		p.settleRecipient(now, m, s, a, &a.Results[i])
	}
	if a.Trouble != nil && a.Trouble.ClockStops {
		s.HeldFor += a.Trouble.Pause
	}
	if !p.noCopies && wantsCopy(m, s) {
		s.Copy = relay.Copy{Status: relay.CopyPending, Account: s.Route.Account, Way: a.Way, Since: now}
	}
	return s
}

// settleRecipient applies one result.
func (p policy) settleRecipient(now time.Time, m *relay.Message, s *relay.State, a *relay.Attempt, res *relay.Result) {
	r := &s.Recipients[res.Recipient]
	if r.Outcome.Final() {
		return
	}
	outcome := outcomeOf(r, res)
	r.Outcome, r.Rule, r.Reply, r.At = outcome, res.Rule, res.Reply, now
	r.Peer = a.Peer.String()
	r.DotSent = outcome == relay.Unknown
	if res.Rule == RuleUnsearchable {
		r.LookUps++
	}
	switch outcome {
	case relay.Delivered:
		r.Reported = res.PeerReports || !owesReport(m, res.Recipient, relay.ReportSuccess)
	case relay.Failed:
		r.Reported = !owesReport(m, res.Recipient, relay.ReportFailure)
	case relay.Held:
		s.Hold = &relay.Hold{Reason: holdReason(res), Rule: res.Rule, Since: now}
		r.Outcome, r.Next = relay.Deferred, time.Time{}
	default:
		p.postpone(now, m, s, a, res)
	}
}

// outcomeOf is the outcome of a result in the light of what was known before. Where
// a dot had left and no answer came to it, an attempt that did not come to its own
// dot does not make the outcome known: the mailbox is looked at again.
func outcomeOf(r *relay.RecipientState, res *relay.Result) relay.Outcome {
	switch {
	case res.Outcome == relay.Pending, res.Outcome == relay.Deferred:
		if r.Outcome == relay.Unknown || r.DotSent && res.Reply.Code == 0 {
			return relay.Unknown
		}
		return relay.Deferred
	}
	return res.Outcome
}

func holdReason(res *relay.Result) string {
	if res.Hint != "" {
		return res.Hint
	}
	return res.Reply.String()
}

// minAbortWait keeps an attempt that is broken off again and again from turning
// into a busy loop.
const minAbortWait = time.Second

// postpone plans the next attempt for a recipient, or ends its waiting. Trouble of
// an account or a destination never counts as an attempt (promise G3).
func (p policy) postpone(now time.Time, m *relay.Message, s *relay.State, a *relay.Attempt, res *relay.Result) {
	r := &s.Recipients[res.Recipient]
	var trouble relay.TroubleKind
	if a.Trouble != nil {
		trouble = a.Trouble.Kind
	}
	switch {
	case trouble == relay.TroublePark:
		r.Next = time.Time{} // the account's mail is held, with a clock of its own
	case trouble == relay.TroubleAborted:
		r.Next = now.Add(max(a.Trouble.Pause, minAbortWait))
	case age(now, m, s) >= p.backoff.GiveUpAfter && (a.Trouble == nil || !a.Trouble.ClockStops):
		expireRecipient(m, r, res.Recipient)
	case trouble == relay.TroubleSlow:
		// Another message of the lane finds out first whether the trouble is over: it
		// may be this one that the peer does not like.
		r.Next = now.Add(a.Trouble.Pause + minRest)
	default:
		r.Attempts++
		r.Next = now.Add(p.waitFor(r, res))
	}
}

// expireRecipient ends the waiting of a recipient: it failed, with its peer's last words.
func expireRecipient(m *relay.Message, r *relay.RecipientState, i int) {
	r.Outcome, r.DotSent, r.Rule = relay.Failed, false, RuleExpired
	r.Reported = !owesReport(m, i, relay.ReportFailure)
}

func (p policy) waitFor(r *relay.RecipientState, res *relay.Result) time.Duration {
	wait := max(p.backoff.wait(r.Attempts, p.random()), res.Pause)
	if r.Outcome == relay.Unknown {
		wait = max(wait, p.unknownWait)
	}
	return wait
}

// age is how old a message is for its own clock: holds are not part of it.
func age(now time.Time, m *relay.Message, s *relay.State) time.Duration {
	return now.Sub(m.Accepted) - s.HeldFor
}

// owesReport reports whether the outcome of a recipient is to be reported to the
// return path. What relayd itself wrote is never reported about (RFC 3464 §2), and the
// null reverse-path gets none (RFC 5321 §6.1).
func owesReport(m *relay.Message, recipient int, kind relay.ReportKind) bool {
	if m.Kind != relay.KindSubmission || m.Envelope.ReturnPath.IsZero() {
		return false
	}
	notify := m.Envelope.Recipients[recipient].Notify
	switch kind {
	case relay.ReportSuccess:
		return notify.WantsSuccess()
	case relay.ReportDelay:
		return notify.WantsDelay()
	}
	return notify.WantsFailure()
}

// wantsCopy reports whether the Sent copy becomes due: once, when the first
// recipient was accepted through the sender's account. One that was found to be
// switched off has its account already.
func wantsCopy(m *relay.Message, s *relay.State) bool {
	if m.Kind != relay.KindSubmission || s.Route.Kind != relay.RouteAccount || s.Copy.Status != relay.CopyNone || s.Copy.Account != "" {
		return false
	}
	for i := range s.Recipients {
		if s.Recipients[i].Outcome == relay.Delivered {
			return true
		}
	}
	return false
}
