package notice_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/store"
)

// The owner hears of each trouble once, at once, at every address of his.
func TestOwnerIsToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.users.change("u1", func(u *relay.User) { u.Address = home })
		s := notice.New(w.options)
		defer run(t, s)()
		synctest.Wait()
		parked := time.Now()
		w.park(s, "a1")
		synctest.Wait()
		l := w.spool.letter(t, 0)
		m := l.message
		if m.Kind != relay.KindNotice || !m.Envelope.ReturnPath.IsZero() || m.Submitter != "" || m.Organisation != "o1" || !m.Accepted.Equal(parked) {
			t.Errorf("the message is %+v", m)
		}
		var to []relay.Address
		for _, r := range m.Envelope.Recipients {
			to = append(to, r.Address)
			if r.Notify != relay.NotifyNever {
				t.Errorf("%s asks for reports", r.Address)
			}
		}
		if !slices.Equal(to, []relay.Address{jane, home}) {
			t.Errorf("it goes to %v", to)
		}
		for name, want := range map[string]string{
			"From": "Mail relay <postmaster@relay.example>", "To": "jane@acme.example, jane@home.example",
			"Subject": "Your mail account needs you: jane@acme.example", "Auto-Submitted": "auto-generated",
			"Message-Id": "<" + m.ID.String() + "@relay.example>",
		} {
			if got := l.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		flat := strings.Join(strings.Fields(l.text), " ")
		for _, want := range []string{"The password is wrong (535 5.7.8 no)", "Your mail waits: 12 messages.", "Nothing is lost and nothing is returned", "works once, and until Saturday, 8 January 2000"} {
			if !strings.Contains(flat, want) {
				t.Errorf("the text lacks %q:\n%s", want, l.text)
			}
		}
		token := l.token(t)
		if !strings.Contains(l.html, `<a href="`+base+notice.LinkPath+token+`">`) {
			t.Errorf("the HTML is\n%s", l.html)
		}
		link, err := s.Links().Open(t.Context(), token)
		if err != nil || link.Purpose != relay.LinkMend || link.Account != "a1" || link.Organisation != "o1" {
			t.Errorf("the link is %+v, %v", link, err)
		}
		if !w.told(t, "a1").Owner.Equal(parked) {
			t.Errorf("told %+v", w.told(t, "a1"))
		}
		time.Sleep(12 * time.Hour)
		if n := w.spool.count(); n != 1 {
			t.Errorf("%d notices about one trouble", n)
		}
		w.account("a1", relay.AccountVerified, time.Now())
		time.Sleep(time.Hour)
		w.park(s, "a1")
		synctest.Wait()
		if n := w.spool.count(); n != 2 {
			t.Errorf("%d notices about two troubles", n)
		}
		if _, err := s.Links().Open(t.Context(), token); err != nil {
			t.Errorf("the first link: %v", err)
		}
	})
}

func TestNobodyIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.options.OwnerMends = func(rule string) bool { return rule != "token.secret_expired.microsoft" }
		s := notice.New(w.options)
		w.account("a2", relay.AccountUnverified, time.Now())
		w.account("a3", relay.AccountDegraded, time.Now())
		w.account("a4", relay.AccountParked, time.Now()) // told before
		w.accounts.change("a4", func(a *relay.Account) { a.Told.Owner = a.StateSince })
		w.account("a5", relay.AccountParked, time.Now()) // not for its owner to mend
		w.accounts.change("a5", func(a *relay.Account) { a.StateRule = "token.secret_expired.microsoft" })
		for _, id := range []string{"a1", "a2", "a3", "a4", "a5", "gone"} { // a1 works again by now
			s.AccountParked(&relay.Account{ID: id, State: relay.AccountParked}, "", time.Time{})
		}
		stop := run(t, s)
		time.Sleep(20 * time.Minute)
		stop()
		if w.spool.count() != 0 || w.links.count() != 0 {
			t.Errorf("%d notices, %d links", w.spool.count(), w.links.count())
		}
		if faults := w.observer.broke(); faults != "[]" {
			t.Errorf("faults: %s", faults)
		}
	})
}

