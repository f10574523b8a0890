package storetest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// directorySetup: every field of what is set up for accounts survives, and an
// application that somebody uses stays.
func directorySetup(t *testing.T, engine DirectoryEngine) {
	d := engine.Open(t)
	put(t, d.Organisations(), &relay.Organisation{ID: "o1"})
	app, grant, starter := &relay.App{}, &relay.Grant{}, &relay.Starter{}
	claim, link, hook, call := &relay.DomainClaim{}, &relay.Link{}, &relay.Webhook{}, &relay.WebhookCall{}
	for i, rec := range []any{app, grant, starter, claim, link, hook, call} {
		setFields(reflect.ValueOf(rec).Elem(), fmt.Sprintf("%d", i))
	}
	app.Organisation, starter.Organisation, claim.Organisation, hook.Organisation = "o1", "o1", "o1", "o1"
	grant.App, starter.App = app.ID, app.ID
	put(t, d.Apps(), app)
	put(t, d.Grants(), grant)
	put(t, d.Starters(), starter)
	put(t, d.DomainClaims(), claim)
	put(t, d.Links(), link)
	put(t, d.Webhooks(), hook)
	put(t, d.WebhookCalls(), call)
	for range 2 {
		wantRecord(t, d.Apps(), app.ID, app)
		wantRecord(t, d.Grants(), grant.ID, grant)
		wantRecord(t, d.Starters(), starter.ID, starter)
		wantRecord(t, d.DomainClaims(), claim.ID, claim)
		wantRecord(t, d.Links(), link.ID, link)
		wantRecord(t, d.Webhooks(), hook.ID, hook)
		wantRecord(t, d.WebhookCalls(), call.ID, call)
		d = engine.Reopen(t, d)
	}
	ctx := t.Context()
	wantError(t, "an application in use", d.Apps().Delete(ctx, app.ID), store.ErrInUse)
	wantError(t, "delete the consent", d.Grants().Delete(ctx, grant.ID), nil)
	wantError(t, "an application in use by a starter", d.Apps().Delete(ctx, app.ID), store.ErrInUse)
	if got, err := d.StarterOf(ctx, "o1", starter.Domain); err != nil || !reflect.DeepEqual(got, starter) {
		t.Errorf("StarterOf = %+v, %v", got, err)
	}
	_, err := d.StarterOf(ctx, "o1", "elsewhere.example")
	wantError(t, "starter of another domain", err, store.ErrNotFound)
	put(t, d.Starters(), &relay.Starter{ID: "every", Organisation: "o1"})
	if got, err := d.StarterOf(ctx, "o1", "elsewhere.example"); err != nil || got.ID != "every" {
		t.Errorf("the starter of every domain: %+v, %v", got, err)
	}
	put(t, d.Starters(), &relay.Starter{ID: "own", Organisation: "o1", Domain: "elsewhere.example"})
	if got, err := d.StarterOf(ctx, "o1", "elsewhere.example"); err != nil || got.ID != "own" {
		t.Errorf("the starter of a domain that had none: %+v, %v", got, err)
	}
	wantError(t, "delete that starter", d.Starters().Delete(ctx, "own"), nil)
	if got, err := d.StarterOf(ctx, "o1", "elsewhere.example"); err != nil || got.ID != "every" {
		t.Errorf("after it was deleted: %+v, %v", got, err)
	}
	wantError(t, "a second starter for a domain",
		d.Starters().Put(ctx, &relay.Starter{ID: "again", Organisation: "o1", Domain: starter.Domain}), store.ErrExists)
	wantError(t, "delete the starter", d.Starters().Delete(ctx, starter.ID), nil)
	wantError(t, "an application that nobody uses", d.Apps().Delete(ctx, app.ID), nil)
	wantError(t, "close", d.Close(), nil)
}

// directoryAliases: a proved alias is the account's, one that was only named is not.
func directoryAliases(t *testing.T, engine DirectoryEngine) {
	d := openDirectory(t, engine)
	ctx := t.Context()
	jane := &relay.Account{ID: "a1", Address: address("jane"), Aliases: []relay.Alias{
		{Address: address("sales"), ProvedAt: time.Unix(1, 0).UTC()}, {Address: address("info")},
	}}
	put(t, d.Accounts(), jane)
	if got, err := d.AccountByAddress(ctx, address("SALES")); err != nil || got.ID != "a1" {
		t.Errorf("a proved alias: %+v, %v", got, err)
	}
	_, err := d.AccountByAddress(ctx, address("info"))
	wantError(t, "an alias without proof", err, store.ErrNotFound)
	wantError(t, "the alias of another", d.Accounts().Put(ctx, &relay.Account{ID: "a2", Address: address("sales")}), store.ErrExists)
	put(t, d.Accounts(), &relay.Account{ID: "a2", Address: address("info")})
	jane.Aliases[1].ProvedAt = time.Unix(2, 0).UTC()
	wantError(t, "an alias that became another's address", d.Accounts().Put(ctx, jane), store.ErrExists)
}
