package notice_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/store"
)

func TestLinkWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	l := notice.NewLinks(w.links, key("k"))
	token, made, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(token, "/+=?&# ") {
		t.Errorf("the token %q cannot stand in a URL", token)
	}
	for range 3 { // programs that look at mail open every link
		got, err := l.Open(t.Context(), token)
		if err != nil || got.ID != made.ID || got.Account != "a1" || got.Purpose != relay.LinkMend || got.Organisation != "o1" {
			t.Fatalf("Open gives %+v, %v", got, err)
		}
	}
	if got, err := l.Use(t.Context(), token); err != nil || got.Used.IsZero() {
		t.Fatalf("Use gives %+v, %v", got, err)
	}
	for _, do := range []func() error{
		func() error { _, err := l.Use(t.Context(), token); return err },
		func() error { _, err := l.Open(t.Context(), token); return err },
	} {
		if err := do(); !errors.Is(err, notice.ErrUsed) {
			t.Errorf("after its use: %v", err)
		}
	}
}

// Wrong, expired, used and unknown links differ for us and for nobody else.
func TestLinksThatAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		l := notice.NewLinks(w.links, key("k"))
		newLink := func() (string, string) {
			token, link, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			return token, link.ID
		}
		token, id := newLink()
		foreign, _, _ := notice.NewLinks(w.links, key("other")).Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
		other, _ := newLink()
		_, mac, _ := strings.Cut(token, ".")
		otherID, _, _ := strings.Cut(other, ".")
		refused := map[string]struct {
			token string
			want  error
		}{
			"empty":           {"", notice.ErrForged},
			"an id alone":     {id, notice.ErrForged},
			"an empty MAC":    {id + ".", notice.ErrForged},
			"a short MAC":     {token[:len(token)-2], notice.ErrForged},
			"a longer one":    {token + "AA", notice.ErrForged},
			"padding":         {token + "=", notice.ErrForged},
			"a line end":      {token[:40] + "\n" + token[40:], notice.ErrForged},
			"huge":            {strings.Repeat(token, 1000), notice.ErrForged},
			"another key":     {foreign, notice.ErrForged},
			"MAC of another":  {otherID + "." + mac, notice.ErrForged},
			"an unknown link": {relay.NewID(time.Now()).String() + "." + mac, notice.ErrUnknownLink},
			"no id":           {"../../etc/passwd." + mac, notice.ErrForged},
		}
		for i := len(id) + 1; i < len(token)-1; i++ { // the last character has bits that do not count
			b := []byte(token)
			b[i] = 'A' + (b[i]+1)%26
			if string(b) != token {
				refused[fmt.Sprintf("changed at %d", i)] = struct {
					token string
					want  error
				}{string(b), notice.ErrForged}
			}
		}
		for name, c := range refused {
			_, err := l.Open(t.Context(), c.token)
			_, used := l.Use(t.Context(), c.token)
			if !errors.Is(err, c.want) || !errors.Is(used, c.want) {
				t.Errorf("%s: %v and %v, want %v", name, err, used, c.want)
			}
		}
		for name, edit := range map[string]func(*relay.Link){
			"another account": func(l *relay.Link) { l.Account = "a2" },
			"another purpose": func(l *relay.Link) { l.Purpose = relay.LinkConnect },
			"a later end":     func(l *relay.Link) { l.Expires = l.Expires.Add(time.Hour) },
		} {
			token, id := newLink()
			w.links.change(id, edit)
			if _, err := l.Open(t.Context(), token); !errors.Is(err, notice.ErrForged) {
				t.Errorf("%s in the record: %v", name, err)
			}
		}
		time.Sleep(time.Hour)
		if _, err := l.Use(t.Context(), token); !errors.Is(err, notice.ErrExpired) {
			t.Errorf("after an hour: %v", err)
		}
	})
	words := notice.Public(notice.ErrForged)
	for _, err := range []error{notice.ErrUnknownLink, notice.ErrExpired, notice.ErrUsed} {
		if notice.Public(fmt.Errorf("link 1: %w", err)) != words {
			t.Errorf("outsiders can tell %v", err)
		}
	}
	if notice.Public(notice.ErrWrongCode) != notice.Public(notice.ErrTooManyTries) {
		t.Error("outsiders can tell whether a code may still be tried")
	}
	if text := notice.Public(store.ErrFull); strings.Contains(text, "full") {
		t.Errorf("outsiders read %q", text)
	}
}

