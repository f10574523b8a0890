package accounts

import (
	"slices"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/test/programtest"
)

// arrivals gives everything that came to anybody, by Message-ID.
func (w *world) arrivals() map[string][]programtest.Arrival {
	all := map[string][]programtest.Arrival{}
	sinks := []*programtest.Sink{w.sink}
	for _, p := range w.broken {
		if p.sink != nil {
			sinks = append(sinks, p.sink)
		}
	}
	for _, s := range sinks {
		for _, a := range s.Taken() {
			all[a.HeaderID] = append(all[a.HeaderID], a)
		}
	}
	return all
}

// nothingBounced: whatever became of the accounts, no message failed, and nobody was
// sent a report (G3).
func (w *world) nothingBounced() {
	w.Helper()
	for _, m := range w.messages(apiclient.Filter{}) {
		if m.Kind != "submission" {
			w.Errorf("there is a %s from %s to %s", m.Kind, m.From, m.Recipients[0].Address)
		}
		for i := range m.Recipients {
			if r := &m.Recipients[i]; r.Outcome == "failed" || r.Outcome == "cancelled" {
				w.Errorf("%s: %s by rule %s: %s", m.MessageID, r.Outcome, r.Rule, r.Reply)
			}
		}
	}
}

// judge compares what was submitted with what arrived. It tells how many letters came
// again.
func (w *world) judge() (again int) {
	w.Helper()
	all := w.arrivals()
	for _, l := range w.letters {
		came := all[l.HeaderID]
		delete(all, l.HeaderID)
		if len(came) == 0 {
			w.Errorf("%s never arrived", l.HeaderID)
			continue
		}
		for i := range came {
			if came[i].Sum != l.Sum() || came[i].From != l.From.String() || !slices.Equal(came[i].To, l.To) {
				w.Errorf("%s arrived changed: %+v", l.HeaderID, came[i])
			}
		}
		again += len(came) - 1
		w.judgeAgain(l, came)
	}
	for id := range all {
		w.Errorf("%s arrived, which nobody submitted", id)
	}
	return again
}

// judgeAgain: a letter comes again only after an outcome that nobody knows, and is the
// same (G4).
func (w *world) judgeAgain(l *letter, came []programtest.Arrival) {
	w.Helper()
	if len(came) == 1 {
		return
	}
	if came[0].Whole != came[len(came)-1].Whole {
		w.Errorf("%s changed between its arrivals", l.HeaderID)
	}
	m, err := w.install.API.Message(w.Context(), l.id)
	if err != nil {
		w.Errorf("look at %s: %v", l.HeaderID, err)
		return
	}
	unknown := 0
	for i := range m.Timeline {
		if slices.ContainsFunc(m.Timeline[i].Results, func(r api.Result) bool { return r.Outcome == "unknown" }) {
			unknown++
		}
	}
	if len(came) > 1+unknown {
		w.Errorf("%s arrived %d times, with %d unknown outcomes", l.HeaderID, len(came), unknown)
	}
}

// inOrder: the letters of each person arrive in the order in which they were accepted.
func (w *world) inOrder() {
	w.Helper()
	all := w.arrivals()
	last := map[string]*letter{}
	for _, l := range w.letters { // in the order of their rounds
		if w.ordered(l) && len(all[l.HeaderID]) > 0 {
			if before := last[l.local]; before != nil && all[l.HeaderID][0].At.Before(all[before.HeaderID][0].At) {
				w.Errorf("%s arrived before %s", l.HeaderID, before.HeaderID)
			}
			last[l.local] = l
		}
	}
}

func (w *world) ordered(l *letter) bool {
	return !slices.ContainsFunc(w.broken, func(p *provider) bool { return p.byTheClock && slices.Contains(p.locals, l.local) })
}
