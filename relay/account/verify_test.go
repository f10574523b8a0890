package account_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/account"
	"github.com/relayd/relayd/store"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		p         simulator.Personality
		folder    string
		filesSent bool
		uidPlus   bool
		appends   bool
	}{
		{"a plain provider", simulator.Personality{}, "Sent", false, true, true},
		{"one that files sent mail itself", simulator.Personality{FilesSent: true, SentFolder: "Gesendet"}, "Gesendet", true, true, false},
		{"one that announces nothing", simulator.Personality{HideSpecialUse: true, SentFolder: "Éléments envoyés"}, "Éléments envoyés", false, true, true},
		{"no folder for sent mail", simulator.Personality{SentFolder: "-"}, "", false, true, false},
		{"no UIDPLUS", simulator.Personality{NoUIDPlus: true}, "Sent", false, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.p)
			w.save(w.record(), password)
			v := w.verify()
			if v.State != relay.VerificationDone || v.Field != "" || v.Ended.IsZero() {
				t.Fatalf("verification: %+v", v)
			}
			for _, step := range v.Steps {
				tried := step.Name != "sent.append" || test.appends
				if (step.State == relay.VerificationDone) != tried || step.Label == "" || step.Detail == "" {
					t.Errorf("step %+v", step)
				}
			}
			a := w.stored()
			card := a.Card
			if a.State != relay.AccountVerified || card.SentFolder != test.folder || card.FilesSent != test.filesSent ||
				!card.KeepsFrom || !card.KeepsHeaderID || card.UIDPlus != test.uidPlus || card.Appends != test.appends ||
				!slices.Equal(card.Ways, []relay.Way{relay.WaySMTP}) || card.ArrivedIn != "INBOX" || card.ArrivedAfter <= 0 ||
				!slices.Contains(card.Extensions, "PIPELINING") || card.MaxSize == 0 || card.Certificate == "" || card.SMTPHost != "mail.example" || time.Since(card.VerifiedAt) > time.Minute {
				t.Errorf("account %q, card %+v", a.State, card)
			}
			if !w.diary.has("verified a1 by ops") || !w.diary.has("used a1 to verify") {
				t.Errorf("diary: %v", w.diary.lines)
			}
			left := len(w.messages("INBOX"))
			if test.folder != "" {
				left += len(w.messages(test.folder))
			}
			if want := map[bool]int{true: 0, false: 1}[test.uidPlus]; left != want {
				t.Errorf("%d mails are left, want %d", left, want)
			}
			sent := w.provider.Outbox()
			if len(sent) != 1 || sent[0].From != janeMail || len(sent[0].To) != 1 || sent[0].To[0] != janeMail || !sent[0].TLS ||
				!strings.Contains(string(sent[0].Content), "Auto-Submitted: auto-generated\r\n") {
				t.Errorf("sent: %+v", sent)
			}
		})
	}
}

// What lies in the mailbox stays as it is.
func TestVerifyRemovesNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{FilesSent: true})
	w.save(w.record(), password)
	w.verify()
	w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Reply: "NO later"}) // then every folder is read
	w.verify()
	w.provider.ClearFaults()
	before := len(w.messages("INBOX")) + len(w.messages("Sent"))
	w.verify()
	if after := len(w.messages("INBOX")) + len(w.messages("Sent")); after != before {
		t.Errorf("%d mails before, %d after", before, after)
	}
}

