package upstream

import (
	"context"
	"errors"
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
	ruleNotProved   = "local.not_proved"  // the account may not send as the From address
	ruleNoWay       = "local.no_way"      // the account sends by APIs alone, and there are none
	ruleThrottle    = "local.throttle"    // the account has sent as much as it may for now
	ruleNotReached  = "local.not_reached" // an earlier transaction of the attempt stopped it
)

// credentialsPause is how long a lane rests when its credentials cannot be read: a
// fault of our own disk or key, that the operator has to see.
const credentialsPause = 5 * time.Minute

// attempt is one Deliver.
type attempt struct {
	d       *Deliverer
	del     *relay.Delivery
	account *relay.Account     // as it was when the attempt began; nil before
	limits  relay.Limits       // of its provider
	cred    *relay.Credentials // for the way that is tried; nil before
	version uint64             // of the credentials that any trouble is about
	job     *patience.Attempt
	out     relay.Attempt

	left      []int // positions in del.Recipients without a result
	batch     int   // how many recipients the next transaction names
	recordErr error // what BeforeDot said
	dotSent   bool  // the dot of a transaction of this way may have left
	renewed   bool  // the token of this way was refused, and replaced
}

// Deliver sends the message through the account of its route. Every recipient gets
// one Result; what concerns the account as a whole is in Trouble.
func (d *Deliverer) Deliver(ctx context.Context, del *relay.Delivery) relay.Attempt {
	a := &attempt{d: d, del: del}
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
	if a.out.Trouble != nil {
		a.out.Trouble.Version = a.version
	}
	a.out.Ended = time.Now()
	return a.out
}

func (a *attempt) run(ctx context.Context, id string) {
	if a.del.Message.Envelope.ReturnPath.IsZero() {
		// Reports go another way: a provider refuses them, or would send them as
		// the person's own mail.
		a.stop(ruleNullSender, relay.Local("protocol", "a message with the null return path never goes through an account"))
		return
	}
	account, err := a.d.o.Accounts.Get(ctx, id)
	if err != nil {
		a.noCredentials(err)
		return
	}
	if !account.SendsAs(a.del.Message.From) {
		// Promise G9. The envelope sender stays the account's address; it is the From
		// field that the recipients see.
		a.stop(ruleNotProved, relay.Local("protocol", "the account is not proved for "+a.del.Message.From.String()))
		return
	}
	a.account, a.limits = account, a.d.o.LimitsOf(account)
	a.batch = a.limits.RecipientsPerMessage
	if a.batch <= 0 {
		a.batch = a.d.o.MaxRecipients
	}
	a.climb(ctx, account.Proved(time.Now()))
}

// fetch gets the credentials for the way that is tried. After false the attempt is
// over.
func (a *attempt) fetch(ctx context.Context) bool {
	cred, err := a.d.o.Credentials.Credentials(ctx, a.account.ID, a.out.Way.Resource())
	if err != nil {
		a.noCredentials(err)
		return false
	}
	a.cred, a.version = cred, cred.Account.Version
	return true
}

// noCredentials ends an attempt whose account cannot be used at all.
func (a *attempt) noCredentials(err error) {
	var token *relay.TokenError
	var setting *relay.FieldError
	switch {
	case a.job.BrokenOff():
		a.brokenOff()
	case errors.As(err, &token):
		a.version = a.account.Version
		v := a.judge(smtpwire.Answer{Where: relay.AtToken, Reply: token.Reply})
		a.out.Trouble = graver(a.out.Trouble, v.trouble)
		a.settleLeft(v)
	case errors.As(err, &setting):
		a.version = a.account.Version
		a.out.Trouble = &relay.Trouble{Kind: relay.TroublePark, Rule: ruleSettings, Hint: setting.Message, Version: a.version}
		a.stop(ruleSettings, relay.Reply{})
	case errors.Is(err, store.ErrNotFound):
		a.out.Trouble = &relay.Trouble{Kind: relay.TroublePark, Rule: ruleNoAccount, Hint: "The account does not exist any more."}
		a.stop(ruleNoAccount, relay.Reply{})
	default:
		a.out.Trouble = &relay.Trouble{
			Kind: relay.TroubleSlow, Pause: credentialsPause, Rule: ruleCredentials, ClockStops: true,
			Hint: "The account's credentials cannot be read; relayd's log says why.",
		}
		a.stop(ruleCredentials, relay.Reply{})
	}
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

// settleLeft gives the verdict to recipients that were not yet named to the peer when
// it came.
func (a *attempt) settleLeft(v *verdict) {
	for _, i := range a.left {
		a.set(i, v.forUnsent())
	}
	a.left = nil
}

// stop defers what is left.
func (a *attempt) stop(rule string, reply relay.Reply) {
	for _, i := range a.left {
		a.set(i, relay.Result{Outcome: relay.Deferred, Rule: rule, Reply: reply})
	}
	a.left = nil
}
