package sent

import (
	"context"
	"errors"

	"github.com/relayd/relayd/internal/mailbox"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
)

// open opens a session of an account, with a new token if the first one is refused.
func (f *Filer) open(ctx context.Context, c *relay.Credentials) (*mailbox.Mailbox, error) {
	box, err := f.dial(ctx, c)
	if err == nil {
		return box, nil
	}
	renewed, err := f.renew(ctx, c, err)
	if err != nil {
		return nil, err
	}
	return f.dial(ctx, renewed)
}

// renew replaces the token that a server refused: it may have ended early, while the
// consent behind it is good. If it cannot have been the token, or no other can be had,
// the error says what it was.
func (f *Filer) renew(ctx context.Context, c *relay.Credentials, refusal error) (*relay.Credentials, error) {
	renewer, can := f.o.Credentials.(Renewer)
	if !can || !c.Bearer() || !isSignIn(refusal) {
		return nil, refusal
	}
	renewed, err := renewer.Renew(ctx, c)
	var token *relay.TokenError
	switch {
	case err == nil:
		return renewed, nil
	case errors.As(err, &token):
		return nil, token // it says more than the server did
	}
	return nil, refusal
}

// isSignIn reports whether an error is the refusal of a sign-in.
func isSignIn(err error) bool {
	var box *mailbox.Error
	var web *webmail.Error
	switch {
	case errors.As(err, &box):
		return box.Step == mailbox.StepAuth && box.Status == "NO" // RFC 9051 §6.2.2
	case errors.As(err, &web):
		return web.Reply.Code == 401 // RFC 6750 §3.1
	}
	return false
}
