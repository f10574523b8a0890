package upstream

import (
	"strings"
	"time"

	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/relay"
)

// booking is one transaction in the ledger.
type booking struct {
	a  *attempt
	to int
	at time.Time
}

// book asks the ledger whether a message to so many recipients may go now. After false
// it may not, and everybody who is left waits: a limit slows mail down, and never
// refuses it.
//
// Microsoft counts each message twice against the recipients of a day while a mailbox
// has MessageCopyForSMTPClientSubmissionEnabled, which is the default and which nobody
// can read by IMAP or Graph. It is not counted so here: on a mailbox where it is
// off half of the limit would lie unused. Where it is on, the first refusal teaches
// the ledger the true limit.
func (a *attempt) book(to int) (*booking, bool) {
	now := time.Now()
	wait := a.d.o.Ledger.Reserve(a.account.ID, to, a.limits, now)
	if wait <= 0 {
		return &booking{a: a, to: to, at: now}, true
	}
	reply := relay.Local("protocol", "the account has sent as much as its provider allows for now")
	a.out.Trouble = graver(a.out.Trouble, &relay.Trouble{
		Kind: relay.TroubleSlow, Pause: wait, Rule: ruleThrottle, Reply: reply, ClockStops: true,
		Hint: "The account has sent as much as its provider allows for now; its mail goes on by itself.",
	})
	a.stop(ruleThrottle, reply)
	return nil, false
}

// keep leaves in the ledger what was sent, or may have been, and takes out the rest.
func (b *booking) keep(to int) {
	unsent := 0
	if to == 0 {
		unsent = 1
	}
	if unsent > 0 || to < b.to {
		b.a.d.o.Ledger.Cancel(b.a.account.ID, unsent, b.to-to, b.at, time.Now())
	}
}

// heedQuota lets the trouble that is a used-up quota last until the provider's window
// moves, where the ledger knows that.
func (a *attempt) heedQuota() {
	t := a.out.Trouble
	if t == nil || t.Kind != relay.TroubleSlow {
		return
	}
	if window, is := quotaWindow(t.Rule, t.Reply.Text); is {
		t.ClockStops = true
		t.Pause = max(t.Pause, a.d.o.Ledger.Exhausted(a.account.ID, window, a.limits, time.Now()))
	}
}

// quotaWindow tells which window a reply rule speaks of. Not every rule about a quota
// is about what was sent: the speed, the number of connections and errors are limited
// as well, and say nothing about the books.
func quotaWindow(rule, text string) (w ledger.Window, is bool) {
	name, isQuota := strings.CutPrefix(rule, "quota.")
	switch {
	case rule == "ews.quota":
		return ledger.Any, true
	case !isQuota:
		return 0, false
	}
	kind, _, _ := strings.Cut(name, ".")
	switch kind {
	case "daily":
		return ledger.Day, true
	case "hourly":
		return ledger.Hour, true
	case "word": // the rule knows no more than the words
		return windowNamed(strings.ToLower(text)), true
	}
	return 0, false
}

func windowNamed(text string) ledger.Window {
	for _, w := range []struct {
		word   string
		window ledger.Window
	}{{"daily", ledger.Day}, {"day", ledger.Day}, {"hour", ledger.Hour}, {"minute", ledger.Minute}} {
		if strings.Contains(text, w.word) {
			return w.window
		}
	}
	return ledger.Any
}
