package main

import (
	"context"

	"github.com/relayd/relayd/relay"
)

// told notes with an account that programs were told of the state that it is in. What
// cannot be noted is told once more after the next start, as the same event.
func (p *program) told(ctx context.Context, e relay.AccountEvent) {
	switch e.Kind {
	case relay.AccountEventParked, relay.AccountEventDegraded, relay.AccountEventRestored:
		_ = p.accounts.Heard(ctx, e.Account, e.At) // see above
	}
}

// tellAgain tells programs of the states of accounts that they may not have heard of,
// because relayd died between a change and its event. Then it waits for the end.
func (p *program) tellAgain(ctx context.Context) error {
	for after := ""; ctx.Err() == nil; {
		page, err := p.directory.Accounts().List(ctx, after, statesPage)
		if err != nil {
			p.mail.Fault("tell programs again", relay.ID{}, err)
			break
		}
		for _, a := range page {
			after = a.ID
			told, err := p.webhooks.TellState(ctx, a)
			if err == nil && told {
				err = p.accounts.Heard(ctx, a.ID, a.StateMoment())
			}
			if err != nil && ctx.Err() == nil {
				p.mail.Fault("tell programs again", relay.ID{}, err)
			}
		}
		if len(page) < statesPage {
			break
		}
	}
	<-ctx.Done()
	return nil
}
