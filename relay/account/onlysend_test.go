package account_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
)

// An administrator prepares an account; its owner types the password.
func TestPasswordThatItsOwnerTypes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.save(w.record(), "")
	a := w.stored()
	if a.State != relay.AccountUnverified || !strings.Contains(a.StateReason, "not been typed") || len(a.Password) != 0 {
		t.Fatalf("without a password: %+v", a)
	}
	var refusal *relay.FieldError
	if err := w.service.Verify(t.Context(), a.ID, "ops"); !errors.As(err, &refusal) || refusal.Field != "password" {
		t.Errorf("verified without a password: %v", err)
	}
	if err := w.change(func(a *relay.Account) { a.SMTP.Host = "localhost" }, ""); err != nil {
		t.Errorf("another server, before there is a password: %v", err)
	}
	if err := w.change(func(a *relay.Account) { a.SMTP.Host = "127.0.0.1" }, password); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.StateReason != "" || len(a.Password) == 0 {
		t.Errorf("with its password: %+v", a)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Errorf("%+v", v)
	}
}

// A mailbox that cannot be read is proved by whoever binds its address, and by the
// provider taking a mail.
func TestAccountThatOnlySends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	a := w.record()
	a.IMAP = relay.Server{}
	var refusal *relay.FieldError
	if err := w.service.Save(t.Context(), a.Clone(), password); !errors.As(err, &refusal) || refusal.Field != "imap.host" {
		t.Errorf("without a server for reading, but with copies: %v", err)
	}
	a.CopyMode = relay.CopyNever
	w.save(a, password)
	if err := w.service.Verify(t.Context(), a.ID, "ops"); !errors.As(err, &refusal) || refusal.Field != "binding" {
		t.Errorf("an address that nobody bound: %v", err)
	}
	if err := w.service.Bind(t.Context(), a.ID, relay.Binding{Kind: relay.BindingCode, By: janeMail}); err != nil {
		t.Fatal(err)
	}
	v := w.verify()
	if v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	stored := w.stored()
	if stored.State != relay.AccountVerified || !slices.Equal(stored.Card.Ways, []relay.Way{relay.WaySMTP}) || stored.Card.FilesSent || stored.Card.Appends {
		t.Errorf("%+v", stored)
	}
	if got := w.messages("INBOX"); len(got) != 1 {
		t.Errorf("%d mails were sent", len(got))
	}

	// Another address is not proved by a provider that takes a mail.
	w.table.change(a.ID, func(a *relay.Account) {
		a.Aliases = []relay.Alias{{Address: relay.Address{Local: "sales", Domain: "acme.example"}}}
	})
	if err := w.service.VerifyAlias(t.Context(), a.ID, relay.Address{Local: "sales", Domain: "acme.example"}, "ops"); err != nil {
		t.Fatal(err)
	}
	if v := w.ended(); v.State != relay.VerificationFailed || v.Field != "address" {
		t.Errorf("the alias: %+v", v)
	}
}