func TestLinksThatCannotBe(t *testing.T) {
	t.Parallel()
	l := notice.NewLinks(newWorld().links, key("k"))
	for name, make := range map[string]func() error{
		"a code without its code": func() error {
			_, _, err := l.Make(t.Context(), relay.LinkCode, "a1", "o1", time.Hour)
			return err
		},
		"no account":   func() error { _, _, err := l.Make(t.Context(), relay.LinkMend, "", "o1", time.Hour); return err },
		"no lifetime":  func() error { _, _, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", 0); return err },
		"for ever":     func() error { _, _, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", 1e6*time.Hour); return err },
		"some purpose": func() error { _, _, err := l.Make(t.Context(), "root", "a1", "o1", time.Hour); return err },
	} {
		if make() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Of many at once exactly one uses a link, on the real directory.
func TestLinkRace(t *testing.T) {
	t.Parallel()
	d := openDisk(t, t.TempDir())
	l := notice.NewLinks(d.directory.Links(), key("k"))
	token, _, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	used := 0
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			_, err := l.Use(t.Context(), token)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				used++
			} else if !errors.Is(err, notice.ErrUsed) {
				t.Errorf("a loser gets %v", err)
			}
		})
	}
	wg.Wait()
	if used != 1 {
		t.Fatalf("the link was used %d times", used)
	}
	dir := d.dir
	d.close()
	l = notice.NewLinks(openDisk(t, dir).directory.Links(), key("k"))
	if _, err := l.Use(t.Context(), token); !errors.Is(err, notice.ErrUsed) {
		t.Errorf("after a restart: %v", err)
	}
}

func TestCodes(t *testing.T) {
	t.Parallel()
	l := notice.NewLinks(newWorld().links, key("k"))
	seen := map[string]bool{}
	for range 50 {
		token, code, _, err := l.MakeCode(t.Context(), "a1", "o1")
		if err != nil {
			t.Fatal(err)
		}
		text := code.Reveal()
		if len(text) != 8 || strings.ContainsAny(text, "0OI1L2Z5S8B") || seen[text] {
			t.Fatalf("the code %q", text)
		}
		seen[text] = true
		if _, err := l.Use(t.Context(), token); !errors.Is(err, notice.ErrNeedsCode) {
			t.Errorf("without its code: %v", err)
		}
		if _, err := l.UseCode(t.Context(), token, strings.Repeat(text, 100)); !errors.Is(err, notice.ErrWrongCode) {
			t.Errorf("a long one: %v", err)
		}
		typed := " " + strings.ToLower(text[:4]) + "-" + text[4:] + "\r\n"
		if link, err := l.UseCode(t.Context(), token, typed); err != nil || link.Account != "a1" {
			t.Fatalf("%q: %v, %v", typed, link, err)
		}
		if _, err := l.UseCode(t.Context(), token, text); !errors.Is(err, notice.ErrUsed) {
			t.Errorf("twice: %v", err)
		}
	}
	token, _, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.UseCode(t.Context(), token, ""); err == nil {
		t.Error("a link without a code is used with an empty one")
	}
	if _, err := l.Open(t.Context(), token); err != nil {
		t.Errorf("and then: %v", err)
	}
}

// However many guess at once, and over a restart: five tries in all.
func TestGuessing(t *testing.T) {
	t.Parallel()
	d := openDisk(t, t.TempDir())
	l := notice.NewLinks(d.directory.Links(), key("k"))
	token, code, link, err := l.MakeCode(t.Context(), "a1", "o1")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	wrong := 0
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, err := l.UseCode(t.Context(), token, "AAAAAAAA")
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, notice.ErrWrongCode) {
				wrong++
			} else if !errors.Is(err, notice.ErrTooManyTries) {
				t.Errorf("a guess gets %v", err)
			}
		})
	}
	wg.Wait()
	if wrong != notice.MaxCodeTries {
		t.Errorf("%d codes were tried", wrong)
	}
	dir := d.dir
	d.close()
	d = openDisk(t, dir)
	if rec, err := d.directory.Links().Get(t.Context(), link.ID); err != nil || rec.Tries != notice.MaxCodeTries {
		t.Errorf("kept: %+v, %v", rec, err)
	}
	l = notice.NewLinks(d.directory.Links(), key("k"))
	if _, err := l.UseCode(t.Context(), token, code.Reveal()); !errors.Is(err, notice.ErrTooManyTries) {
		t.Errorf("the right code after all: %v", err)
	}
}

