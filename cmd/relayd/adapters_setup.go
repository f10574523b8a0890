package main

import (
	"context"
	"errors"
	"time"

	"github.com/relayd/relayd/internal/resolver"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/admin"
	"github.com/relayd/relayd/relay/ownership"
)

// The adapters of what is set up for accounts.

// texts gives the proof of domains the TXT records of the resolver. That there is none
// is no error: it proves nothing.
type texts struct{ *resolver.Resolver }

func (t texts) TXT(ctx context.Context, name string) ([]string, error) {
	answer, err := t.LookupTXT(ctx, name)
	if errors.Is(err, resolver.ErrNotFound) || errors.Is(err, resolver.ErrNoData) || errors.Is(err, resolver.ErrUnusable) {
		return nil, nil
	}
	return answer.Records, err
}

// claimID names a claim to a domain.
func claimID(now time.Time) string { return "claim_" + relay.NewID(now).String() }

// owners gives the API the proof of domains, with refusals in its own words.
type owners struct{ *ownership.Service }

func (o owners) Check(ctx context.Context, id string) (*relay.DomainClaim, error) {
	c, err := o.Service.Check(ctx, id)
	switch {
	case errors.Is(err, ownership.ErrNoRecord):
		name, value := ownership.Record(c)
		return c, &admin.Conflict{Message: "The record is not there yet: publish TXT " + value + " at " + name + ", and try again after a few minutes.", Cause: err}
	case errors.Is(err, ownership.ErrTaken):
		return c, &admin.Conflict{Message: "The domain belongs to another organisation.", Cause: err}
	case errors.Is(err, resolver.ErrTemporary):
		return c, &admin.Conflict{Message: "The DNS gives no answer at the moment: try again later.", Cause: err}
	}
	return c, err
}

func (owners) Record(c *relay.DomainClaim) (name, value string) { return ownership.Record(c) }