// What the methods missed is found in the records: more news than are kept, and what
// happened while relayd did not run.
func TestNewsThatGotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := notice.New(w.options)
		const many = 1500
		for i := range many {
			w.park(s, fmt.Sprintf("x%d", i))
		}
		stop := run(t, s)
		synctest.Wait()
		stop()
		if n := w.spool.count(); n != many {
			t.Errorf("%d of %d owners were told", n, many)
		}
		w.park(nil, "a1")
		defer run(t, notice.New(w.options))()
		synctest.Wait()
		if n := w.spool.count(); n != many+1 {
			t.Errorf("after a start: %d", n)
		}
	})
}

// Every step can fail for a while, in every way. The mail comes later, once.
func TestStepsThatFail(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown, store.ErrStale, errors.New("the disk hums")} {
		for name, breakAt := range map[string]func(w *world, err error){
			"accounts list": func(w *world, err error) { w.accounts.failing(on("list", err)) },
			"account get":   func(w *world, err error) { w.accounts.failing(on("get", err)) },
			"account put":   func(w *world, err error) { w.accounts.failing(on("put", err)) },
			"user":          func(w *world, err error) { w.users.failing(on("get", err)) },
			"organisation":  func(w *world, err error) { w.orgs.failing(on("get", err)) },
			"link get":      func(w *world, err error) { w.links.failing(on("get", err)) },
			"link put":      func(w *world, err error) { w.links.failing(on("put", err)) },
			"queue":         func(w *world, err error) { w.spool.refuse(err) },
		} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				s := notice.New(w.options)
				breakAt(w, broken)
				w.park(nil, "a1")
				s.AccountParked(&relay.Account{ID: "a1"}, "", time.Time{})
				stop := run(t, s)
				time.Sleep(20 * time.Minute)
				if faults := w.observer.broke(); !strings.Contains(faults, broken.Error()) {
					t.Errorf("%s, %v: faults %s", name, broken, faults)
				}
				breakAt(w, nil)
				time.Sleep(20 * time.Minute)
				stop()
				if n := w.spool.count(); n != 1 {
					t.Fatalf("%s, %v: %d notices", name, broken, n)
				}
				l := w.spool.letter(t, 0)
				if _, err := s.Links().Use(t.Context(), l.token(t)); err != nil {
					t.Errorf("%s, %v: the link: %v", name, broken, err)
				}
				if w.links.count() != 1 || w.told(t, "a1").Owner.IsZero() {
					t.Errorf("%s, %v: %d links, told %v", name, broken, w.links.count(), w.told(t, "a1"))
				}
			})
		}
	}
}

func on(method string, err error) func(string) error {
	return func(m string) error {
		if m == method {
			return err
		}
		return nil
	}
}

// A queue that takes nothing for longer than the link lives: the link in the mail is
// good all the same.
func TestLinkIsRenewedWhileTheMailWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := notice.New(w.options)
		w.spool.refuse(store.ErrFull)
		defer run(t, s)()
		w.park(s, "a1")
		time.Sleep(7*24*time.Hour + time.Minute)
		w.spool.refuse(nil)
		time.Sleep(time.Hour)
		l := w.spool.letter(t, 0)
		if _, err := s.Links().Open(t.Context(), l.token(t)); err != nil || w.spool.count() != 2 { // one to the administrators
			t.Errorf("the link: %v, %d mails", err, w.spool.count())
		}
	})
}

// What others change between reading and noting is not overwritten.
func TestNoteMeetsAnotherChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := notice.New(w.options)
		w.park(nil, "a1")
		w.accounts.between = func() { w.accounts.change("a1", func(a *relay.Account) { a.SentFolder = "Gesendet" }) }
		stop := run(t, s)
		synctest.Wait()
		stop()
		a, _ := w.accounts.Get(t.Context(), "a1")
		if a.SentFolder != "Gesendet" || a.Told.Owner.IsZero() {
			t.Errorf("the record is %+v", a)
		}
		// Restored meanwhile: the record stays as it is.
		w.park(nil, "a1")
		w.accounts.change("a1", func(a *relay.Account) { a.Told = relay.Told{} })
		time.Sleep(time.Minute)
		w.park(nil, "a1")
		w.accounts.between = func() { w.account("a1", relay.AccountVerified, time.Now()) }
		stop = run(t, notice.New(w.options))
		synctest.Wait()
		stop()
		if a, _ := w.accounts.Get(t.Context(), "a1"); a.State != relay.AccountVerified || !a.Told.Owner.IsZero() {
			t.Errorf("the record is %+v", a)
		}
	})
}

