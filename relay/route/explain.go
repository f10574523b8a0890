package route

import (
	"context"
	"fmt"
	"time"

	"github.com/relayd/relayd/relay"
)

// Explain tells what would happen to a message of the submitter with this login,
// from this address in envelope and header, to these recipients. Errors are those
// of the directory; store.ErrNotFound means that there is no such login.
func (r *Router) Explain(ctx context.Context, login string, from relay.Address, rcpts []relay.Address) (relay.Explanation, error) {
	submitter, err := r.directory.SubmitterByLogin(ctx, login)
	if err != nil {
		return relay.Explanation{}, fmt.Errorf("find the submitter %q: %w", login, err)
	}
	m := &relay.Message{Accepted: time.Now(), From: from, Organisation: submitter.Organisation, Envelope: relay.Envelope{ReturnPath: from}}
	facts, err := r.facts(ctx, m)
	if err != nil {
		return relay.Explanation{}, fmt.Errorf("explain: %w", err)
	}
	var e relay.Explanation
	if err := r.explainClaim(ctx, &e, submitter, facts); err != nil {
		return relay.Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if err := r.explainOwner(ctx, &e, facts); err != nil {
		return relay.Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if !e.Allowed {
		return e, nil
	}
	route, steps := decide(facts)
	e.Route, e.Steps = route, append(e.Steps, steps...)
	e.Lanes = lanes(route, rcpts)
	return e, nil
}

// explainClaim asks whether the submitter may use the address at all.
func (r *Router) explainClaim(ctx context.Context, e *relay.Explanation, s *relay.Submitter, f Facts) error {
	if s.Disabled {
		e.Refusal = "the submitter is disabled: every sign-in is refused"
		e.Steps = append(e.Steps, "The submitter is disabled.")
		return nil
	}
	org, err := found(r.directory.Organisations().Get(ctx, s.Organisation))
	if err != nil {
		return err
	}
	claim := relay.Claim{Submitter: s, Organisation: org, Proved: f.Account.ProvedFor(s.Organisation), Address: f.Address}
	allowed, why := relay.MaySend(claim)
	e.Allowed = allowed
	answer := "Yes"
	if !allowed {
		answer = "No"
		e.Refusal = relay.RefuseSender(f.Address).Error()
	}
	e.Steps = append(e.Steps, fmt.Sprintf("May %s send as %s? %s: %s.", s.Login, f.Address.Path(), answer, why))
	return nil
}

// explainOwner names the user and the account of the address.
func (r *Router) explainOwner(ctx context.Context, e *relay.Explanation, f Facts) error {
	user, err := found(r.directory.UserByAddress(ctx, f.Address))
	if err != nil {
		return err
	}
	if user != nil {
		e.User = user.ID
	}
	if f.Account != nil {
		e.Account = f.Account.ID
	}
	return nil
}

// lanes names where the message would wait for each recipient.
func lanes(route relay.Route, rcpts []relay.Address) (names []string) {
	for _, rcpt := range rcpts {
		switch route.Kind {
		case relay.RouteAccount:
			names = append(names, "account:"+route.Account)
		case relay.RouteDirect:
			names = append(names, "domain:"+rcpt.Domain)
		}
	}
	return names
}
