package account_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/store"
)

func TestSaveAndCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	a := w.record()
	a.State, a.Version, a.Card.FilesSent = relay.AccountVerified, 99, true // not for people to say
	w.save(a, password)
	if a.Revision != 1 || a.Version != 1 || a.State != relay.AccountUnverified || a.Card.FilesSent || a.Password != nil || a.Provider != relay.ProviderIMAP {
		t.Errorf("made %+v", a)
	}
	if sealed := string(w.stored().Password); !strings.HasPrefix(sealed, "sealed account/a1/password:") {
		t.Errorf("the directory holds %q", sealed)
	}
	c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail)
	if err != nil || c.Password != password || c.Account.Password != nil || c.SMTPLogin() != "jane" {
		t.Errorf("credentials %+v, %v", c, err)
	}
	if _, err := w.service.Credentials(t.Context(), "nobody", relay.ResourceMail); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	w.table.change("a1", func(a *relay.Account) { a.Password = sealer{}.Seal("account", "a2", "password", []byte("x")) })
	if _, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail); err == nil {
		t.Error("the password of another account was opened")
	}
}

func TestSaveRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	for _, test := range []struct {
		field  string
		change func(*relay.Account)
		secret relay.Secret
	}{
		{"password", func(*relay.Account) {}, "two\r\nlines"},
		{"address", func(a *relay.Account) { a.Address = relay.Address{} }, password},
		{"smtp.host", func(a *relay.Account) { a.SMTP.Host = "" }, password},
		{"smtp.host", func(a *relay.Account) { a.SMTP.Host = "mail example" }, password},
		{"smtp.host", func(a *relay.Account) { a.SMTP.Host = "mail.example\r\n" + "x" }, password},
		{"smtp.host", func(a *relay.Account) { a.SMTP.Host = "fe80::1%eth0" }, password},
		{"smtp.port", func(a *relay.Account) { a.SMTP.Port = 0 }, password},
		{"smtp.port", func(a *relay.Account) { a.SMTP.Port = 65536 }, password},
		{"smtp.tls", func(a *relay.Account) { a.SMTP.TLS = "ssl" }, password},
		{"smtp.login", func(a *relay.Account) { a.SMTP.Login = "jane\x00" }, password},
		{"imap.host", func(a *relay.Account) { a.IMAP.Host = "" }, password},
		{"imap.port", func(a *relay.Account) { a.IMAP.Port = -1 }, password},
		{"imap.tls", func(a *relay.Account) { a.IMAP.TLS = "" }, password},
		{"imap.login", func(a *relay.Account) { a.IMAP.Login = "a\nb" }, password},
		{"sent_folder", func(a *relay.Account) { a.SentFolder = "Sent\r\nx" }, password},
		{"provider", func(a *relay.Account) { a.Provider = "carrier pigeon" }, password},
	} {
		a := w.record()
		test.change(a)
		var refusal *relay.FieldError
		if err := w.service.Save(t.Context(), a, test.secret); !errors.As(err, &refusal) || refusal.Field != test.field || refusal.Message == "" {
			t.Errorf("%s: %v", test.field, err)
		}
	}
	if len(w.table.writes) != 0 {
		t.Errorf("something was written: %v", w.table.writes)
	}
}

func TestSaveChanges(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		state   relay.AccountState
		change  func(*relay.Account)
		secret  relay.Secret
		want    relay.AccountState
		version uint64
		retry   bool
	}{
		{"nothing", relay.AccountVerified, func(*relay.Account) {}, "", relay.AccountVerified, 1, false},
		{"the same password", relay.AccountVerified, func(*relay.Account) {}, password, relay.AccountVerified, 1, false},
		{"the folder", relay.AccountVerified, func(a *relay.Account) { a.SentFolder = "Out" }, "", relay.AccountVerified, 1, false},
		{"the password of a parked one", relay.AccountParked, func(*relay.Account) {}, "new", relay.AccountParked, 2, true},
		{"the password of one never proved", relay.AccountUnverified, func(*relay.Account) {}, "new", relay.AccountUnverified, 2, false},
		{"a server of a parked one", relay.AccountParked, func(a *relay.Account) { a.SMTP.Host = "other.example" }, password, relay.AccountParked, 2, false},
		{"a port of a parked one", relay.AccountParked, func(a *relay.Account) { a.SMTP.Port = 465 }, "", relay.AccountParked, 2, false},
		{"a server of one never proved", relay.AccountUnverified, func(a *relay.Account) { a.SMTP.Host = "other.example" }, password, relay.AccountUnverified, 2, false},
		{"the address", relay.AccountVerified, func(a *relay.Account) { a.Address.Local = "john" }, "", relay.AccountUnverified, 1, false},
	} {
		w := newWorld(t, simulator.Personality{})
		a := w.record()
		w.save(a, password)
		w.table.change("a1", func(a *relay.Account) { a.State, a.Card.FilesSent = test.state, true })
		a.Revision = w.stored().Revision
		test.change(a)
		a.State = relay.AccountVerified // not for people to say
		w.save(a, test.secret)
		got := w.stored()
		if got.State != test.want || got.Version != test.version || got.RetryAt.IsZero() == test.retry || a.Password != nil {
			t.Errorf("%s: %s, version %d, retry at %v", test.name, got.State, got.Version, got.RetryAt)
		}
		if got.Candidate != nil {
			t.Errorf("%s: candidate %+v", test.name, got.Candidate)
		}
		if (got.State == relay.AccountUnverified && got.Address != jane()) == got.Card.FilesSent {
			t.Errorf("%s: card %+v", test.name, got.Card)
		}
		c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail)
		want := test.secret
		if want == "" {
			want = password
		}
		if err != nil || c.Password != want {
			t.Errorf("%s: password %q, want %q, %v", test.name, c.Password.Reveal(), want.Reveal(), err)
		}
	}
}