// Every wrong setting gets a message of its own, which names it and the remedy.
func TestVerifyNamesTheSetting(t *testing.T) {
	t.Parallel()
	closed := func(w *world) int { // a port on which nothing listens
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}
	port := func(a net.Addr) int { return a.(*net.TCPAddr).Port }
	for _, test := range []struct {
		name     string
		password relay.Secret
		change   func(w *world, a *relay.Account)
		step     string
		field    string
		words    string
	}{
		{"host: no such name", password, func(_ *world, a *relay.Account) { a.SMTP.Host = "mail.invalid" }, "smtp.connect", "smtp.host", "no server with the name mail.invalid"},
		{"host: the certificate is for another", password, func(_ *world, a *relay.Account) { a.SMTP.Host = "127.0.0.2"; a.SMTP.Port = 0 }, "smtp.connect", "smtp.host", "certificate of 127.0.0.2 is not valid"},
		{"port: closed", password, func(w *world, a *relay.Account) { a.SMTP.Port = closed(w) }, "smtp.connect", "smtp.port", "465 (implicit TLS) and 587 (STARTTLS)"},
		{"port: another protocol", password, func(w *world, a *relay.Account) { a.SMTP.Port = port(w.provider.IMAPAddr()) }, "smtp.connect", "smtp.port", "not the outgoing server for SMTP"},
		{"TLS: implicit on the STARTTLS port", password, func(_ *world, a *relay.Account) { a.SMTP.TLS = relay.TLSImplicit }, "smtp.connect", "smtp.tls", "this port speaks STARTTLS. Choose STARTTLS, or port 465"},
		{"TLS: STARTTLS on the implicit port", password, func(w *world, a *relay.Account) { a.SMTP.Port = port(w.provider.SubmissionsAddr()) }, "smtp.connect", "smtp.tls", "choose implicit TLS"},
		{"TLS: none", password, func(_ *world, a *relay.Account) { a.SMTP.TLS = relay.TLSNone }, "smtp.connect", "smtp.tls", "without TLS"},
		{"password", "wrong", nil, "smtp.auth", "password", "The provider's own hint."},
		{"name at the outgoing server only", password, func(_ *world, a *relay.Account) { a.SMTP.Login = "jan" }, "smtp.auth", "smtp.login", "The incoming server takes this password"},
		{"name at the incoming server only", password, func(_ *world, a *relay.Account) { a.IMAP.Login = "jan" }, "imap.auth", "imap.login", "The outgoing server takes this password"},
		{"address of somebody else", password, func(_ *world, a *relay.Account) { a.Address.Local = "john" }, "smtp.sender", "address", "does not let jane send as this address"},
		{"IMAP host: no such name", password, func(_ *world, a *relay.Account) { a.IMAP.Host = "imap.invalid" }, "imap.connect", "imap.host", "no server with the name imap.invalid"},
		{"IMAP port: closed", password, func(w *world, a *relay.Account) { a.IMAP.Port = closed(w) }, "imap.connect", "imap.port", "993 (implicit TLS) and 143 (STARTTLS)"},
		{"IMAP port: another protocol", password, func(w *world, a *relay.Account) {
			a.IMAP.Port = port(w.provider.SubmissionAddr())
			a.IMAP.TLS = relay.TLSStartTLS
		}, "imap.connect", "imap.port", "not the incoming server for IMAP"},
		{"IMAP TLS: implicit on the STARTTLS port", password, func(w *world, a *relay.Account) { a.IMAP.Port = port(w.provider.IMAPAddr()) }, "imap.connect", "imap.tls", "this port speaks STARTTLS. Choose STARTTLS, or port 993"},
		{"IMAP TLS: STARTTLS on the implicit port", password, func(_ *world, a *relay.Account) { a.IMAP.TLS = relay.TLSStartTLS }, "imap.connect", "imap.tls", "choose implicit TLS"},
		{"IMAP TLS: none", password, func(w *world, a *relay.Account) {
			a.IMAP.TLS, a.IMAP.Port = relay.TLSNone, port(w.provider.IMAPAddr())
		}, "imap.connect", "imap.tls", "without TLS"},
		{"folder", password, func(_ *world, a *relay.Account) { a.SentFolder = "Nowhere" }, "imap.sent", "sent_folder", `no folder "Nowhere"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, simulator.Personality{}, func(o *account.Options) { o.StepTimeout = 500 * time.Millisecond })
			a := w.record()
			if test.change != nil {
				test.change(w, a)
			}
			if a.SMTP.Port == 0 { // the same server under another name
				a.SMTP.Port = port(mirror(t, w.provider.SubmissionAddr().String()))
			}
			w.save(a, test.password)
			v := w.verify()
			if v.State != relay.VerificationFailed || v.Field != test.field || !strings.Contains(v.Message, test.words) {
				t.Errorf("%s, field %q: %s; want %q and %q", v.State, v.Field, v.Message, test.field, test.words)
			}
			for _, step := range v.Steps {
				if (step.State == relay.VerificationFailed) != (step.Name == test.step) {
					t.Errorf("step %s is %s", step.Name, step.State)
				}
			}
			if strings.Contains(v.Message, test.password.Reveal()) || strings.Contains(v.Message, "ESMTP") {
				t.Errorf("the message shows what it must not: %s", v.Message)
			}
			if w.stored().State != relay.AccountUnverified || len(w.provider.Outbox()) != 0 {
				t.Error("a failed verification changed the account, or sent something")
			}
		})
	}
}

// mirror listens on 127.0.0.2 and passes everything on, so that a certificate is
// for another name.
func mirror(t *testing.T, to string) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			go func() { defer in.Close(); copyAll(in, out) }()
			go func() { defer out.Close(); copyAll(out, in) }()
		}
	}()
	return l.Addr()
}

func copyAll(to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

func TestVerifyWithoutTLSWhereItIsPermitted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *account.Options) { o.PlainAllowed = netip.Addr.IsLoopback })
	a := w.record()
	a.SMTP.TLS = relay.TLSNone
	w.save(a, password)
	v := w.verify() // the simulator itself takes no password without TLS
	if v.State != relay.VerificationFailed || v.Field != "smtp.tls" || !strings.Contains(v.Message, "takes no password without TLS") {
		t.Errorf("%+v", v)
	}
}

func TestMailThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *account.Options) { o.LoopPatience = 50 * time.Millisecond })
	w.save(w.record(), password)
	w.provider.Inject(simulator.Fault{At: simulator.AtList, Reply: "NO later"})
	v := w.verify()
	if v.State != relay.VerificationFailed {
		t.Errorf("%+v", v)
	}
	w = newWorld(t, simulator.Personality{}, func(o *account.Options) { o.LoopPatience = 50 * time.Millisecond })
	a := w.record()
	// The mail goes to Jane, but we look into John's mailbox, with the same password.
	if err := w.provider.SetPassword("john@acme.example", password.Reveal()); err != nil {
		t.Fatal(err)
	}
	a.IMAP.Login = "john@acme.example"
	w.save(a, password)
	v = w.verify()
	if v.State != relay.VerificationFailed || v.Field != "address" || !strings.Contains(v.Message, "did not arrive in this mailbox") {
		t.Errorf("%+v", v)
	}
}

func TestProviderThatRewrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{ReplaceID: "<other@provider.example>"})
	w.save(w.record(), password)
	if v := w.verify(); v.State != relay.VerificationDone || w.stored().Card.KeepsHeaderID || !w.stored().Card.KeepsFrom {
		t.Errorf("another Message-ID: %+v, card %+v", v, w.stored().Card)
	}
	w = newWorld(t, simulator.Personality{ReplaceFrom: "Somebody <other@acme.example>"})
	w.save(w.record(), password)
	v := w.verify()
	if v.State != relay.VerificationFailed || v.Field != "address" || !strings.Contains(v.Message, "other@acme.example") || w.stored().State != relay.AccountUnverified {
		t.Errorf("another From: %+v", v)
	}
	if n := len(w.messages("INBOX")); n != 0 {
		t.Errorf("%d mails are left of a failed verification", n)
	}
}

func TestRefusedMailToOneself(t *testing.T) {
	t.Parallel()
	for reply, field := range map[string]string{
		"550 5.7.1 Not permitted":   "",
		"451 4.3.0 Come back later": "",
	} {
		w := newWorld(t, simulator.Personality{})
		w.save(w.record(), password)
		w.provider.Inject(simulator.Fault{At: simulator.AtData, Reply: reply})
		if v := w.verify(); v.State != relay.VerificationFailed || v.Field != field || !strings.Contains(v.Message, reply) {
			t.Errorf("%s: %+v", reply, v)
		}
	}
}

func TestConnectionLostWhileLooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.save(w.record(), password)
	w.provider.Inject(simulator.Fault{At: simulator.AtSearch, Hangup: true, Times: 2})
	if v := w.verify(); v.State != relay.VerificationDone {
		t.Errorf("%+v", v)
	}
}

func TestOneVerificationAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *account.Options) { o.SentPatience = time.Minute })
	w.save(w.record(), password)
	if _, known := w.service.Progress("a1"); known {
		t.Error("there is progress before the start")
	}
	if _, open := <-w.service.Watch(t.Context(), "a1"); open {
		t.Error("there is something to watch before the start")
	}
	if err := w.service.Verify(t.Context(), "a1", "ops"); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Verify(t.Context(), "a1", "ops"); !errors.Is(err, store.ErrInUse) {
		t.Errorf("the second: %v", err)
	}
	if err := w.service.Verify(t.Context(), "nobody", "ops"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such account: %v", err)
	}
	for v := range w.service.Watch(t.Context(), "a1") { // until the last step but one
		if step := v.Steps[8]; step.State == relay.VerificationRunning {
			break
		}
	}
	w.service.Cancel("a1")
	var last relay.Verification
	for v := range w.service.Watch(t.Context(), "a1") {
		last = v
	}
	if last.State != relay.VerificationCancelled || last.Steps[8].State != relay.VerificationCancelled || last.Steps[9].State != relay.VerificationWaiting {
		t.Errorf("after Cancel: %+v", last)
	}
	w.service.Cancel("nobody")
	w.service.Close() // waits for the mail to be removed
	if n := len(w.messages("INBOX")); n != 0 || w.stored().State != relay.AccountUnverified {
		t.Errorf("%d mails are left of a cancelled verification; the account is %s", n, w.stored().State)
	}
	if err := w.service.Verify(t.Context(), "a1", "ops"); err == nil {
		t.Error("a closed service starts a verification")
	}
}

func TestSettingsChangedDuringTheVerification(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *account.Options) { o.SentPatience = 300 * time.Millisecond })
	w.save(w.record(), password)
	if err := w.service.Verify(t.Context(), "a1", "ops"); err != nil {
		t.Fatal(err)
	}
	w.table.change("a1", func(a *relay.Account) { a.Version++ })
	var last relay.Verification
	for v := range w.service.Watch(t.Context(), "a1") {
		last = v
	}
	if last.State != relay.VerificationFailed || !strings.Contains(last.Message, "changed during") || w.stored().State != relay.AccountUnverified {
		t.Errorf("%+v", last)
	}
}

func TestResultThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{})
	w.save(w.record(), password)
	w.table.mu.Lock()
	w.table.broken = errors.New("disk")
	w.table.mu.Unlock()
	if v := w.verify(); v.State != relay.VerificationFailed || strings.Contains(v.Message, "disk") {
		t.Errorf("%+v", v)
	}
}

func TestServersThatAreTooSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, simulator.Personality{}, func(o *account.Options) {
		o.TotalTimeout, o.SentPatience = 300*time.Millisecond, time.Minute
	})
	w.save(w.record(), password)
	if v := w.verify(); v.State != relay.VerificationFailed || !strings.Contains(v.Message, "too slowly") {
		t.Errorf("%+v", v)
	}
}
