package storetest

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// list gives all pages of a filter.
func (b *bench) list(f store.Filter) []relay.ID {
	b.Helper()
	var ids []relay.ID
	for {
		p, err := b.List(b.Context(), f)
		if err != nil {
			b.Fatalf("list %+v: %v", f, err)
		}
		for _, r := range p.Records {
			ids = append(ids, r.Message.ID)
		}
		if !p.More {
			return ids
		}
		f.After = ids[len(ids)-1]
	}
}

func testFilters(t *testing.T, b *bench) {
	plain, held, failed, done, routed := b.newMessage("bob"), b.newMessage("bob", "eve"), b.newMessage("max"), b.newMessage("eve"), b.newMessage("bob")
	failed.Submitter, done.From.Local = "erp", "john"
	held.Organisation, done.Organisation = "other", "other"
	for _, m := range []*relay.Message{plain, held, failed, done, routed} {
		b.put(m, "body")
	}
	b.change(held.ID, relay.EventHeld, func(s *relay.State) { s.Hold = &relay.Hold{Reason: "because"} })
	b.change(failed.ID, relay.EventAttempt, func(s *relay.State) { s.Recipients[0].Outcome = relay.Failed })
	b.change(done.ID, relay.EventAttempt, deliver)
	b.change(routed.ID, relay.EventAttempt, func(s *relay.State) { s.Route.Account = "acc" })
	outcome := func(o relay.Outcome) *relay.Outcome { return &o }
	cases := map[string]struct {
		filter store.Filter
		want   []*relay.Message // newest first
	}{
		"all":          {store.Filter{}, []*relay.Message{routed, done, failed, held, plain}},
		"waiting":      {store.Filter{Waiting: true}, []*relay.Message{routed, failed, held, plain}},
		"held":         {store.Filter{Held: true}, []*relay.Message{held}},
		"failed":       {store.Filter{Outcome: outcome(relay.Failed)}, []*relay.Message{failed}},
		"delivered":    {store.Filter{Outcome: outcome(relay.Delivered)}, []*relay.Message{done}},
		"pending":      {store.Filter{Outcome: outcome(relay.Pending)}, []*relay.Message{routed, held, plain}},
		"submitter":    {store.Filter{Submitter: "erp"}, []*relay.Message{failed}},
		"organisation": {store.Filter{Organisation: "other"}, []*relay.Message{done, held}},
		"from":         {store.Filter{From: "john@acme.example"}, []*relay.Message{done}},
		"recipient":    {store.Filter{Recipient: "eve@b.example"}, []*relay.Message{done, held}},
		"header id":    {store.Filter{HeaderID: plain.HeaderID}, []*relay.Message{plain}},
		"account":      {store.Filter{Account: "acc"}, []*relay.Message{routed}},
		"org and held": {store.Filter{Organisation: "acme", Held: true}, nil},
		"two at once":  {store.Filter{Recipient: "eve@b.example", Held: true}, []*relay.Message{held}},
		"after":        {store.Filter{After: failed.ID}, []*relay.Message{held, plain}},
		"nothing":      {store.Filter{From: "nobody@acme.example"}, nil},
	}
	for range 3 { // from what is not indexed yet, from the index, and after a crash
		for name, c := range cases {
			var want []relay.ID
			for _, m := range c.want {
				want = append(want, m.ID)
			}
			if got := b.list(c.filter); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %v, want %v", name, got, want)
			}
		}
		<-time.After(20 * time.Millisecond)
		b.crash()
	}
	b.change(held.ID, relay.EventReleased, func(s *relay.State) { s.Hold = nil })
	if got := b.list(store.Filter{Held: true}); got != nil {
		t.Fatalf("held after the release: %v", got)
	}
}

func testPages(t *testing.T, b *bench) {
	var want []relay.ID
	for i := range 57 {
		m := b.newMessage("bob")
		b.put(m, "body")
		if i%3 == 0 {
			b.change(m.ID, relay.EventAttempt, deliver)
		}
		if i == 30 {
			b.restart()
		}
		want = append([]relay.ID{m.ID}, want...)
	}
	for _, limit := range []int{1, 7, 57, 0, 10_000} {
		if got := b.list(store.Filter{Limit: limit}); !reflect.DeepEqual(got, want) {
			t.Fatalf("pages of %d: %d messages", limit, len(got))
		}
		if got := b.list(store.Filter{Limit: limit, Recipient: "bob@b.example"}); !reflect.DeepEqual(got, want) {
			t.Fatalf("pages of %d by recipient: %d messages", limit, len(got))
		}
	}
	p, err := b.List(t.Context(), store.Filter{})
	if err != nil || len(p.Records) != store.DefaultPage || !p.More {
		t.Fatalf("the default page has %d records, more %v, %v", len(p.Records), p.More, err)
	}
}

func testTimeline(t *testing.T, b *bench) {
	m := b.newMessage("bob", "eve")
	b.put(m, strings.Repeat("x", 1000))
	want := []relay.EventKind{relay.EventAccepted, relay.EventDotSent, relay.EventAttempt, relay.EventHeld}
	var last relay.Event
	for i, kind := range want[1:] {
		if i == 2 {
			b.crash()
		}
		s := b.change(m.ID, kind, func(s *relay.State) { s.Recipients[0].Attempts++ })
		b.timeline(m, s, want[:i+2], false)
	}
	done := b.change(m.ID, relay.EventAttempt, deliver)
	want = append(want, relay.EventAttempt)
	for range 3 {
		events := b.timeline(m, done, want, true)
		last = events[len(events)-1]
		if e := event(relay.EventAttempt); !reflect.DeepEqual(last.Results, e.Results) || last.Peer != e.Peer || last.Route != e.Route || last.By != e.By || last.Detail != e.Detail {
			t.Fatalf("event %+v", last)
		}
		b.restart()
	}
}

func (b *bench) timeline(m *relay.Message, s *relay.State, want []relay.EventKind, retired bool) []relay.Event {
	b.Helper()
	r, events, err := b.Timeline(b.Context(), m.ID)
	if err != nil {
		b.Fatalf("timeline: %v", err)
	}
	var got []relay.EventKind
	for _, e := range events {
		got = append(got, e.Kind)
	}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(r.Message, m) || !reflect.DeepEqual(r.State, s) || r.Retired.IsZero() == retired {
		b.Fatalf("timeline %v of %+v, want %v of state %+v", got, r, want, s)
	}
	return events
}