// A crash after any step: one mail, whose link works. On the real stores.
func TestCrashesAroundTheOwnersMail(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"before the link", "after the link", "after the mail", "after the mail left", "after the note"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := openDisk(t, dir)
			prepare(t, d)
			o := d.options()
			switch at {
			case "before the link":
				o.Links = crashing[relay.Link]{o.Links}
			case "after the link":
				o.Spool = crashingSpool{}
			case "after the mail", "after the mail left":
				o.Accounts = crashing[relay.Account]{d.directory.Accounts()}
			}
			runOnce(t, o)
			if at == "after the mail left" {
				deliver(t, d)
			}
			d.close()

			d = openDisk(t, dir)
			links := notice.NewLinks(d.directory.Links(), key("k"))
			runOnce(t, d.options())
			runOnce(t, d.options())
			found := d.notices(t)
			if at == "after the mail left" {
				if len(found) != 0 {
					t.Fatalf("%d more notices", len(found))
				}
			} else {
				if len(found) != 1 {
					t.Fatalf("%d notices", len(found))
				}
				if _, err := links.Use(t.Context(), found[0].token(t)); err != nil {
					t.Errorf("the link: %v", err)
				}
			}
			if a, err := d.directory.Accounts().Get(t.Context(), "a1"); err != nil || a.Told.Owner.IsZero() {
				t.Errorf("the account is %+v, %v", a, err)
			}
		})
	}
}

func prepare(t *testing.T, d *disk) {
	t.Helper()
	ctx := t.Context()
	if err := errors.Join(
		d.directory.Organisations().Put(ctx, &relay.Organisation{ID: "o1", Domains: []string{"acme.example"}}),
		d.directory.Users().Put(ctx, &relay.User{ID: "u1", Organisation: "o1", Address: jane}),
		d.directory.Users().Put(ctx, &relay.User{ID: "u2", Organisation: "o1", Address: boss, Administrator: true}),
		d.directory.Accounts().Put(ctx, &relay.Account{
			ID: "a1", Organisation: "o1", User: "u1", Address: jane, State: relay.AccountParked,
			StateSince: time.Now().Add(-time.Hour), StateReason: "The password is wrong.", Password: []byte("sealed"),
		}),
	); err != nil {
		t.Fatal(err)
	}
}

// runOnce lets a Service look at everything once.
func runOnce(t *testing.T, o notice.Options) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o.Events, o.Sources = stopper{cancel}, []notice.Source{soon{}}
	if err := notice.New(o).Run(ctx); err != nil {
		t.Error(err)
	}
}

// stopper ends a Service by the last thing that it does at its start.
type stopper struct{ cancel func() }

func (s stopper) Emit(context.Context, relay.AccountEvent) error {
	s.cancel()
	return nil
}

// soon expires in half a day.
type soon struct{}

func (soon) Expiring(context.Context, string, time.Time, time.Time) ([]notice.Entry, error) {
	return []notice.Entry{{When: time.Now().Add(23*time.Hour + 59*time.Minute), What: "it"}}, nil
}

var errCrash = errors.New("the power is gone")

// crashing is a table to which nothing is written any more.
type crashing[T any] struct{ store.Table[T] }

func (crashing[T]) Put(context.Context, *T) error { return errCrash }

type crashingSpool struct{ notice.Spool }

func (crashingSpool) Put(context.Context, *relay.Message, func() relay.SubmissionKey, io.Reader) (relay.ID, error) {
	return relay.ID{}, errCrash
}

