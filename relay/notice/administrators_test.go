package notice_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/store"
)

// toAdministrators gives the notices to boss, oldest first.
func toAdministrators(t *testing.T, w *world) (out []letter) {
	t.Helper()
	for i := range w.spool.count() {
		l := w.spool.letter(t, i)
		if l.message.Envelope.Recipients[0].Address == boss {
			out = append(out, l)
		}
	}
	return out
}

func TestAdministratorsAreToldOnceADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.orgs.change("o1", func(o *relay.Organisation) { o.Policy.TellAfter = 6 * time.Hour })
		w.orgs.change("o2", func(o *relay.Organisation) { o.ID = "o2" })
		w.users.change("u3", func(u *relay.User) {
			*u = relay.User{ID: "u3", Organisation: "o2", Address: relay.Address{Local: "other", Domain: "o2.example"}, Administrator: true}
		})
		s := notice.New(w.options)
		defer run(t, s)()
		w.park(s, "a1")
		w.park(s, "healed")
		time.Sleep(5 * time.Hour)
		w.account("healed", relay.AccountVerified, time.Now())
		w.park(s, "a2")
		time.Sleep(59 * time.Minute)
		if n := len(toAdministrators(t, w)); n != 0 {
			t.Fatalf("%d mails before their time", n)
		}
		time.Sleep(5 * time.Minute)
		mails := toAdministrators(t, w)
		if len(mails) != 1 {
			t.Fatalf("%d mails", len(mails))
		}
		l := mails[0]
		if l.header.Get("Subject") != "2 mail accounts need attention" || len(l.message.Envelope.Recipients) != 1 || l.message.Organisation != "o1" {
			t.Errorf("%q to %v", l.header.Get("Subject"), l.message.Envelope.Recipients)
		}
		for _, want := range []string{"- jane@acme.example: since Saturday", "- jane+a2@acme.example: since", "The password is wrong"} {
			if !strings.Contains(strings.ReplaceAll(l.text, "\r\n  ", " "), want) {
				t.Errorf("no %q in\n%s", want, l.text)
			}
		}
		if strings.Contains(l.text, "healed") || !strings.Contains(l.html, "<ul>\r\n<li>jane@acme.example: ") {
			t.Errorf("the text is\n%s\n%s", l.text, l.html)
		}
		w.park(s, "a3")
		time.Sleep(23*time.Hour + 50*time.Minute)
		if n := len(toAdministrators(t, w)); n != 1 {
			t.Errorf("%d mails within a day", n)
		}
		time.Sleep(10 * time.Minute)
		mails = toAdministrators(t, w)
		if len(mails) != 2 || mails[1].header.Get("Subject") != "3 mail accounts need attention" {
			t.Errorf("the next day: %d", len(mails))
		}
		time.Sleep(10 * 24 * time.Hour)
		if n := len(toAdministrators(t, w)); n != 2 {
			t.Errorf("%d mails about three accounts", n)
		}
	})
}

// Where nobody is there to tell, it waits for somebody; after the default time.
func TestNoAdministrator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.users.change("u2", func(u *relay.User) { u.Administrator = false })
		defer run(t, notice.New(w.options))()
		w.park(nil, "a1")
		time.Sleep(relay.DefaultTellAfter + time.Hour)
		if !w.told(t, "a1").Administrator.IsZero() {
			t.Error("noted, though nobody was told")
		}
		w.users.change("u2", func(u *relay.User) { u.Administrator = true })
		time.Sleep(10 * time.Minute)
		if n := len(toAdministrators(t, w)); n != 1 || w.told(t, "a1").Administrator.IsZero() {
			t.Errorf("%d mails, %v", n, w.told(t, "a1"))
		}
	})
}

// A crash between the mail and the notes, and between two notes: no second mail, and
// an account that broke in between is in the next one.
func TestCrashAroundTheAdministratorsMail(t *testing.T) {
	t.Parallel()
	for name, allowed := range map[string]int{"before the first note": 0, "between the notes": 1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			for _, id := range []string{"a1", "a2", "a3"} {
				w.account(id, relay.AccountParked, time.Now())
				w.accounts.change(id, func(a *relay.Account) { a.Told.Owner = a.StateSince })
				time.Sleep(time.Minute)
			}
			time.Sleep(relay.DefaultTellAfter)
			w.accounts.failing(func(method string) error {
				if method != "put" {
					return nil
				}
				if allowed--; allowed < 0 {
					return errCrash
				}
				return nil
			})
			stop := run(t, notice.New(w.options))
			synctest.Wait()
			stop()
			w.accounts.failing(nil)
			if n := len(toAdministrators(t, w)); n != 1 {
				t.Fatalf("%s: %d mails", name, n)
			}
			w.account("late", relay.AccountParked, time.Now())
			w.accounts.change("late", func(a *relay.Account) { a.Told.Owner = a.StateSince })
			stop = run(t, notice.New(w.options))
			time.Sleep(relay.DefaultTellAfter - time.Hour)
			if w.told(t, "a1").Administrator.IsZero() {
				t.Errorf("%s: nothing is noted", name)
			}
			if n := len(toAdministrators(t, w)); n != 1 {
				t.Errorf("%s: %d mails", name, n)
			}
			time.Sleep(2 * time.Hour)
			stop()
			mails := toAdministrators(t, w)
			if len(mails) != 2 || !strings.Contains(mails[1].text, "jane+late@") {
				t.Errorf("%s: %d mails in the end", name, len(mails))
			}
		})
	}
}

