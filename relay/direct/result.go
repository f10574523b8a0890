package direct

import (
	"errors"

	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/relay"
)

// The rules that this package decides by itself, beside those of the classifier.
const (
	RuleNotSigned    = "direct.not_signed"
	RuleNotRecorded  = "direct.not_recorded"
	RuleAborted      = "direct.aborted"
	RuleNoDomain     = "direct.no_such_domain"
	RuleNullMX       = "direct.null_mx"
	RuleLoop         = "direct.loop"
	RuleNoAddress    = "direct.no_address"
	RuleLiteral      = "direct.literal"
	RulePeerCannot   = "direct.peer_cannot"
	RuleDNSTemporary = "direct.dns"
	RuleBusy         = "direct.busy"
)

// Hint explains one of the rules above in one sentence; empty for any other rule.
func Hint(rule string) string {
	return map[string]string{
		RuleNotSigned:    "relayd could not sign the message with DKIM and tries again; the operator's log has the reason.",
		RuleNotRecorded:  "relayd could not record the attempt and tries again; the operator's log has the reason.",
		RuleAborted:      "The attempt was broken off and is made again.",
		RuleNoDomain:     "The part of the address after the @ is no domain that receives mail: please check its spelling.",
		RuleNullMX:       "The domain declares that it receives no mail.",
		RuleLoop:         "The domain's mail would come back to this server, which does not receive mail for it.",
		RuleNoAddress:    "The domain names no mail server that can be reached on the Internet.",
		RuleLiteral:      "Addresses with a number instead of a domain are not delivered to.",
		RulePeerCannot:   "The recipient's mail server cannot take a message of this kind.",
		RuleBusy:         "relayd has as many connections to the mail server as it makes at one time; it tries again soon.",
		RuleDNSTemporary: "The DNS does not answer for the domain at the moment; relayd keeps trying.",
	}[rule]
}

// verdict is what became of a recipient, before it is known which one.
type verdict struct {
	relay.Result
	split bool           // to be tried again with fewer recipients at one time
	slow  *relay.Trouble // the whole lane is to rest
}

func own(rule string, outcome relay.Outcome, reply relay.Reply) verdict {
	return verdict{Result: relay.Result{Outcome: outcome, Reply: reply, Rule: rule, Hint: Hint(rule)}}
}

// permanent is a failure that we find ourselves: it has an enhanced code for the
// report, and no reply code, because no peer said it.
func permanent(rule string, code relay.Enhanced, kind, detail string) verdict {
	reply := relay.Local(kind, detail)
	reply.Enhanced = code
	return own(rule, relay.Failed, reply)
}

// The codes are of RFC 3463 and RFC 7505 §4.2.
func noSuchDomain() verdict {
	return permanent(RuleNoDomain, relay.Enhanced{5, 1, 2}, "dns", "no such domain")
}

func nullMX() verdict {
	return permanent(RuleNullMX, relay.Enhanced{5, 1, 10}, "dns", "null MX")
}

func loop() verdict {
	return permanent(RuleLoop, relay.Enhanced{5, 4, 6}, "dns", "mail loop")
}

func noAddress() verdict {
	return permanent(RuleNoAddress, relay.Enhanced{5, 4, 4}, "address refused", "")
}

func literalRefused() verdict {
	return permanent(RuleLiteral, relay.Enhanced{5, 1, 2}, "address refused", "an address literal")
}

func notSigned() verdict {
	return own(RuleNotSigned, relay.Deferred, relay.Local("signing", ""))
}

func notRecorded() verdict {
	return own(RuleNotRecorded, relay.Deferred, relay.Local("recording", ""))
}

func aborted() verdict {
	return own(RuleAborted, relay.Deferred, relay.Local("aborted", ""))
}

func dnsTemporary() verdict {
	return own(RuleDNSTemporary, relay.Deferred, relay.Local("dns", "no answer"))
}

func busy() verdict {
	return own(RuleBusy, relay.Deferred, relay.Local("busy", "all connections to the server are in use"))
}

// ofLookup is the verdict over a destination whose look-up failed.
func ofLookup(err error) verdict {
	switch {
	case errors.Is(err, resolver.ErrNotFound), errors.Is(err, resolver.ErrNoData):
		return noSuchDomain()
	case errors.Is(err, resolver.ErrUnusable):
		return noAddress()
	}
	return dnsTemporary()
}

// ofAnswer turns an answer into a verdict. Only a clear refusal is final.
func ofAnswer(c Classifier, answer relay.Answer) verdict {
	class := c.Classify(answer)
	v := verdict{Result: relay.Result{Outcome: relay.Deferred, Reply: answer.Reply, Rule: class.Rule, Hint: class.Hint, Pause: class.Pause}}
	switch class.Action {
	case relay.ActionFailRecipient, relay.ActionFailMessage:
		v.Outcome, v.Pause = relay.Failed, 0
	case relay.ActionUnknown:
		v.Outcome = relay.Unknown
	case relay.ActionSplit:
		v.split = true
	case relay.ActionSlow:
		v.slow = &relay.Trouble{Kind: relay.TroubleSlow, Pause: class.Pause, Rule: class.Rule, Reply: answer.Reply, Hint: class.Hint}
	case relay.ActionRetry, relay.ActionHoldAccount, relay.ActionHoldApp, relay.ActionHoldSender:
		// There is no account here that a person could mend: the ordinary schedule.
	}
	return v
}
