package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
)

// change saves the account of a world with other settings or another password.
func (w *world) change(change func(*relay.Account), p relay.Secret) error {
	w.t.Helper()
	a := w.stored()
	if change != nil {
		change(&a)
	}
	return w.service.Save(w.t.Context(), &a, p)
}

// What was proved goes on sending until the new settings are proved as well.
func TestNewSettingsAreTriedBesideTheOld(t *testing.T) {
	t.Parallel()
	w := proved(t)
	old := w.stored()
	if err := w.change(func(a *relay.Account) { a.SMTP.Port = 1 }, ""); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.State != relay.AccountVerified || a.Version != old.Version || !a.Settings.Equal(&old.Settings) ||
		a.Candidate == nil || a.Candidate.SMTP.Port != 1 || !a.Candidate.TryAt.IsZero() {
		t.Fatalf("after the change: %+v", a)
	}
	if v := w.verify(); v.State != relay.VerificationFailed || v.Field != "smtp.port" {
		t.Errorf("a wrong port: %+v", v)
	}
	if a := w.stored(); a.State != relay.AccountVerified || a.Candidate == nil || a.Candidate.Reason == "" || a.Version != old.Version {
		t.Errorf("after it failed: %+v", a)
	}
	if c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail); err != nil || c.Account.SMTP != old.SMTP || c.Password != password {
		t.Errorf("mail goes out with %+v, %v", c, err)
	}
	if err := w.change(func(a *relay.Account) { a.SMTP = w.server(w.provider.SubmissionsAddr(), relay.TLSImplicit) }, ""); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	a := w.stored()
	if a.Candidate != nil || a.Version != old.Version+1 || a.SMTP.TLS != relay.TLSImplicit || a.State != relay.AccountVerified {
		t.Errorf("after it was proved: %+v", a)
	}
	if id := <-w.parked; id != "a1" {
		t.Errorf("the connections of %q end", id)
	}
	if !strings.HasPrefix(string(a.Password), "sealed account/a1/password:") {
		t.Errorf("the password lies in %q", a.Password)
	}
}

// A new password of the same mailbox is proved by one sign-in.
func TestNewPasswordBesideTheOld(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.change(nil, "new password"); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.Candidate == nil || a.Candidate.TryAt.IsZero() || !strings.HasPrefix(string(a.Candidate.Password), "sealed account/a1/candidate.password:") {
		t.Fatalf("after the change: %+v", a)
	}
	if c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail); err != nil || c.Password != password || c.Account.Candidate.Password != nil {
		t.Errorf("mail goes out with %+v, %v", c, err)
	}
	if err := w.provider.SetPassword(janeMail, "new password"); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.diary.await(t, "restored a1")
	c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail)
	if err != nil || c.Password != "new password" || c.Account.Candidate != nil || c.Account.State != relay.AccountVerified {
		t.Errorf("after the try: %+v, %v", c, err)
	}
}

// A new password that is wrong is tried once; a person has to act then.
func TestWrongNewPasswordIsTriedOnce(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.change(nil, "wrong"); err != nil {
		t.Fatal(err)
	}
	w.run()
	w.diary.await(t, "not verified a1 by  field password")
	a := w.stored()
	if a.State != relay.AccountVerified || a.Candidate == nil || !a.Candidate.TryAt.IsZero() || !strings.Contains(a.Candidate.Reason, "refuses") {
		t.Errorf("after the try: %+v", a)
	}
}

func TestCandidateIsTakenBack(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.change(func(a *relay.Account) { a.SMTP.Port = 1 }, ""); err != nil {
		t.Fatal(err)
	}
	since := w.stored().Candidate.Since
	if err := w.change(func(a *relay.Account) { a.SMTP.Port = 1 }, ""); err != nil || !w.stored().Candidate.Since.Equal(since) {
		t.Errorf("the same again: %v, %+v", err, w.stored().Candidate)
	}
	if err := w.change(func(a *relay.Account) { a.SentFolder = "Out" }, ""); err != nil || w.stored().Candidate != nil || w.stored().SentFolder != "Out" {
		t.Errorf("what is in force: %v, %+v", err, w.stored())
	}
}

