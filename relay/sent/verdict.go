package sent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

func pending(rule, reason string, pause time.Duration) relay.Filed {
	return relay.Filed{Status: relay.CopyPending, Rule: rule, Reason: relay.Printable(reason), Pause: pause}
}

func impossible(rule, reason string) relay.Filed {
	return relay.Filed{Status: relay.CopyImpossible, Rule: rule, Reason: relay.Printable(reason)}
}

// byAPI is the outcome for a message that an API sent: the API filed it as well.
func byAPI(but string) relay.Filed {
	return relay.Filed{Status: relay.CopyByProvider, Rule: RuleAPI, Reason: relay.Printable("filed by the API; " + but)}
}

// withoutAccount is the outcome when the account cannot be read.
func withoutAccount(err error) relay.Filed {
	if errors.Is(err, store.ErrNotFound) {
		return impossible(RuleNoAccount, "the account was removed")
	}
	return pending(RuleLocal, fmt.Sprintf("the account cannot be read: %v", err), 0)
}

// withoutCredentials is the outcome when there is nothing to sign in with. What a
// token endpoint says is classified as everywhere.
func (f *Filer) withoutCredentials(ctx context.Context, account *relay.Account, err error) relay.Filed {
	var token *relay.TokenError
	if !errors.As(err, &token) {
		return withoutAccount(err)
	}
	class := f.o.Classifier.Classify(relay.Answer{Where: relay.AtToken, Provider: account.Rules(), Reply: token.Reply})
	filed := f.classified(&class, token.Reply)
	if filed.Status == relay.CopyImpossible { // no answer about a token says anything about the message
		filed = pending(filed.Rule, filed.Reason, personPause)
	}
	f.degrade(ctx, account.ID, &filed)
	return filed
}

// failed is the outcome of a try that failed, and tells the account's health.
func (f *Filer) failed(ctx context.Context, c *relay.Credentials, err error) relay.Filed {
	var token *relay.TokenError
	switch {
	case ctx.Err() != nil, errors.Is(err, errClosed):
		return pending(RuleInterrupted, "broken off", 0)
	case errors.As(err, &token):
		return f.withoutCredentials(ctx, &c.Account, err)
	}
	filed := f.verdict(c, err)
	f.degrade(ctx, c.Account.ID, &filed)
	return filed
}

// degrade tells the account's health of trouble that only a person can end.
func (f *Filer) degrade(ctx context.Context, accountID string, filed *relay.Filed) {
	if filed.Trouble != nil && filed.Trouble.Kind == relay.TroublePark && f.o.Health != nil {
		// If the account cannot be marked, the message shows the reason all the same.
		f.o.Health.Degrade(ctx, accountID, *filed.Trouble) //nolint:errcheck // see above
	}
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
	class := f.o.Classifier.Classify(e.Answer(c.Account.Rules()))
	return f.classified(&class, e.Reply())
}

// classified is what the class of an answer means for a copy.
func (f *Filer) classified(class *relay.Class, reply relay.Reply) relay.Filed {
	reason := reply.String()
	if class.Hint != "" {
		reason = class.Hint + " (" + reason + ")"
	}
	filed := pending(class.Rule, reason, class.Pause)
	switch class.Action {
	case relay.ActionFailMessage, relay.ActionFailRecipient:
		return impossible(class.Rule, reason)
	case relay.ActionHoldAccount, relay.ActionHoldApp, relay.ActionHoldSender:
		filed.Trouble = troubleOf(relay.TroublePark, class, reply)
	case relay.ActionSlow:
		filed.Trouble = troubleOf(relay.TroubleSlow, class, reply)
	}
	return filed
}

func troubleOf(kind relay.TroubleKind, class *relay.Class, reply relay.Reply) *relay.Trouble {
	return &relay.Trouble{Kind: kind, Pause: class.Pause, Rule: class.Rule, Reply: reply, Hint: class.Hint}
}

// personPause is how long a filing waits that only a person can help; a change of
// the account is tried as soon as the next message comes.
const personPause = 6 * time.Hour

func needsPerson(rule, hint string) relay.Filed {
	filed := pending(rule, hint, personPause)
	filed.Trouble = &relay.Trouble{Kind: relay.TroublePark, Pause: personPause, Rule: rule, Hint: hint}
	return filed
}
