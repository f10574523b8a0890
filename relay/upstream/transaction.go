package upstream

import (
	"context"
	"slices"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// bySMTP sends to all that is left, in as many transactions as that takes. It gives
// the verdict for which another way is to be tried; nil if everybody has a result.
func (a *attempt) bySMTP(ctx context.Context) *verdict {
	for len(a.left) > 0 {
		more, why := a.transaction(ctx)
		if !more {
			return why
		}
	}
	return nil
}

// transaction sends the message to the next recipients. It reports whether the
// rest may follow, and if not, the verdict for which another way is to be tried.
func (a *attempt) transaction(ctx context.Context) (more bool, why *verdict) {
	batch := slices.Clone(a.left[:min(a.batch, len(a.left))])
	booked, ok := a.book(len(batch))
	if !ok {
		return false, nil
	}
	receipt, err := a.send(ctx, batch)
	booked.keep(sentTo(receipt.Answers))
	if err != nil && !receipt.DotSent && (a.job.BrokenOff() || a.recordErr != nil) {
		a.takeRefusals(batch, receipt.Answers)
		a.brokenOff()
		return false, nil
	}
	if why = a.unable(receipt.Answers); why != nil {
		a.takeRefusals(batch, receipt.Answers)
		return false, why
	}
	blocked := a.take(batch, receipt.Answers)
	a.heedQuota()
	if blocked == nil {
		return true, nil
	}
	a.settleLeft(blocked)
	return false, nil
}

// sentTo counts the recipients to which the message went, or may have gone.
func sentTo(answers []smtpwire.Answer) int {
	n := 0
	for _, a := range answers {
		if a.Accepted || a.Where == relay.AtAfterDot && a.Reply.Code == 0 {
			n++
		}
	}
	return n
}

// unable finds the answer that says that the account cannot send this way at all. After
// a dot there is none: what the peer has taken must not go another way.
func (a *attempt) unable(answers []smtpwire.Answer) *verdict {
	if a.dotSent {
		return nil
	}
	for _, answer := range answers {
		if v := a.judge(answer); v.other && v.blocks {
			return v
		}
	}
	return nil
}

// take judges the answers of one transaction. It gives the verdict that stops the
// rest, if there is one.
func (a *attempt) take(batch []int, answers []smtpwire.Answer) (blocked *verdict) {
	var again []int
	var last *verdict
	accepted := 0
	for n, i := range batch {
		v := a.judge(answers[n])
		a.out.Trouble = graver(a.out.Trouble, v.trouble)
		if v.again {
			again, last = append(again, i), v
			continue
		}
		a.set(i, v.result)
		if answers[n].Accepted {
			accepted++
		}
		if v.blocks && (blocked == nil || v.trouble != nil) {
			blocked = v
		}
	}
	a.left = append(again, a.left[len(batch):]...)
	if len(again) == len(batch) && len(batch) == 1 {
		a.left = a.left[1:]
		a.set(batch[0], last.result) // even alone it is one too many: try later
	} else if len(again) > 0 {
		a.batch = accepted // the peer takes as many as it took just now
		if accepted == 0 {
			a.batch = max(1, len(batch)/2)
		}
	}
	return blocked
}

// takeRefusals keeps the real answers of a transaction that was broken off: a
// recipient that the peer refused stays refused.
func (a *attempt) takeRefusals(batch []int, answers []smtpwire.Answer) {
	left := a.left[len(batch):]
	for n, i := range batch {
		v := a.judge(answers[n])
		if answers[n].Where == relay.AtRcpt && v.result.Outcome == relay.Failed {
			a.set(i, v.result)
			continue
		}
		left = append(left, i)
	}
	a.left = left
}