// W12: the password that is kept cannot be read by having it sent to a server of
// one's own, or over a connection in clear.
func TestKeptPasswordGoesToNoOtherServer(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*relay.Account){
		"another outgoing server":   func(a *relay.Account) { a.SMTP.Host = "thief.example" },
		"another incoming server":   func(a *relay.Account) { a.IMAP.Host = "thief.example" },
		"no TLS to the outgoing":    func(a *relay.Account) { a.SMTP.TLS = relay.TLSNone },
		"no TLS to the incoming":    func(a *relay.Account) { a.IMAP.TLS = relay.TLSNone },
		"and another address at it": func(a *relay.Account) { a.IMAP.Host, a.Address.Local = "thief.example", "john" },
	} {
		for _, state := range []relay.AccountState{relay.AccountVerified, relay.AccountUnverified, relay.AccountParked} {
			w := newWorld(t, simulator.Personality{})
			a := w.record()
			w.save(a, password)
			w.table.change("a1", func(a *relay.Account) { a.State = state })
			before := w.stored()
			a.Revision = before.Revision
			change(a)
			var refused *relay.FieldError
			if err := w.service.Save(t.Context(), a, ""); !errors.As(err, &refused) || refused.Field != "password" || w.stored().Revision != before.Revision {
				t.Errorf("%s, %s: %v", name, state, err)
			}
			w.save(a, password)
		}
	}
}

func TestSaveOfAnOldRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	a := w.record()
	w.save(a, password)
	old := *a
	w.save(a, "")
	if err := w.service.Save(t.Context(), &old, "new"); !errors.Is(err, store.ErrStale) {
		t.Errorf("an old revision: %v", err)
	}
	if c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail); err != nil || c.Password != password {
		t.Errorf("the password was changed: %v", err)
	}
}

// G8: whatever leaves the package, in whatever form, has no password.
func TestNoRecordHasASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	a := w.record()
	w.save(a, password)
	c, err := w.service.Credentials(t.Context(), "a1", relay.ResourceMail)
	if err != nil {
		t.Fatal(err)
	}
	v := w.verify()
	for _, value := range []any{a, c, v, w.diary.lines} {
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		shown := string(text) + fmt.Sprintf("%+v %#v %s", value, value, value)
		if strings.Contains(shown, password.Reveal()) || strings.Contains(shown, "sealed") {
			t.Errorf("it shows the password: %s", shown)
		}
	}
}

func proved(t *testing.T, change ...func(*account.Options)) *world {
	t.Helper()
	w := newWorld(t, simulator.Personality{}, change...)
	w.save(w.record(), password)
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Fatalf("%+v", v)
	}
	return w
}