func TestAdministratorsStepsThatFail(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrStale} {
		for name, breakAt := range map[string]func(w *world, err error){
			"accounts":     func(w *world, err error) { w.accounts.failing(on("list", err)) },
			"notes":        func(w *world, err error) { w.accounts.failing(on("put", err)) },
			"users":        func(w *world, err error) { w.users.failing(on("list", err)) },
			"organisation": func(w *world, err error) { w.orgs.failing(on("get", err)) },
			"queue":        func(w *world, err error) { w.spool.refuse(err) },
		} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.account("a1", relay.AccountParked, time.Now())
				w.accounts.change("a1", func(a *relay.Account) { a.Told.Owner = a.StateSince })
				breakAt(w, broken)
				stop := run(t, notice.New(w.options))
				time.Sleep(relay.DefaultTellAfter + 10*time.Minute)
				if !strings.Contains(w.observer.broke(), broken.Error()) {
					t.Errorf("%s: faults %s", name, w.observer.broke())
				}
				breakAt(w, nil)
				time.Sleep(10 * time.Minute)
				stop()
				if n := w.spool.count(); n != 1 || w.told(t, "a1").Administrator.IsZero() {
					t.Errorf("%s, %v: %d mails", name, broken, n)
				}
			})
		}
	}
}

func TestManyAccountsAndAdministrators(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.options.BaseURL = ""
		for i := range 70 {
			id := fmt.Sprintf("m%02d", i)
			w.account(id, relay.AccountParked, time.Now())
			w.accounts.change(id, func(a *relay.Account) { a.Told.Owner = a.StateSince })
			w.users.change("admin"+id, func(u *relay.User) {
				*u = relay.User{ID: "admin" + id, Organisation: "o1", Address: relay.Address{Local: id, Domain: "acme.example"}, Administrator: true}
			})
		}
		defer run(t, notice.New(w.options))()
		time.Sleep(relay.DefaultTellAfter + 10*time.Minute)
		l := w.spool.letter(t, 0)
		if n := strings.Count(l.text, "\r\n- "); n != 50 || !strings.Contains(l.text, "And 20 more.") {
			t.Errorf("%d are listed", n)
		}
		if n := len(l.message.Envelope.Recipients); n != 50 {
			t.Errorf("%d administrators", n)
		}
		if !strings.Contains(l.text, "relayd account show ADDRESS") {
			t.Errorf("the text is\n%s", l.text)
		}
		time.Sleep(48 * time.Hour)
		if n := w.spool.count(); n != 1 {
			t.Errorf("%d mails", n)
		}
	})
}

func TestCodesAndInvitations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := notice.New(w.options)
		r := notice.Request{Account: "a1", Organisation: "o1", To: jane, By: "boss@acme.example"}
		for i := range notice.MaxCodes {
			token, link, err := s.SendCode(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			l := w.spool.letter(t, i)
			_, rest, _ := strings.Cut(l.text, "\r\n    ")
			code, _, _ := strings.Cut(rest, "\r\n")
			if len(code) != 9 || strings.Contains(l.raw, link.ID) || !strings.Contains(l.text, "asked for by boss@acme.example") {
				t.Errorf("the mail is\n%s", l.raw)
			}
			if got, err := s.Links().UseCode(t.Context(), token, code); err != nil || got.Account != "a1" {
				t.Errorf("the code %q: %v", code, err)
			}
		}
		if _, _, err := s.SendCode(t.Context(), r); !errors.Is(err, notice.ErrTooMany) {
			t.Errorf("one code more: %v", err)
		}
		time.Sleep(notice.CodeLifetime)
		if _, _, err := s.SendCode(t.Context(), r); err != nil {
			t.Errorf("later: %v", err)
		}
		for range notice.MaxInvitations {
			link, err := s.Invite(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			l := w.spool.letter(t, w.spool.count()-1)
			got, err := s.Links().Open(t.Context(), l.token(t))
			if err != nil || got.ID != link.ID || got.Purpose != relay.LinkConnect {
				t.Errorf("the invitation: %+v, %v", got, err)
			}
		}
		if _, err := s.Invite(t.Context(), r); !errors.Is(err, notice.ErrTooMany) {
			t.Errorf("one invitation more: %v", err)
		}
		var field *relay.FieldError
		if _, err := s.Invite(t.Context(), notice.Request{Account: "a1"}); !errors.As(err, &field) {
			t.Errorf("to nobody: %v", err)
		}
		if !slices.Contains(w.observer.made, notice.KindCode) || !slices.Contains(w.observer.made, notice.KindInvitation) {
			t.Errorf("observed %v", w.observer.made)
		}
	})
}

// What cannot be mailed leaves no link that counts, and no link at all if possible.
func TestCodesAndInvitationsThatFail(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown} {
		w := newWorld()
		s := notice.New(w.options)
		r := notice.Request{Account: "a1", Organisation: "o1", To: jane}
		try := func(name string) {
			t.Helper()
			token, _, err := s.SendCode(t.Context(), r)
			if !errors.Is(err, broken) || token != "" {
				t.Errorf("%s: a code: %q, %v", name, token, err)
			}
			if _, err := s.Invite(t.Context(), r); !errors.Is(err, broken) {
				t.Errorf("%s: an invitation: %v", name, err)
			}
			if w.spool.count() != 0 {
				t.Errorf("%s: %d mails", name, w.spool.count())
			}
		}
		w.spool.refuse(broken)
		for range 10 { // more than the limit
			try("queue")
		}
		if w.links.count() != 0 {
			t.Errorf("%d links are left", w.links.count())
		}
		w.spool.refuse(nil)
		for _, method := range []string{"put", "list"} {
			w.links.failing(on(method, broken))
			try(method)
		}
		w.links.failing(on("delete", broken))
		w.spool.refuse(broken)
		try("queue and directory")
		if !strings.Contains(w.observer.broke(), broken.Error()) {
			t.Errorf("faults %s", w.observer.broke())
		}
	}
}
