package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/relay"
)

// followEvery is how often a running verification is looked at: often enough for a
// person to see it move, and nothing for the server.
const followEvery = 250 * time.Millisecond

// verifyError is a verification that did not succeed.
type verifyError struct {
	account string
	last    *api.Verification
}

func (e *verifyError) Error() string {
	text := fmt.Sprintf("%s is not verified", e.account)
	if e.last.State == "cancelled" {
		return text + ": the verification was cancelled"
	}
	if e.last.Message != "" {
		text += ": " + relay.Printable(e.last.Message)
	}
	if e.last.Field != "" {
		text += fmt.Sprintf(" (the setting to mend is %s)", e.last.Field)
	}
	return text
}

func (r *remote) accountVerify(ctx context.Context, client *apiclient.Client, args []string) error {
	a, err := findAccount(ctx, client, args[0])
	if err != nil {
		return err
	}
	return r.verify(ctx, client, a)
}

// verify starts a verification and shows each step as it ends.
func (r *remote) verify(ctx context.Context, client *apiclient.Client, a *api.Account) error {
	v, err := client.Verify(ctx, a.ID)
	if err != nil {
		return err
	}
	v, err = r.follow(ctx, client, v)
	if err != nil {
		return err
	}
	if r.json {
		if err := r.answer(v, nil); err != nil {
			return err
		}
	}
	if v.State != "done" {
		return &verifyError{account: a.Address, last: v}
	}
	return r.done("%s is verified: from now on mail from this address goes through this account.", a.Address)
}

// follow looks at a verification until it ends.
func (r *remote) follow(ctx context.Context, client *apiclient.Client, v *api.Verification) (*api.Verification, error) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	told := map[string]bool{}
	for {
		if err := r.tell(v, told); err != nil {
			return nil, err
		}
		if !v.Running() {
			return v, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the verification goes on without being watched; end it with: relayd account cancel %s", v.Account)
		case <-tick.C:
		}
		next, err := client.Verification(ctx, v.Account)
		if err != nil {
			if ctx.Err() != nil {
				continue // the select above tells it
			}
			return nil, err
		}
		v = next
	}
}

// tell prints every step that has ended and was not printed yet.
func (r *remote) tell(v *api.Verification, told map[string]bool) error {
	if r.json {
		return nil
	}
	for _, s := range v.Steps {
		if s.State == "waiting" || s.State == "running" || told[s.Name] {
			continue
		}
		told[s.Name] = true
		text := fmt.Sprintf("%-9s  %s", s.State, relay.Printable(s.Label))
		if s.Detail != "" {
			text += ": " + relay.Printable(s.Detail)
		}
		if _, err := io.WriteString(r.stdout, text+"\n"); err != nil {
			return err
		}
	}
	return nil
}
