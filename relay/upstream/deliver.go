package upstream

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/patience"
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// The rules of what relayd itself finds before or instead of an answer.
const (
	ruleBrokenOff   = "local.broken_off"
	ruleNoAccount   = "local.account_gone"
	ruleCredentials = "local.credentials"
	ruleNullSender  = "local.null_sender"
	ruleNotReached  = "local.not_reached" // an earlier transaction of the attempt stopped it
)

// credentialsPause is how long a lane rests when its credentials cannot be read: a
// fault of our own disk or key, that the operator has to see.
const credentialsPause = 5 * time.Minute

// attempt is one Deliver.
type attempt struct {
	d    *Deliverer
	del  *relay.Delivery
	cred *relay.Credentials
	job  *patience.Attempt
	out  relay.Attempt

	left      []int // positions in del.Recipients without a result
	batch     int   // how many recipients the next transaction names
	recordErr error // what BeforeDot said
}

// Deliver sends the message through the account of its route. Every recipient gets
// one Result; what concerns the account as a whole is in Trouble.
func (d *Deliverer) Deliver(ctx context.Context, del *relay.Delivery) relay.Attempt {
	a := &attempt{d: d, del: del, batch: d.o.MaxRecipients}
	a.out.Started = time.Now()
	a.out.Results = make([]relay.Result, len(del.Recipients))
	for i, r := range del.Recipients {
		a.out.Results[i].Recipient = r
		a.left = append(a.left, i)
	}
	account := del.Route.Account
	b, jobCtx := d.jobs.start(ctx, account)
	a.job = b
	a.run(jobCtx, account)
	d.jobs.end(account, b)
	if a.out.Trouble != nil && a.cred != nil {
		a.out.Trouble.Version = a.cred.Account.Version
	}
	a.out.Ended = time.Now()
	return a.out
}

func (a *attempt) run(ctx context.Context, account string) {
	if a.del.Message.Envelope.ReturnPath.IsZero() {
		// Reports go another way: a provider refuses them, or would send them as
		// the person's own mail.
		a.stop(ruleNullSender, relay.Local("protocol", "a message with the null return path never goes through an account"))
		return
	}
	cred, err := a.d.o.Credentials.Credentials(ctx, account, relay.ResourceMail)
	if err != nil {
		a.noCredentials(err)
		return
	}
	a.cred = cred
	for len(a.left) > 0 {
		if !a.transaction(ctx) {
			return
		}
	}
}

// noCredentials ends an attempt whose account cannot be used at all.
func (a *attempt) noCredentials(err error) {
	switch {
	case a.job.BrokenOff():
		a.brokenOff()
	case errors.Is(err, store.ErrNotFound):
		a.out.Trouble = &relay.Trouble{Kind: relay.TroublePark, Rule: ruleNoAccount, Hint: "The account does not exist any more."}
		a.stop(ruleNoAccount, relay.Reply{})
	default:
		a.out.Trouble = &relay.Trouble{
			Kind: relay.TroubleSlow, Pause: credentialsPause, Rule: ruleCredentials,
			Hint: "The account's stored password cannot be read; relayd's log says why.",
		}
		a.stop(ruleCredentials, relay.Reply{})
	}
}

// transaction sends the message to the next recipients. It reports whether the
// rest may follow.
func (a *attempt) transaction(ctx context.Context) bool {
	batch := slices.Clone(a.left[:min(a.batch, len(a.left))])
	receipt, err := a.send(ctx, batch)
	if err != nil && !receipt.DotSent && (a.job.BrokenOff() || a.recordErr != nil) {
		a.takeRefusals(batch, receipt.Answers)
		a.brokenOff()
		return false
	}
	blocked := a.take(batch, receipt.Answers)
	if blocked == nil {
		return true
	}
	for _, i := range a.left {
		a.set(i, blocked.forUnsent())
	}
	a.left = nil
	return false
}

// take judges the answers of one transaction. It gives the verdict that stops the
// rest, if there is one.
func (a *attempt) take(batch []int, answers []smtpwire.Answer) (blocked *verdict) {
	var again []int
	var last verdict
	accepted := 0
	for n, i := range batch {
		v := judge(answers[n], a.cred.Account.Provider, a.d.o.Classifier.Classify)
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
			blocked = &v
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
		v := judge(answers[n], a.cred.Account.Provider, a.d.o.Classifier.Classify)
		if answers[n].Where == relay.AtRcpt && v.result.Outcome == relay.Failed {
			a.set(i, v.result)
			continue
		}
		left = append(left, i)
	}
	a.left = left
}

func (a *attempt) set(i int, r relay.Result) {
	r.Recipient = a.del.Recipients[i]
	a.out.Results[i] = r
}

// brokenOff gives what is left back, as if it had not been tried.
func (a *attempt) brokenOff() {
	if a.out.Trouble == nil {
		a.out.Trouble = &relay.Trouble{
			Kind: relay.TroubleAborted, Rule: ruleBrokenOff, Hint: "The attempt was broken off before anything was sent.",
		}
	}
	a.stop(ruleBrokenOff, relay.Local("connection lost", "because the attempt was broken off"))
}

// stop defers what is left.
func (a *attempt) stop(rule string, reply relay.Reply) {
	for _, i := range a.left {
		a.set(i, relay.Result{Outcome: relay.Deferred, Rule: rule, Reply: reply})
	}
	a.left = nil
}