// deliver ends the notices that wait, as the conductor does.
func deliver(t *testing.T, d *disk) {
	t.Helper()
	for _, l := range d.notices(t) {
		st := relay.NewState(l.message)
		st.Revision = 1
		for i := range st.Recipients {
			st.Recipients[i].Outcome, st.Recipients[i].Reported = relay.Delivered, true
		}
		if err := d.queue.Record(t.Context(), l.message.ID, st, relay.Event{At: time.Now(), Kind: relay.EventAttempt}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatBecomesOfTheMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy  relay.Policy
		waiting notice.Waiting
		want    []string
		not     string
	}{
		"held":        {relay.Policy{}, waiting(0), []string{"no message waits, but new mail will", "nothing is returned"}, "then"},
		"one":         {relay.Policy{}, waiting(1), []string{"Your mail waits: 1 message."}, "messages"},
		"unknown":     {relay.Policy{}, waiting(-1), []string{"Your mail waits. Nothing is lost"}, "-1"},
		"nobody asks": {relay.Policy{}, nil, []string{"Your mail waits. Nothing is lost"}, "-1"},
		"direct":      {relay.Policy{Broken: relay.BrokenDirect}, waiting(3), []string{"Tuesday, 4 January 2000, 00:00 UTC", "without your account"}, "returned"},
		"returned":    {relay.Policy{Broken: relay.BrokenReturn, BrokenAfter: time.Hour}, waiting(3), []string{"Saturday, 1 January 2000, 01:00 UTC is then returned"}, "Nothing is lost"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.orgs.change("o1", func(o *relay.Organisation) { o.Policy = c.policy })
			w.options.Waiting = c.waiting
			w.park(nil, "a1")
			stop := run(t, notice.New(w.options))
			synctest.Wait()
			stop()
			l := w.spool.letter(t, 0)
			flat := strings.Join(strings.Fields(l.text), " ")
			for _, want := range c.want {
				if !strings.Contains(flat, want) {
					t.Errorf("%s: no %q in\n%s", name, want, l.text)
				}
			}
			if strings.Contains(flat, c.not) {
				t.Errorf("%s: %q in\n%s", name, c.not, l.text)
			}
		})
	}
}

func TestWithoutPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.options.BaseURL = ""
		s := notice.New(w.options)
		w.park(nil, "a1")
		stop := run(t, s)
		synctest.Wait()
		stop()
		l := w.spool.letter(t, 0)
		if !strings.Contains(l.text, "relayd account update jane@acme.example --password") || strings.Contains(l.text, "http") || w.links.count() != 0 {
			t.Errorf("the text is\n%s", l.text)
		}
		if _, err := s.Invite(t.Context(), notice.Request{Account: "a1", To: jane}); !errors.Is(err, notice.ErrNoPages) {
			t.Errorf("an invitation: %v", err)
		}
	})
}

// Nothing that others chose makes a field, a part, or markup.
func TestInjection(t *testing.T) {
	t.Parallel()
	evil := "x\r\nBcc: all@world.example\r\n\r\n<script>alert(1)</script>\u202e\x00 --notice\u00fc " + strings.Repeat("y", 5000)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.options.Name = evil
		w.options.Hostname = "relay.example"
		s := notice.New(w.options)
		w.park(nil, "a1")
		w.accounts.change("a1", func(a *relay.Account) {
			a.StateReason = evil
			a.Address = relay.Address{Local: `ja"ne <x>,` + "\u00e9", Domain: "acme.example"}
		})
		stop := run(t, s)
		time.Sleep(25 * time.Hour)
		stop()
		if _, _, err := s.SendCode(t.Context(), notice.Request{Account: "a1", Organisation: "o1", To: jane, By: evil}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Invite(t.Context(), notice.Request{Account: "a1", Organisation: "o1", To: jane, By: evil}); err != nil {
			t.Fatal(err)
		}
		if n := w.spool.count(); n != 4 {
			t.Fatalf("%d notices", n)
		}
		for i := range 4 {
			l := w.spool.letter(t, i)
			if len(l.header) != 8 || l.header.Get("Bcc") != "" {
				t.Errorf("%s: header %v", l.header.Get("Subject"), l.header)
			}
			if strings.Contains(l.html, "<script") || strings.ContainsAny(l.text+l.html, "\u202e\x00") {
				t.Errorf("%s: the HTML is\n%s", l.header.Get("Subject"), l.html)
			}
			from, err := mail.ParseAddress(l.header.Get("From"))
			if err != nil || from.Address != "postmaster@relay.example" {
				t.Errorf("From %v, %v", from, err)
			}
		}
		first := w.spool.letter(t, 0)
		to, err := mail.ParseAddressList(first.header.Get("To"))
		if err != nil || len(to) != 2 || to[0].Address != `ja"ne <x>,`+"\u00e9@acme.example" || !first.message.Envelope.SMTPUTF8 || !first.message.Envelope.EightBit {
			t.Errorf("To %q: %v, %v", first.header.Get("To"), to, err)
		}
	})
}
