package sent_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/internal/webmail"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/sent"
)

// tokens gives access tokens in the place of a password.
type tokens struct {
	*accounts
	provider *simulator.Simulator

	mu      sync.Mutex
	token   relay.Secret
	renewed int
	refuses error // no other token can be had
}

func (k *tokens) Credentials(ctx context.Context, id string, r relay.Resource) (*relay.Credentials, error) {
	c, err := k.accounts.Credentials(ctx, id, r)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c.Account.SignIn, c.Password, c.Token = relay.SignInConsent, "", k.token
	return c, nil
}

func (k *tokens) Renew(_ context.Context, c *relay.Credentials) (*relay.Credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.renewed++
	if k.refuses != nil {
		return nil, k.refuses
	}
	k.token = relay.Secret(k.provider.IssueToken(jane, "https://outlook.office.com/IMAP.AccessAsUser.All"))
	renewed := *c
	renewed.Token = k.token
	return &renewed, nil
}

// tokenWorld is a provider whose mailbox is opened by access tokens; the one that the
// Filer has is refused.
func tokenWorld(t *testing.T, change ...func(*sent.Options)) (*world, *tokens) {
	t.Helper()
	k := &tokens{token: "ended-early"}
	w := newWorld(t, simulator.Office365(), append(change, func(o *sent.Options) { o.Credentials = k })...)
	k.accounts, k.provider = w.accounts, w.provider
	return w, k
}

// A token that ended before its time is replaced once, and nobody hears of it.
func TestTokenThatEndedEarly(t *testing.T) {
	t.Parallel()
	w, k := tokenWorld(t)
	for i := 1; i <= 2; i++ {
		if filed := w.file(message(i, time.Now())); filed.Status != relay.CopyFiled {
			t.Errorf("filed %+v", filed)
		}
	}
	if k.renewed != 1 || len(w.accounts.heard()) != 0 {
		t.Errorf("renewed %d times; health: %q", k.renewed, w.accounts.heard())
	}
}

// Where no other token can be had, what the token endpoint says counts.
func TestTokenThatCannotBeRenewed(t *testing.T) {
	t.Parallel()
	w, k := tokenWorld(t)
	k.refuses = &relay.TokenError{Reply: relay.Reply{Text: "invalid_grant"}}
	if filed := w.file(message(1, time.Now())); filed.Status != relay.CopyPending || filed.Rule != "token.grant" {
		t.Errorf("filed %+v", filed)
	}
	if !slices.Equal(w.accounts.heard(), []string{"degrade jane token.grant"}) {
		t.Errorf("health: %q", w.accounts.heard())
	}
}

// The same where the mailbox is searched by an API.
func TestTokenOfAnAPIThatEndedEarly(t *testing.T) {
	t.Parallel()
	web := &api{fails: &webmail.Error{Where: relay.AtAuth, Reply: relay.Reply{Code: 401, Text: "InvalidAuthenticationToken"}}}
	w, k := tokenWorld(t, func(o *sent.Options) { o.Web = web })
	w.accounts.change("jane", func(a *relay.Account) {
		a.Ways, a.Card.Ways, a.IMAP = []relay.Way{relay.WayGraph}, []relay.Way{relay.WayGraph}, relay.Server{}
	})
	web.good = func(token relay.Secret) bool { return token != "ended-early" }
	f := message(1, time.Now().Add(-20*time.Second))
	f.Way = relay.WayGraph
	web.accept(f.Message.HeaderID, time.Now())
	if filed := w.file(f); filed.Status != relay.CopyByProvider || filed.Rule != sent.RuleThere || k.renewed != 1 {
		t.Errorf("renewed %d times, filed %+v", k.renewed, filed)
	}
}