func TestPark(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.save(w.record(), password)
	trouble := relay.Trouble{Rule: "auth.password_wrong", Hint: "Check the password.", Pause: time.Hour, Reply: relay.Reply{Code: 535, Text: "no"}}
	if err := w.service.Park(t.Context(), "a1", trouble); err != nil || w.stored().State != relay.AccountUnverified {
		t.Errorf("one that was never proved: %v, %s", err, w.stored().State)
	}
	w.verify()
	old := trouble
	old.Version = w.stored().Version + 1 // not the one that it has now
	if err := w.service.Park(t.Context(), "a1", old); err != nil || w.stored().State != relay.AccountVerified {
		t.Errorf("trouble of other credentials: %v, %s", err, w.stored().State)
	}
	trouble.Version = w.stored().Version
	if err := w.service.Park(t.Context(), "a1", trouble); err != nil {
		t.Fatal(err)
	}
	a := w.stored()
	if a.State != relay.AccountParked || a.StateReason != "Check the password. (535 no)" || time.Until(a.RetryAt) < 59*time.Minute || len(a.Password) == 0 {
		t.Errorf("parked: %+v", a)
	}
	if id := <-w.parked; id != "a1" || !w.diary.has("parked a1 auth.password_wrong") {
		t.Errorf("who heard of it: %q, %v", id, w.diary.lines)
	}
	if err := w.service.Park(t.Context(), "a1", trouble); err != nil || w.stored().Revision != a.Revision {
		t.Errorf("parked twice: %v", err)
	}
	if err := w.service.Park(t.Context(), "nobody", trouble); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	short := proved(t)
	if err := short.service.Park(t.Context(), "a1", relay.Trouble{Pause: time.Second}); err != nil || time.Until(short.stored().RetryAt) < 14*time.Minute {
		t.Errorf("a short pause: %v, %v", err, short.stored().RetryAt)
	}
}

func TestDegradeAndRecover(t *testing.T) {
	t.Parallel()
	w := proved(t)
	full := relay.Trouble{Rule: "copy.full", Hint: "The mailbox is full."}
	if err := w.service.Degrade(t.Context(), "a1", full); err != nil || w.stored().State != relay.AccountDegraded || w.stored().StateReason != full.Hint {
		t.Errorf("degraded: %v, %+v", err, w.stored())
	}
	if err := w.service.Recover(t.Context(), "a1"); err != nil || w.stored().State != relay.AccountVerified || w.stored().StateReason != "" {
		t.Errorf("recovered: %v, %+v", err, w.stored())
	}
	if err := w.service.Park(t.Context(), "a1", full); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.service.Degrade(t.Context(), "a1", full), w.service.Recover(t.Context(), "a1")); err != nil || w.stored().State != relay.AccountParked {
		t.Errorf("a parked account: %v, %s", err, w.stored().State)
	}
}

// due makes a parked account's time come.
func (w *world) due() {
	w.table.change("a1", func(a *relay.Account) {
		a.State, a.StateReason, a.RetryAt = relay.AccountParked, "broke", time.Now().Add(-time.Second)
	})
}

func TestParkedAccountComesBack(t *testing.T) {
	t.Parallel()
	w := proved(t)
	w.due()
	w.run()
	w.diary.await(t, "restored a1")
	if a := w.stored(); a.State != relay.AccountVerified || a.StateReason != "" || !a.RetryAt.IsZero() {
		t.Errorf("restored: %+v", a)
	}
}

func TestParkedAccountThatOnlySends(t *testing.T) {
	t.Parallel()
	w := proved(t)
	w.provider.Inject(simulator.Fault{At: simulator.AtLogin, Reply: "NO [AUTHENTICATIONFAILED] no"})
	w.due()
	w.run()
	w.diary.await(t, "restored a1")
	if a := w.stored(); a.State != relay.AccountDegraded || a.StateReason == "" {
		t.Errorf("restored: %+v", a)
	}
}