// W12 for candidates: neither the password in force nor that of the candidate goes to
// another server.
func TestCandidatePasswordGoesToNoOtherServer(t *testing.T) {
	t.Parallel()
	w := proved(t)
	var refused *relay.FieldError
	thief := func(a *relay.Account) { a.SMTP.Host = "thief.example" }
	if err := w.change(thief, ""); !errors.As(err, &refused) || refused.Field != "password" {
		t.Errorf("the password in force: %v", err)
	}
	if err := w.change(func(a *relay.Account) { a.SMTP.Host = "mail.example" }, "new"); err != nil {
		t.Fatal(err)
	}
	if err := w.change(thief, ""); !errors.As(err, &refused) || refused.Field != "password" {
		t.Errorf("the password of the candidate: %v", err)
	}
}

// Where the old settings do not work any more, the account's mail is held, and the
// candidate brings it back.
func TestCandidateOfAnAccountThatBroke(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.change(func(a *relay.Account) { a.SMTP = w.server(w.provider.SubmissionsAddr(), relay.TLSImplicit) }, ""); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Rule: "auth.password_wrong", Hint: "No."}); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.State != relay.AccountParked || a.Candidate == nil || a.StateRule != "auth.password_wrong" {
		t.Errorf("parked: %+v", a)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); a.State != relay.AccountVerified || a.Candidate != nil || a.StateRule != "" {
		t.Errorf("after it was proved: %+v", a)
	}
}

func TestAppPasswordOfGmail(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	for typed, want := range map[relay.Secret]relay.Secret{
		"abcd efgh ijkl mnop": "abcdefghijklmnop",
		"abcdefghijklmnop":    "abcdefghijklmnop",
		"a long pass phrase":  "a long pass phrase",
		"abcd efgh ijkl mno1": "abcd efgh ijkl mno1",
	} {
		a := w.record()
		a.ID, a.Provider = "a"+typed.Reveal(), relay.ProviderGmail
		w.save(a, typed)
		if c, err := w.service.Credentials(t.Context(), a.ID, relay.ResourceMail); err != nil || c.Password != want {
			t.Errorf("%q became %q, %v", typed.Reveal(), c.Password.Reveal(), err)
		}
	}
}

func (w *world) sendsAs(address relay.Address) bool {
	a := w.stored()
	return a.SendsAs(address)
}

func TestAlias(t *testing.T) {
	t.Parallel()
	sales := relay.Address{Local: "sales", Domain: "acme.example"}
	w := proved(t, func(o *account.Options) { o.LoopPatience = 0 })
	if err := w.service.VerifyAlias(t.Context(), "a1", sales, "ops"); err == nil {
		t.Error("an address that nobody named is proved")
	}
	for range 2 {
		if err := w.service.AddAlias(t.Context(), "a1", sales); err != nil {
			t.Fatal(err)
		}
	}
	if a := w.stored(); len(a.Aliases) != 1 || a.SendsAs(sales) {
		t.Fatalf("named: %+v", a.Aliases)
	}
	prove := func() relay.Verification {
		if err := w.service.VerifyAlias(t.Context(), "a1", sales, "ops"); err != nil {
			t.Fatal(err)
		}
		var last relay.Verification
		for v := range w.service.Watch(t.Context(), "a1") {
			last = v
		}
		return last
	}
	if v := prove(); v.State != relay.VerificationFailed || w.sendsAs(sales) {
		t.Errorf("the provider does not have the address: %+v", v)
	}
	if err := w.provider.AddAlias(janeMail, sales.String()); err != nil {
		t.Fatal(err)
	}
	if v := prove(); v.State != relay.VerificationDone || !w.sendsAs(sales) || !w.stored().Aliases[0].KeepsFrom {
		t.Errorf("%+v, %+v", v, w.stored().Aliases)
	}
	if n := len(w.messages("INBOX")); n != 0 {
		t.Errorf("%d mails are left", n)
	}
	if err := w.service.RemoveAlias(t.Context(), "a1", sales); err != nil || w.sendsAs(sales) {
		t.Errorf("removed: %v, %+v", err, w.stored().Aliases)
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{}); err != nil {
		t.Fatal(err)
	}
	if err := w.service.AddAlias(t.Context(), "a1", sales); err != nil {
		t.Fatal(err)
	}
	var refused *relay.FieldError
	if err := w.service.VerifyAlias(t.Context(), "a1", sales, "ops"); !errors.As(err, &refused) {
		t.Errorf("of a parked account: %v", err)
	}
}

