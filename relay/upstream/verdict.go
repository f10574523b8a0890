package upstream

import (
	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// ruleImpossible is the rule of what the client decided before anything was sent.
const ruleImpossible = "message.impossible"

// verdict is what one answer means for its recipient, and for what is left.
type verdict struct {
	result  relay.Result   // without the recipient
	trouble *relay.Trouble // of the account
	again   bool           // name this recipient again, with fewer others
	failAll bool           // the message is refused for everybody
	blocks  bool           // nothing more can be sent now
	other   bool           // another way of the account may be tried
}

// judge turns an answer into a verdict. The rules are asked about real answers and
// failures only.
func (a *attempt) judge(answer smtpwire.Answer) *verdict {
	settings := &a.account.Settings
	if a.cred != nil {
		settings = &a.cred.Account.Settings
	}
	return judge(answer, settings.Rules(), a.d.o.Classifier.Classify)
}

func judge(a smtpwire.Answer, provider string, classify func(relay.Answer) relay.Class) *verdict {
	switch {
	case a.Accepted:
		return &verdict{result: relay.Result{Outcome: relay.Delivered, Reply: a.Reply}}
	case a.Final:
		return &verdict{result: relay.Result{Outcome: relay.Failed, Reply: a.Reply, Rule: ruleImpossible, Hint: a.Reply.Text}}
	}
	class := classify(relay.Answer{Where: a.Where, Provider: provider, Reply: a.Reply})
	if a.Where == relay.AtToken && class.Action == relay.ActionRetry {
		// A token endpoint that does not answer is the whole account's trouble, and must
		// not count against a message.
		class.Action = relay.ActionSlow
	}
	v := weigh(class, a.Reply)
	// An answer at RCPT speaks of one recipient; at any other place of all, and so
	// does a connection that ended.
	v.blocks = v.blocks || a.Where != relay.AtRcpt || a.Reply.Code == 0 || a.Reply.Code == 421
	return v
}

// weigh turns a class into a verdict.
func weigh(class relay.Class, reply relay.Reply) *verdict {
	v := &verdict{
		result: relay.Result{
			Outcome: relay.Deferred, Reply: reply, Rule: class.Rule, Hint: class.Hint, Pause: class.Pause,
		},
		other: class.OtherTransport,
	}
	switch class.Action {
	case relay.ActionFailRecipient:
		v.result.Outcome, v.result.Pause = relay.Failed, 0
	case relay.ActionFailMessage:
		v.result.Outcome, v.result.Pause = relay.Failed, 0
		v.failAll, v.blocks = true, true
	case relay.ActionUnknown:
		v.result.Outcome = relay.Unknown
	case relay.ActionHoldSender:
		v.result.Outcome = relay.Held
		v.blocks = true
	case relay.ActionSplit:
		v.again = true
	case relay.ActionSlow:
		v.trouble = trouble(relay.TroubleSlow, class, reply)
		v.blocks = true
	case relay.ActionHoldAccount, relay.ActionHoldApp:
		v.trouble = trouble(relay.TroublePark, class, reply)
		v.blocks = true
	}
	return v
}

func trouble(kind relay.TroubleKind, class relay.Class, reply relay.Reply) *relay.Trouble {
	return &relay.Trouble{Kind: kind, Pause: class.Pause, Rule: class.Rule, Reply: reply, Hint: class.Hint}
}

// forUnsent is the verdict for recipients that were not yet named to the peer when
// v came: theirs is the same, but nothing of theirs is unknown.
func (v *verdict) forUnsent() relay.Result {
	r := v.result
	switch {
	case r.Outcome == relay.Unknown:
		return relay.Result{Outcome: relay.Deferred, Reply: r.Reply, Rule: ruleNotReached}
	case r.Outcome == relay.Failed && !v.failAll:
		r.Outcome = relay.Deferred
	}
	return r
}

// graver gives the trouble that asks for more: a person before a rest, a rest
// before nothing.
func graver(a, b *relay.Trouble) *relay.Trouble {
	if a == nil || (b != nil && b.Kind < a.Kind) {
		return b
	}
	return a
}
