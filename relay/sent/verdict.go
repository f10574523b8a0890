package sent

import (
	"context"
	"errors"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
)

func pending(rule, reason string, pause time.Duration) relay.Filed {
	return relay.Filed{Status: relay.CopyPending, Rule: rule, Reason: relay.Printable(reason), Pause: pause}
}

func impossible(rule, reason string) relay.Filed {
	return relay.Filed{Status: relay.CopyImpossible, Rule: rule, Reason: relay.Printable(reason)}
}

// failed is the outcome of a try that failed, and tells the account's health.
func (f *Filer) failed(ctx context.Context, c *relay.Credentials, err error) relay.Filed {
	if ctx.Err() != nil || errors.Is(err, errClosed) {
		return pending(RuleInterrupted, "broken off", 0)
	}
	filed := f.verdict(c, err)
	if filed.Trouble != nil && filed.Trouble.Kind == relay.TroublePark && f.o.Health != nil {
		// If the account cannot be marked, the message shows the reason all the same.
		f.o.Health.Degrade(ctx, c.Account.ID, *filed.Trouble) //nolint:errcheck // see above
	}
	return filed
}

// verdict says what a failure means: what no later try can mend is impossible, all
// else is pending.
func (f *Filer) verdict(c *relay.Credentials, err error) relay.Filed {
	var e *mailbox.Error
	switch {
	case errors.Is(err, mailbox.ErrBadContent):
		return impossible(RuleContent, "the message has line ends that must not leave")
	case errors.Is(err, mailbox.ErrNoFolder):
		return needsPerson(RuleNoFolder, "The folder that was chosen for sent mail does not exist: choose another one.")
	case errors.Is(err, mailbox.ErrNoSent):
		return needsPerson(RuleNoFolder, "The mailbox has no folder for sent mail: make one, or choose one.")
	case !errors.As(err, &e):
		return pending(RuleLocal, err.Error(), 0)
	case e.Code == "NOPERM" && (e.Step == mailbox.StepAppend || e.Step == mailbox.StepCreate): // RFC 5530 §3
		return impossible(RuleNoRight, "the account may not write into the folder: "+e.Reply().Text)
	}
	class := f.o.Classifier.Classify(e.Answer(c.Account.Provider))
	reason := e.Reply().Text
	if class.Hint != "" {
		reason = class.Hint + " (" + reason + ")"
	}
	filed := pending(class.Rule, reason, class.Pause)
	switch class.Action {
	case relay.ActionFailMessage, relay.ActionFailRecipient:
		return impossible(class.Rule, reason)
	case relay.ActionHoldAccount, relay.ActionHoldApp, relay.ActionHoldSender:
		filed.Trouble = troubleOf(relay.TroublePark, &class, e)
	case relay.ActionSlow:
		filed.Trouble = troubleOf(relay.TroubleSlow, &class, e)
	}
	return filed
}

func troubleOf(kind relay.TroubleKind, class *relay.Class, e *mailbox.Error) *relay.Trouble {
	return &relay.Trouble{Kind: kind, Pause: class.Pause, Rule: class.Rule, Reply: e.Reply(), Hint: class.Hint}
}

// personPause is how long a filing waits that only a person can help; a change of
// the account is tried as soon as the next message comes.
const personPause = 6 * time.Hour

func needsPerson(rule, hint string) relay.Filed {
	filed := pending(rule, hint, personPause)
	filed.Trouble = &relay.Trouble{Kind: relay.TroublePark, Pause: personPause, Rule: rule, Hint: hint}
	return filed
}
