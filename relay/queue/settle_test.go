package queue

import (
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// Each case is one answer to one recipient and what becomes of it.
func TestSettle(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_790_000_000, 0)
	p := policy{backoff: DefaultBackoff(), unknownWait: time.Minute, random: func() float64 { return 0.5 }}
	const young, old = time.Minute, 6 * 24 * time.Hour
	park, slow, stop := &relay.Trouble{Kind: relay.TroublePark}, &relay.Trouble{Kind: relay.TroubleSlow}, &relay.Trouble{Kind: relay.TroubleAborted}
	answer := func(o relay.Outcome, code int) relay.Result {
		return relay.Result{Outcome: o, Reply: relay.Reply{Code: code}}
	}
	for name, tc := range map[string]struct {
		before  relay.RecipientState
		result  relay.Result
		trouble *relay.Trouble
		age     time.Duration
		notify  relay.Notify

		outcome  relay.Outcome
		reported bool
		attempts int
		wait     time.Duration // to the next attempt; negative: none is planned
	}{
		"accepted":                           {result: answer(relay.Delivered, 250), outcome: relay.Delivered, reported: true, wait: -1},
		"accepted, success wanted":           {result: answer(relay.Delivered, 250), notify: relay.NotifySuccess, outcome: relay.Delivered, wait: -1},
		"accepted, the peer will report":     {result: relay.Result{Outcome: relay.Delivered, PeerReports: true}, notify: relay.NotifySuccess, outcome: relay.Delivered, reported: true, wait: -1},
		"refused":                            {result: answer(relay.Failed, 550), outcome: relay.Failed, wait: -1},
		"refused, never report":              {result: answer(relay.Failed, 550), notify: relay.NotifyNever, outcome: relay.Failed, reported: true, wait: -1},
		"deferred":                           {result: answer(relay.Deferred, 451), outcome: relay.Deferred, attempts: 1, wait: time.Minute},
		"deferred again":                     {before: relay.RecipientState{Attempts: 2}, result: answer(relay.Deferred, 451), outcome: relay.Deferred, attempts: 3, wait: 10 * time.Minute},
		"deferred, the peer says when":       {result: relay.Result{Outcome: relay.Deferred, Pause: time.Hour, Reply: relay.Reply{Code: 451}}, outcome: relay.Deferred, attempts: 1, wait: time.Hour},
		"deferred too long":                  {before: relay.RecipientState{Attempts: 9}, result: answer(relay.Deferred, 451), age: old, outcome: relay.Failed, attempts: 9, wait: -1},
		"no answer after the dot":            {before: relay.RecipientState{DotSent: true}, result: answer(relay.Unknown, 0), outcome: relay.Unknown, attempts: 1, wait: time.Minute},
		"unknown, then not reached":          {before: relay.RecipientState{Outcome: relay.Unknown, DotSent: true, Attempts: 1}, result: answer(relay.Deferred, 0), outcome: relay.Unknown, attempts: 2, wait: 5 * time.Minute},
		"unknown, then refused before a dot": {before: relay.RecipientState{Outcome: relay.Unknown, DotSent: true, Attempts: 1}, result: answer(relay.Deferred, 451), outcome: relay.Unknown, attempts: 2, wait: 5 * time.Minute},
		"refused for now after the dot":      {before: relay.RecipientState{DotSent: true}, result: answer(relay.Deferred, 452), outcome: relay.Deferred, attempts: 1, wait: time.Minute},
		"the account is parked":              {result: answer(relay.Deferred, 535), trouble: park, age: old, outcome: relay.Deferred},
		"the lane is slow":                   {result: answer(relay.Deferred, 421), trouble: slow, outcome: relay.Deferred, wait: minRest},
		"the lane is slow for too long":      {result: answer(relay.Deferred, 421), trouble: slow, age: old, outcome: relay.Failed, wait: -1},
		"broken off":                         {result: answer(relay.Deferred, 0), trouble: stop, age: old, outcome: relay.Deferred, wait: time.Second},
		"broken off while it was unknown":    {before: relay.RecipientState{Outcome: relay.Unknown, DotSent: true}, result: answer(relay.Deferred, 0), trouble: stop, outcome: relay.Unknown, wait: time.Second},
		"an answer that came too late":       {before: relay.RecipientState{Outcome: relay.Cancelled, Reported: true}, result: answer(relay.Delivered, 250), outcome: relay.Cancelled, reported: true, wait: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.age == 0 {
				tc.age = young
			}
			m := message("b.example")
			m.Accepted = now.Add(-tc.age)
			m.Envelope.Recipients[0].Notify = tc.notify
			before := relay.NewState(m)
			before.Recipients[0] = tc.before
			s := settle(p, now, m, before, direct, &relay.Attempt{Results: []relay.Result{tc.result}, Trouble: tc.trouble})
			r := s.Recipients[0]
			if r.Outcome != tc.outcome || r.Reported != tc.reported || r.Attempts != tc.attempts {
				t.Errorf("outcome %s, reported %v, %d attempts; want %s, %v, %d", r.Outcome, r.Reported, r.Attempts, tc.outcome, tc.reported, tc.attempts)
			}
			if want := now.Add(tc.wait); tc.wait > 0 && !r.Next.Equal(want) || tc.wait == 0 && !r.Next.IsZero() {
				t.Errorf("next at %v, want %v", r.Next, want)
			}
			if r.DotSent != (r.Outcome == relay.Unknown) {
				t.Errorf("dot sent %v with outcome %s", r.DotSent, r.Outcome)
			}
			if s.Revision != before.Revision+1 {
				t.Errorf("revision %d", s.Revision)
			}
		})
	}
}

func TestCopyBecomesDueOnce(t *testing.T) {
	t.Parallel()
	delivered := &relay.Attempt{Way: relay.WayGraph, Results: []relay.Result{{Outcome: relay.Delivered}}}
	p := policy{backoff: DefaultBackoff(), random: func() float64 { return 0 }}
	for name, tc := range map[string]struct {
		route  relay.Route
		change func(*relay.Message, *relay.State, *policy)
		want   relay.CopyStatus
	}{
		"through the account": {throughAccount, func(*relay.Message, *relay.State, *policy) {}, relay.CopyPending},
		"directly":            {direct, func(*relay.Message, *relay.State, *policy) {}, relay.CopyNone},
		"a report":            {throughAccount, func(m *relay.Message, _ *relay.State, _ *policy) { m.Kind = relay.KindReport }, relay.CopyNone},
		"filed already":       {throughAccount, func(_ *relay.Message, s *relay.State, _ *policy) { s.Copy.Status = relay.CopyFiled }, relay.CopyFiled},
		"switched off":        {throughAccount, func(_ *relay.Message, _ *relay.State, p *policy) { p.noCopies = true }, relay.CopyNone},
	} {
		m := message("b.example")
		before, p := relay.NewState(m), p
		tc.change(m, before, &p)
		got := settle(p, time.Now(), m, before, tc.route, delivered).Copy
		if got.Status != tc.want {
			t.Errorf("%s: the copy is %s, want %s", name, got.Status, tc.want)
		}
		// The way that decided tells whether the provider files the copy by itself.
		if (got.Way == relay.WayGraph) != (got.Status == relay.CopyPending) {
			t.Errorf("%s: the copy of a message that went by Graph says %q", name, got.Way)
		}
	}
}
