package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/api"
	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// A judge that cannot find a crime proves nothing.
func TestJudgeFindsWhatMustNotBe(t *testing.T) {
	t.Parallel()
	jane := relay.Address{Local: "jane", Domain: programtest.Domain}
	letter := programtest.NewLetter("1", jane, "bob@world.example", 1, 200)
	arrival := programtest.Arrival{HeaderID: letter.HeaderID, From: jane.String(), To: letter.To, Sum: letter.Sum()}
	for name, test := range map[string]struct {
		change  func(e *evidence)
		problem string
	}{
		"all is well":        {func(*evidence) {}, ""},
		"lost":               {func(e *evidence) { e.arrivals = nil }, "never arrived"},
		"changed":            {func(e *evidence) { e.arrivals[0].Sum[0]++ }, "another body"},
		"twice for a reason": {func(e *evidence) { e.arrivals = append(e.arrivals, arrival); e.unknown = one }, ""},
		"twice":              {func(e *evidence) { e.arrivals = append(e.arrivals, arrival) }, "arrived 2 times"},
		"three times":        {func(e *evidence) { e.arrivals = append(e.arrivals, arrival, arrival); e.unknown = one }, "arrived 3 times"},
		"from nowhere":       {func(e *evidence) { e.arrivals[0].HeaderID = "<x>" }, "nobody submitted"},
		"as somebody else":   {func(e *evidence) { e.arrivals[0].From = "eve@acme.example" }, "was sent from"},
		"to somebody else":   {func(e *evidence) { e.arrivals[0].To = []string{"eve@world.example"} }, "was not sent"},
		"kept twice":         {func(e *evidence) { e.kept[letter.HeaderID] = []string{"a", "b"} }, "is known as"},
		"kept as another":    {func(e *evidence) { e.kept[letter.HeaderID] = []string{"b"} }, "is known as"},
		"forgotten":          {func(e *evidence) { delete(e.kept, letter.HeaderID) }, "is known as"},
	} {
		e := &evidence{
			letters: map[string]*programtest.Letter{letter.HeaderID: letter}, acked: map[string]string{letter.HeaderID: "a"},
			arrivals: []programtest.Arrival{arrival}, kept: map[string][]string{letter.HeaderID: {"a"}},
			unknown: func(string) int { return 0 }, story: func(string) string { return "" },
		}
		test.change(e)
		problems := strings.Join(judge(e).problems, "\n")
		if (test.problem == "") != (problems == "") || !strings.Contains(problems, test.problem) {
			t.Errorf("%s: found %q, want %q", name, problems, test.problem)
		}
	}
}

func one(string) int { return 1 }

func TestTimelineTellsUnknownOutcomes(t *testing.T) {
	t.Parallel()
	attempt := func(outcome string) api.Event {
		return api.Event{Kind: "attempt", Results: []api.Result{{Outcome: outcome}}}
	}
	dot := api.Event{Kind: "dot sent"}
	restart := api.Event{Kind: "restart"} // not in real timelines: the test knows of it
	for name, test := range map[string]struct {
		events []api.Event
		want   int
	}{
		"delivered":            {[]api.Event{{Kind: "accepted"}, dot, attempt("delivered"), {Kind: "done"}}, 0},
		"refused, then sent":   {[]api.Event{attempt("deferred"), dot, attempt("deferred"), dot, attempt("delivered")}, 0},
		"crash after the dot":  {[]api.Event{dot, restart, dot, attempt("delivered")}, 1},
		"refused in between":   {[]api.Event{dot, restart, attempt("deferred"), dot, attempt("delivered")}, 1},
		"crash after the end":  {[]api.Event{dot, attempt("delivered"), restart}, 0},
		"crash before the dot": {[]api.Event{attempt("deferred"), restart, dot, attempt("delivered")}, 0},
		"no answer":            {[]api.Event{dot, attempt("unknown"), dot, attempt("delivered")}, 1},
		"crash and no answer":  {[]api.Event{dot, restart, dot, attempt("unknown"), dot, attempt("delivered")}, 2},
		"two dots":             {[]api.Event{dot, dot, attempt("delivered")}, 1},
		"still open":           {[]api.Event{dot}, 1},
		"looked up in between": {[]api.Event{dot, attempt("unknown"), attempt("unknown"), dot, attempt("delivered")}, 1},
	} {
		var events []api.Event
		var starts []time.Time
		for i, e := range test.events {
			e.At = time.Unix(int64(i), 0)
			if e.Kind == restart.Kind {
				starts = append(starts, e.At)
				continue
			}
			events = append(events, e)
		}
		if got := unknownOutcomes(events, starts); got != test.want {
			t.Errorf("%s: %d unknown outcomes, want %d", name, got, test.want)
		}
	}
}