func TestFailingSignInsAreRare(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if err := w.provider.SetPassword(janeMail, "other"); err != nil {
		t.Fatal(err)
	}
	w.due()
	w.run()
	w.diary.await(t, "used a1 to retry")
	for deadline := time.Now().Add(5 * time.Second); time.Until(w.stored().RetryAt) < 59*time.Minute; { // the rule's pause
		if time.Now().After(deadline) {
			t.Fatalf("the next try is at %v", w.stored().RetryAt)
		}
		<-time.After(time.Millisecond)
	}
	a := w.stored()
	if a.State != relay.AccountParked || !strings.Contains(a.StateReason, "refuses the user name") {
		t.Errorf("parked: %+v", a)
	}
	<-time.After(50 * time.Millisecond) // ten looks of Run
	w.diary.mu.Lock()
	defer w.diary.mu.Unlock()
	if n := strings.Count(strings.Join(w.diary.lines, "\n"), "used a1 to retry"); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

// A crash during the try does not lead to another one at once.
func TestTheNextTryIsPlannedBeforeThisOne(t *testing.T) {
	t.Parallel()
	w := proved(t)
	w.due()
	w.provider.Inject(simulator.Fault{At: simulator.AtAuth, Hangup: true})
	w.run()
	w.diary.await(t, "used a1 to retry")
	if a := w.stored(); time.Until(a.RetryAt) < 14*time.Minute {
		t.Errorf("during the try the next one is planned for %v", a.RetryAt)
	}
}

// stuck is a Dialer that never reaches anybody.
type stuck struct{}

func (stuck) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

// However many accounts are due, only as many tries exist as there are workers: the
// others are neither claimed nor wait in goroutines, and a person who asks for a
// verification has to wait for one try and not for all of them.
func TestPersonDoesNotWaitBehindEveryRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		accounts := &table{records: map[string]relay.Account{}}
		diary := newDiary()
		s := account.New(account.Options{
			Accounts: accounts, Sealer: sealer{}, Classifier: rules{}, Dialer: stuck{}, Observer: diary, Workers: 1, StepTimeout: 10 * time.Second,
		})
		defer s.Close()
		server := relay.Server{Host: "mail.example", Port: 465, TLS: relay.TLSImplicit}
		for _, id := range []string{"a1", "a2", "a3", "a4", "person"} {
			a := &relay.Account{ID: id, Address: relay.Address{Local: id, Domain: "acme.example"}, Settings: relay.Settings{SMTP: server, IMAP: server}}
			if err := s.Save(t.Context(), a, password); err != nil {
				t.Fatal(err)
			}
			if id != "person" {
				accounts.change(id, func(a *relay.Account) { a.State, a.RetryAt = relay.AccountParked, time.Now() })
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		claimed := 0
		for _, a := range accounts.records {
			if a.RetryAt.After(time.Now()) {
				claimed++
			}
		}
		if claimed != 1 {
			t.Errorf("%d accounts are claimed by one worker", claimed)
		}
		if err := s.Verify(t.Context(), "person", "ops"); err != nil {
			t.Fatal(err)
		}
		<-time.After(25 * time.Second) // a try takes ten seconds
		if !diary.has("used person to verify") {
			t.Errorf("the person still waits: %v", diary.lines)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestNewPasswordIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	w := proved(t, func(o *account.Options) { o.Look = time.Hour })
	if err := w.provider.SetPassword(janeMail, "new"); err != nil {
		t.Fatal(err)
	}
	w.run()
	a := w.stored()
	w.save(&a, "new")
	w.diary.await(t, "restored a1")
	if got := w.stored(); got.State != relay.AccountVerified || got.Version != 2 {
		t.Errorf("%+v", got)
	}
}

// Whoever heard of an account's trouble hears that a verification ended it; who heard of
// none hears of no end.
func TestVerificationEndsTheTrouble(t *testing.T) {
	t.Parallel()
	w := proved(t)
	if v := w.verify(); v.State != relay.VerificationDone || w.diary.has("restored a1") {
		t.Fatalf("an account that works: %+v", v)
	}
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Kind: relay.TroublePark, Rule: "auth.password"}); err != nil {
		t.Fatal(err)
	}
	if v := w.verify(); v.State != relay.VerificationDone || !w.diary.has("restored a1") {
		t.Errorf("a parked account: %+v", v)
	}
}

// Trouble that comes back is the same one to people, and another one to programs: they
// have heard that it was over.
func TestTroubleThatComesBackIsNewsToPrograms(t *testing.T) {
	t.Parallel()
	w := proved(t)
	trouble := relay.Trouble{Kind: relay.TroublePark, Rule: "auth.password"}
	var moments []time.Time
	note := func(state relay.AccountState) {
		t.Helper()
		a := w.stored()
		if a.State != state || slices.ContainsFunc(moments, a.StateMoment().Equal) {
			t.Fatalf("%s, want %s; its moment %v was there before: %v", a.State, state, a.StateMoment(), moments)
		}
		moments = append(moments, a.StateMoment())
	}
	park := func() {
		t.Helper()
		if err := w.service.Park(t.Context(), "a1", trouble); err != nil {
			t.Fatal(err)
		}
		note(relay.AccountParked)
	}
	note(relay.AccountVerified)
	park()
	since := w.stored().StateSince
	w.due()
	w.run()
	w.diary.await(t, "restored a1")
	note(relay.AccountVerified)
	park()
	if !w.stored().StateSince.Equal(since) {
		t.Error("the same trouble begins anew")
	}
}

// What programs were told of is noted with the state that it was about, and with no
// other.
func TestHeard(t *testing.T) {
	t.Parallel()
	w := proved(t)
	since := w.stored().StateSince
	if err := w.service.Park(t.Context(), "a1", relay.Trouble{Kind: relay.TroublePark, Rule: "auth.password"}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{since, w.stored().StateSince} {
		if err := w.service.Heard(t.Context(), "a1", at); err != nil {
			t.Fatal(err)
		}
		a := w.stored()
		if a.Told.Programs.Equal(at) != at.Equal(a.StateSince) {
			t.Errorf("at %v in the state of %v: %v", at, a.StateSince, a.Told.Programs)
		}
	}
	if err := w.service.Told(t.Context(), "a1", w.stored().StateSince, relay.Told{Owner: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if a := w.stored(); a.Told.Owner.IsZero() || a.Told.Programs.IsZero() {
		t.Errorf("told: %+v", a.Told)
	}
}
