package crash

import (
	"fmt"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/test/programtest"
)

// evidence is everything that is known when all is over.
type evidence struct {
	letters  map[string]*programtest.Letter // every letter that was begun, by Message-ID
	acked    map[string]string              // the ledger: the id of each acknowledged one
	arrivals []programtest.Arrival          // what the sink took
	kept     map[string][]string            // the ids under which relayd knows a Message-ID
	unknown  func(id string) int            // how often the outcome of a message was unknown
	story    func(id string) string         // what relayd says of a message, for people
}

// verdict is the figures, and what must not be.
type verdict struct {
	acked, arrived, duplicates int
	problems                   []string
}

func (v *verdict) complain(format string, args ...any) {
	v.problems = append(v.problems, fmt.Sprintf(format, args...))
}

// judge compares what was promised with what happened.
func judge(e *evidence) *verdict {
	v := &verdict{acked: len(e.acked), arrived: len(e.arrivals)}
	times := map[string]map[string]int{} // Message-ID, recipient
	for i := range e.arrivals {
		a := &e.arrivals[i]
		v.judgeArrival(e, a)
		for _, to := range a.To {
			if times[a.HeaderID] == nil {
				times[a.HeaderID] = map[string]int{}
			}
			times[a.HeaderID][to]++
		}
	}
	for headerID, id := range e.acked {
		if e.letters[headerID] == nil {
			v.complain("the ledger has %s, which nobody submitted", headerID)
			continue
		}
		v.judgeAcked(e, headerID, id, times[headerID])
	}
	return v
}

// judgeArrival: it was submitted, to whom it came, and is what it was.
func (v *verdict) judgeArrival(e *evidence, a *programtest.Arrival) {
	letter := e.letters[a.HeaderID]
	if letter == nil {
		v.complain("%s arrived, which nobody submitted", a.HeaderID)
		return
	}
	if a.Sum != letter.Sum() {
		v.complain("%s arrived with another body", a.HeaderID)
	}
	if a.From != letter.From.String() {
		v.complain("%s arrived from %s and was sent from %s", a.HeaderID, a.From, letter.From)
	}
	for _, to := range a.To {
		if !slices.Contains(letter.To, to) {
			v.complain("%s arrived at %s, to whom it was not sent", a.HeaderID, to)
		}
	}
}

// judgeAcked: it arrived, is kept once under the id of the ledger, and each arrival
// but one has an unknown outcome before it.
func (v *verdict) judgeAcked(e *evidence, headerID, id string, times map[string]int) {
	if kept := e.kept[headerID]; !slices.Equal(kept, []string{id}) {
		v.complain("%s was acknowledged as %s and is known as %v", headerID, id, kept)
	}
	for _, to := range e.letters[headerID].To {
		switch n := times[to]; {
		case n == 0:
			v.complain("%s was acknowledged and never arrived at %s:\n%s", headerID, to, e.story(id))
		case n > 1:
			v.duplicates += n - 1
			if unknown := e.unknown(id); n > 1+unknown {
				v.complain("%s arrived %d times at %s, with %d unknown outcomes:\n%s", headerID, n, to, unknown, e.story(id))
			}
		}
	}
}

// unknownOutcomes counts in a timeline how often nobody could say whether the
// message was taken: a dot left, and what relayd records next is another dot, or comes
// from another process, or says that there was no answer.
func unknownOutcomes(events []api.Event, starts []time.Time) int {
	unknown := 0
	var dot *api.Event // without an answer so far
	for i := range events {
		e := &events[i]
		if dot != nil && slices.ContainsFunc(starts, func(s time.Time) bool { return s.After(dot.At) && s.Before(e.At) }) {
			unknown++
			dot = nil
		}
		switch e.Kind {
		case "dot sent":
			if dot != nil {
				unknown++
			}
			dot = e
		case "attempt":
			if dot != nil && slices.ContainsFunc(e.Results, func(r api.Result) bool { return r.Outcome == "unknown" }) {
				unknown++
			}
			dot = nil
		}
	}
	if dot != nil {
		unknown++
	}
	return unknown
}
