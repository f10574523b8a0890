package upstream

import (
	"context"
	"errors"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// renew replaces the token that a server refused, once for each way: a token may have
// ended early, while the grant behind it is good. It reports whether the sign-in is to
// be tried again. If no token can be had, why takes the place of the server's answer.
func (a *attempt) renew(ctx context.Context, refusal *smtpwire.Answer) bool {
	renewer, can := a.d.o.Credentials.(Renewer)
	if !can || a.renewed || !a.tokenEnded(*refusal) {
		return false
	}
	a.renewed = true
	cred, err := renewer.Renew(ctx, a.cred)
	if err == nil {
		a.cred, a.version = cred, cred.Account.Version
		return true
	}
	*refusal = smtpwire.Answer{Where: relay.AtToken, Reply: relay.Local("connection lost", "while a new token was fetched")}
	var token *relay.TokenError
	if errors.As(err, &token) {
		refusal.Reply = token.Reply
	}
	return false
}

// tokenEnded reports whether an answer may mean that a token is too old. What no new
// token would mend, such as a sign-in that is switched off, does not.
func (a *attempt) tokenEnded(answer smtpwire.Answer) bool {
	if !a.cred.Bearer() || answer.Where != relay.AtAuth {
		return false
	}
	if code := answer.Reply.Code; code != 535 && code != 401 { // RFC 4954 §6; RFC 6750 §3.1
		return false
	}
	v := a.judge(answer)
	return v.trouble != nil && v.trouble.Kind == relay.TroublePark && !v.other
}