// A kept password is not taken along to servers that are found for the address.
func TestKeptPasswordIsNotTakenToFoundServers(t *testing.T) {
	t.Parallel()
	w := proved(t, func(o *account.Options) { o.Finder = &finder{} })
	var refusal *relay.FieldError
	nothing := func(a *relay.Account) { a.Settings = relay.Settings{Provider: relay.ProviderIMAP} }
	if err := w.change(nothing, ""); !errors.As(err, &refusal) || refusal.Field != "password" {
		t.Errorf("with the kept password: %v", err)
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Rule: "auth.password_wrong"}); err != nil {
		t.Fatal(err)
	}
	if err := w.change(nothing, ""); !errors.As(err, &refusal) || refusal.Field != "password" {
		t.Errorf("of a parked account: %v", err)
	}
}

// Servers can be looked for beside those that work.
func TestCandidateFindsItsServers(t *testing.T) {
	t.Parallel()
	found := &finder{}
	w := proved(t, func(o *account.Options) { o.Finder = found })
	old := w.stored()
	found.settings = old.Settings
	found.settings.SMTP.Host = "localhost"
	if err := w.change(func(a *relay.Account) { a.Settings = relay.Settings{Provider: relay.ProviderIMAP} }, password); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); a.Candidate != nil || a.SMTP.Host != "localhost" || a.Version == old.Version {
		t.Errorf("%+v", a)
	}
}

// An alias was proved for one mailbox; other settings may lead to another one.
func TestAliasLapsesWithTheSettings(t *testing.T) {
	t.Parallel()
	sales := relay.Address{Local: "sales", Domain: "acme.example"}
	w := proved(t)
	w.table.change("a1", func(a *relay.Account) {
		a.Aliases = []relay.Alias{{Address: sales, ProvedAt: time.Now(), KeepsFrom: true}}
	})
	if err := w.change(func(a *relay.Account) { a.SMTP.Host = "localhost" }, password); err != nil {
		t.Fatal(err)
	}
	if !w.sendsAs(sales) {
		t.Error("the alias lapsed before the new settings were proved")
	}
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	if a := w.stored(); a.SendsAs(sales) || !a.Lapsed(sales) {
		t.Errorf("after other settings were proved: %+v", a.Aliases)
	}
	w.table.change("a1", func(a *relay.Account) {
		a.State, a.Aliases[0] = relay.AccountParked, relay.Alias{Address: sales, ProvedAt: time.Now()}
	})
	if err := w.change(func(a *relay.Account) { a.SMTP.Host = "127.0.0.1" }, password); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.SendsAs(sales) || !a.Lapsed(sales) {
		t.Errorf("after a broken account got other settings: %+v", a.Aliases)
	}
}

// A new password of an account that only sends is tried by one sign-in as well.
func TestNewPasswordOfAnAccountThatOnlySends(t *testing.T) {
	t.Parallel()
	w := proved(t)
	w.table.change("a1", func(a *relay.Account) { a.IMAP, a.CopyMode = relay.Server{}, relay.CopyNever })
	if err := w.provider.SetPassword(janeMail, "another"); err != nil {
		t.Fatal(err)
	}
	w.run()
	if err := w.change(nil, "another"); err != nil {
		t.Fatal(err)
	}
	w.diary.await(t, "restored a1")
	if a := w.stored(); a.Candidate != nil || a.State != relay.AccountVerified {
		t.Errorf("%+v", a)
	}
}
