package notice_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/relay/notice"
	"github.com/relayd/relayd/store"
)

// source has entries by organisation.
type source struct {
	mu      sync.Mutex
	entries map[string][]notice.Entry
	err     error
}

func (s *source) Expiring(_ context.Context, organisation string, _, _ time.Time) ([]notice.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[organisation], s.err
}

func (s *source) set(organisation string, entries ...notice.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[organisation] = entries
}

// events keeps what is raised.
type events struct {
	mu   sync.Mutex
	err  error
	list []relay.AccountEvent
}

func (e *events) Emit(_ context.Context, event relay.AccountEvent) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.list = append(e.list, event)
	}
	return e.err
}

func (e *events) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.list)
}

func (e *events) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = err
}

const day = 24 * time.Hour

func TestCalendarMerges(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	at := func(days int, kind notice.EntryKind, what string) notice.Entry {
		return notice.Entry{When: now.Add(time.Duration(days) * day), Kind: kind, What: what}
	}
	w := newWorld()
	consents := &source{entries: map[string][]notice.Entry{"o1": {at(9, notice.EntryConsent, "jane"), at(2, notice.EntryConsent, "bob"), at(-1, notice.EntryConsent, "over")}}}
	apps := &source{entries: map[string][]notice.Entry{"o1": {at(5, notice.EntryAppSecret, "app"), at(30, notice.EntryAppSecret, "far"), at(9, notice.EntryAppSecret, "app")}, "o2": {at(1, notice.EntryAppSecret, "theirs")}}}
	broken := &source{err: errors.New("the source is dry")}
	w.options.Sources = []notice.Source{consents, broken, apps}
	got, err := notice.New(w.options).Calendar(t.Context(), "o1", now, now.Add(30*day))
	if err == nil || !strings.Contains(err.Error(), "dry") {
		t.Errorf("error %v", err)
	}
	var names []string
	for _, e := range got {
		names = append(names, e.What)
	}
	if !slices.Equal(names, []string{"bob", "app", "app", "jane"}) {
		t.Errorf("the calendar is %v", names)
	}
	if consents.entries["o1"][0].What != "jane" {
		t.Error("the source's own list was changed")
	}
}

func TestExpiryIsRaisedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		src, ev := &source{entries: map[string][]notice.Entry{}}, &events{}
		w.options.Sources, w.options.Events = []notice.Source{src}, ev
		start := time.Now()
		end := start.Add(20*day + 30*time.Minute)
		src.set("o1", notice.Entry{When: end, Kind: notice.EntryAppSecret, What: "CRM", App: "app1", Actor: notice.ActorAdministrator, Sentence: "Make a new client secret."})
		stop := run(t, notice.New(w.options))
		time.Sleep(6*day + time.Minute) // apart from the ticks
		if n := ev.count(); n != 0 {
			t.Errorf("%d events too early", n)
		}
		time.Sleep(time.Hour)
		if n := ev.count(); n != 1 {
			t.Fatalf("%d events two weeks before", n)
		}
		want := relay.AccountEvent{
			Kind: relay.AccountEventExpiring, At: end.Add(-14 * day).UTC(), Organisation: "o1", Rule: "expiry.app_secret",
			Reason: "CRM, Friday, 21 January 2000, 00:30 UTC: Make a new client secret.",
		}
		if ev.list[0] != want {
			t.Errorf("the event is %+v", ev.list[0])
		}
		stop()
		stop = run(t, notice.New(w.options)) // within a day: again, but the same
		time.Sleep(day)
		stop()
		if ev.count() != 2 || ev.list[1] != want {
			t.Errorf("after a restart: %+v", ev.list)
		}
		stop = run(t, notice.New(w.options)) // later: not again
		time.Sleep(11 * day)
		if n := ev.count(); n != 2 {
			t.Errorf("%d events meanwhile", n)
		}
		time.Sleep(3 * day)
		stop()
		if ev.count() != 3 || !ev.list[2].At.Equal(end.Add(-day)) {
			t.Errorf("a day before: %+v", ev.list)
		}
	})
}

func TestExpiryThatTurnsUpLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		src, ev := &source{entries: map[string][]notice.Entry{}}, &events{}
		w.options.Sources, w.options.Events = []notice.Source{src}, ev
		defer run(t, notice.New(w.options))()
		time.Sleep(time.Minute)
		// A new application whose secret ends in ten days, and an operator's certificate
		// that ends within the day: one event each, though more times are past.
		src.set("o1", notice.Entry{When: time.Now().Add(10 * day), What: "app"})
		src.set("", notice.Entry{When: time.Now().Add(20 * time.Hour), What: "certificate"})
		time.Sleep(2 * time.Hour)
		if ev.count() != 2 {
			t.Errorf("raised %+v", ev.list)
		}
		ev.fail(store.ErrFull)
		time.Sleep(9 * day)
		if !strings.Contains(w.observer.broke(), "full") {
			t.Errorf("faults %s", w.observer.broke())
		}
		ev.fail(nil)
		time.Sleep(2 * time.Hour)
		if ev.count() != 3 {
			t.Errorf("raised %+v", ev.list)
		}
		// A source and a directory that fail for a while keep nothing from being raised.
		src.mu.Lock()
		src.err = errors.New("the source is dry")
		src.mu.Unlock()
		w.orgs.failing(on("list", store.ErrClosed))
		src.set("o1", notice.Entry{When: time.Now().Add(3 * day), What: "another"})
		time.Sleep(2 * time.Hour)
		src.mu.Lock()
		src.err = nil
		src.mu.Unlock()
		time.Sleep(2 * time.Hour)
		w.orgs.failing(nil)
		time.Sleep(2 * time.Hour)
		if ev.count() != 4 || !strings.Contains(w.observer.broke(), "dry") || !strings.Contains(w.observer.broke(), "closed") {
			t.Errorf("raised %+v, %s", ev.list, w.observer.broke())
		}
	})
}