// A store that takes nothing tells nobody whether a code was right.
func TestGuessingWhileNothingCanBeKept(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown, store.ErrStale} {
		w := newWorld()
		l := notice.NewLinks(w.links, key("k"))
		token, code, _, err := l.MakeCode(t.Context(), "a1", "o1")
		if err != nil {
			t.Fatal(err)
		}
		w.links.failing(func(method string) error {
			if method == "put" {
				return broken
			}
			return nil
		})
		_, right := l.UseCode(t.Context(), token, code.Reveal())
		_, wrong := l.UseCode(t.Context(), token, "AAAAAAAA")
		if right == nil || wrong == nil || right.Error() != wrong.Error() || !errors.Is(right, broken) {
			t.Errorf("%v: %v and %v", broken, right, wrong)
		}
		w.links.failing(nil)
		if _, err := l.UseCode(t.Context(), token, code.Reveal()); err != nil {
			t.Errorf("later: %v", err)
		}
	}
}

func TestStoreFailsUnderLinks(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{store.ErrFull, store.ErrClosed, store.ErrUnknown} {
		w := newWorld()
		l := notice.NewLinks(w.links, key("k"))
		token, _, err := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w.links.failing(func(string) error { return broken })
		_, _, made := l.Make(t.Context(), relay.LinkMend, "a1", "o1", time.Hour)
		_, _, _, code := l.MakeCode(t.Context(), "a1", "o1")
		_, opened := l.Open(t.Context(), token)
		_, used := l.Use(t.Context(), token)
		for _, err := range []error{made, code, opened, used} {
			if !errors.Is(err, broken) || notice.Public(err) == notice.Public(notice.ErrForged) {
				t.Errorf("%v: %v", broken, err)
			}
		}
	}
}

// The record alone opens nothing: neither token nor code can be read from it.
func TestRecordsHoldNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld()
	l := notice.NewLinks(w.links, key("k"))
	token, code, link, err := l.MakeCode(t.Context(), "a1", "o1")
	if err != nil {
		t.Fatal(err)
	}
	if link.Code != nil {
		t.Error("callers get the hash")
	}
	rec, _ := w.links.Get(t.Context(), link.ID)
	text, _ := json.Marshal(rec)
	_, mac, _ := strings.Cut(token, ".")
	if strings.Contains(string(text), code.Reveal()) || strings.Contains(string(text), mac) || len(rec.Code) != 32 {
		t.Errorf("the record is %s", text)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", code, code, code), code.Reveal()) {
		t.Error("the code prints")
	}
}

func TestCodeExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := notice.NewLinks(newWorld().links, key("k"))
		token, code, _, err := l.MakeCode(t.Context(), "a1", "o1")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(notice.CodeLifetime - time.Second)
		if _, err := l.UseCode(t.Context(), token, "AAAAAAAA"); !errors.Is(err, notice.ErrWrongCode) {
			t.Errorf("just before: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := l.UseCode(t.Context(), token, code.Reveal()); !errors.Is(err, notice.ErrExpired) {
			t.Errorf("after half an hour: %v", err)
		}
	})
}

// Run removes links a day after their end, used ones as well.
func TestExpiredLinksAreSwept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := notice.New(w.options)
		l := s.Links()
		for i := range 450 { // more than two pages
			if _, _, err := l.Make(t.Context(), relay.LinkMend, fmt.Sprint(i), "o1", time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		long, _, err := l.Make(t.Context(), relay.LinkConnect, "a1", "o1", 7*24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		defer run(t, s)()
		time.Sleep(24*time.Hour + time.Minute)
		if w.links.count() != 451 {
			t.Errorf("after a day %d are left", w.links.count())
		}
		w.links.failing(func(method string) error {
			if method == "delete" {
				return store.ErrFull
			}
			return nil
		})
		time.Sleep(2 * time.Hour)
		w.links.failing(nil)
		if w.links.count() != 451 || !strings.Contains(w.observer.broke(), "full") {
			t.Errorf("while nothing can be removed: %d, %s", w.links.count(), w.observer.broke())
		}
		time.Sleep(2 * time.Hour)
		if w.links.count() != 1 {
			t.Errorf("%d are left", w.links.count())
		}
		if _, err := l.Open(t.Context(), long); err != nil {
			t.Errorf("the one that lives: %v", err)
		}
	})
}

// Whatever is taken for a token, only one that was made opens anything.
func FuzzToken(f *testing.F) {
	w := newWorld()
	l := notice.NewLinks(w.links, key("k"))
	token, _, err := l.Make(f.Context(), relay.LinkMend, "a1", "o1", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", ".", token, token[:27], token + "\r\n", "a." + token, strings.ToUpper(token)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := l.Open(t.Context(), text); (err == nil) != (text == token) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
