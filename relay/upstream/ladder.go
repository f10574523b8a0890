package upstream

import (
	"context"
	"slices"
	"time"

	"github.com/relayd/relayd/relay"
)

// restOfRung is how long a way that the account cannot use is left alone. What takes
// a way away is a decision of the provider or an administrator; a day is how long it
// may take until relayd notices that it was taken back.
const restOfRung = 24 * time.Hour

// climb tries the ways of the account, best first, until one of them decides. A way
// decides by whatever it answers about the message or about trouble that passes.
// Only two answers lead to the next one: the account cannot send this way at all, or
// the message cannot go this way.
func (a *attempt) climb(ctx context.Context, ways []relay.Way) {
	if a.d.o.Web == nil {
		ways = slices.DeleteFunc(slices.Clone(ways), relay.Way.Web)
	}
	if len(ways) == 0 {
		a.noWay()
		return
	}
	var unfit *verdict // why the message could not go by some way
	for i, way := range ways {
		a.out.Way, a.cred, a.renewed, a.dotSent = way, nil, false, false
		why := a.try(ctx, way)
		last := i == len(ways)-1
		switch {
		case why == nil:
			return
		case why.trouble == nil:
			if unfit == nil {
				unfit = why
			}
		case last && unfit == nil:
			a.out.Trouble = graver(a.out.Trouble, why.trouble)
			a.settleLeft(why)
			return
		default:
			a.stepDown(ctx, way, why)
		}
	}
	// The account works, but by ways that this message cannot go.
	a.settleLeft(unfit)
}

// try sends by one way. nil means that everybody has a result.
func (a *attempt) try(ctx context.Context, way relay.Way) *verdict {
	if way.Web() {
		return a.byWeb(ctx, way)
	}
	if !a.fetch(ctx) {
		return nil
	}
	return a.bySMTP(ctx)
}

// stepDown lets the account remember that it cannot send this way.
func (a *attempt) stepDown(ctx context.Context, way relay.Way, why *verdict) {
	if a.d.o.Health == nil {
		return
	}
	now := time.Now()
	// Without the note the next attempt finds out again: nothing depends on it here.
	_ = a.d.o.Health.StepDown(context.WithoutCancel(ctx), a.account.ID, relay.Rung{
		Way: way, Rule: why.result.Rule, Reason: why.result.Hint, Since: now, RetryAt: now.Add(restOfRung),
	})
}

// noWay ends an attempt of an account that sends by APIs alone, where there are none.
func (a *attempt) noWay() {
	a.version = a.account.Version
	a.out.Trouble = &relay.Trouble{
		Kind: relay.TroublePark, Pause: restOfRung, Rule: ruleNoWay,
		Hint: "None of the ways by which this account sends is there: please connect it again.",
	}
	a.stop(ruleNoWay, relay.Local("no mechanism", "that the account could send by"))
}
