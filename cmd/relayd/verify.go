package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	address string
	last    *api.Verification
}

func (e *verifyError) Error() string {
	text := fmt.Sprintf("%s is not verified", e.address)
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
	v, err := client.Verify(ctx, a.ID)
	if err != nil {
		return err
	}
	return r.verification(ctx, client, a.Address, v)
}

// verification shows each step of a verification as it ends, and then how it ended.
func (r *remote) verification(ctx context.Context, client *apiclient.Client, address string, v *api.Verification) error {
	v, err := r.follow(ctx, client, v)
	if err != nil {
		return err
	}
	if r.json {
		if err := r.answer(v, nil); err != nil {
			return err
		}
	}
	return r.verdict(address, v)
}

// verdict says how the verification of an address ended.
func (r *remote) verdict(address string, v *api.Verification) error {
	if v.State != "done" {
		return &verifyError{address: address, last: v}
	}
	return r.done("%s is verified: from now on mail from this address goes through this account.", address)
}

// changed prints an account that was made or changed, and verifies it if that was
// asked for.
func (r *remote) changed(ctx context.Context, client *apiclient.Client, a *api.Account, verify bool) error {
	if !verify {
		return r.account(a)
	}
	return r.proved(ctx, client, a, a.Address, func() (*api.Verification, error) { return client.Verify(ctx, a.ID) })
}

// proved prints an account and the verification that start begins. As JSON both are
// one document, with the account as the verification left it.
func (r *remote) proved(ctx context.Context, client *apiclient.Client, a *api.Account, address string, start func() (*api.Verification, error)) error {
	if !r.json {
		if err := r.account(a); err != nil {
			return err
		}
	}
	v, err := start()
	if err == nil {
		v, err = r.follow(ctx, client, v)
	}
	if err != nil {
		if r.json {
			err = errors.Join(r.answer(shownAccount{Account: a}, nil), err) // it is made or changed all the same
		}
		return err
	}
	if r.json {
		if a, err = client.Account(ctx, a.ID); err != nil {
			return err
		}
		if err := r.answer(shownAccount{Account: a, Verification: v}, nil); err != nil {
			return err
		}
	}
	return r.verdict(address, v)
}

// lastVerification is the running or the last verification of an account; nil if there
// is none.
func lastVerification(ctx context.Context, client *apiclient.Client, account string) (*api.Verification, error) {
	v, err := client.Verification(ctx, account)
	var refused *apiclient.Error
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil, nil
	}
	return v, err
}

// followNew follows a verification that relayd began by itself after the one before;
// nil if it saw no need for one.
func (r *remote) followNew(ctx context.Context, client *apiclient.Client, account string, before *api.Verification) (*api.Verification, error) {
	v, err := lastVerification(ctx, client, account)
	if err != nil || v == nil || before != nil && v.Started.Equal(before.Started) {
		return nil, err
	}
	return r.follow(ctx, client, v)
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

// tell prints every step that has ended and was not printed yet. One that was skipped
// has its reason as the detail.
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
