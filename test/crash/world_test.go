package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/apiclient"
	"github.com/relayd/relayd/test/programtest"
)

// world is an installation under attack, with what the applications know.
type world struct {
	*testing.T
	install *programtest.Installation
	sink    *programtest.Sink
	senders []programtest.Account
	ledger  *ledger

	mu      sync.Mutex
	letters map[string]*programtest.Letter
	current *programtest.Process
	starts  []time.Time // each after the process before has ended
}

// senderCount is how many people send: enough for several lanes.
const senderCount = 6

// newWorld prepares an installation with its data in a directory, or in a temporary one.
func newWorld(t *testing.T, data string, config map[string]string) *world {
	t.Helper()
	w := &world{T: t, letters: map[string]*programtest.Letter{}}
	w.sink = programtest.StartSink(t, func() { pause(t.Context(), chance(maxAnswerWait)) })
	for i := range senderCount {
		w.senders = append(w.senders, programtest.Account{Local: fmt.Sprintf("jane%d", i), SMTP: w.sink.Addr()})
	}
	w.ledger = openLedger(t, filepath.Join(t.TempDir(), "ledger"))
	w.install = programtest.New(t, programtest.Options{Binary: binary, Data: data, Accounts: w.senders, Config: config})
	return w
}

// maxAnswerWait is how long the sink may take for its final answers: long enough for
// crashes between dot and answer.
const maxAnswerWait = 20 * time.Millisecond

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// chance is a random duration below limit.
func chance(limit time.Duration) time.Duration { return rand.N(limit) } //nolint:gosec // chances of a test

// oneIn is true once in n times.
func oneIn(n int) bool { return rand.IntN(n) == 0 } //nolint:gosec // chances of a test

// start runs relayd, waits until it listens, and tells the applications where.
func (w *world) start() *programtest.Process {
	w.Helper()
	w.starting()
	return w.appear(w.install.Start())
}

// launch is start without waiting.
func (w *world) launch() *programtest.Process {
	w.Helper()
	w.starting()
	return w.appear(w.install.Launch())
}

func (w *world) starting() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, time.Now())
}

// appear makes a process the one that the applications speak to.
func (w *world) appear(p *programtest.Process) *programtest.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = p
	return p
}

func (w *world) process() *programtest.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current
}

// newLetter writes the next letter: mostly small, sometimes large enough for a file
// of its own, sometimes to two people.
func (w *world) newLetter() *programtest.Letter {
	size := 300 + rand.IntN(3000) //nolint:gosec // chances of a test
	if oneIn(4) {
		size = 5000 + rand.IntN(60_000) //nolint:gosec // chances of a test
	}
	return w.letterOf(size)
}

func (w *world) letterOf(size int) *programtest.Letter {
	w.mu.Lock()
	defer w.mu.Unlock()
	number := len(w.letters)
	from := w.senders[number%len(w.senders)]
	l := programtest.NewLetter(fmt.Sprintf("letter%d", number), from.Address(), "bob@world.example", uint64(number), size) //nolint:gosec // a small number
	if oneIn(5) {
		l.To = append(l.To, "carol@elsewhere.example")
	}
	w.letters[l.HeaderID] = l
	return l
}

// await waits until a condition of another process holds.
func (w *world) await(what string, holds func() bool) {
	w.Helper()
	deadline := time.NewTimer(programtest.Patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			w.Fatalf("%s: it never came to that\n%s", what, w.waiting())
		case <-tick.C:
		}
	}
}

// waiting tells what is left in the queue, and what happened to it.
func (w *world) waiting() string {
	var text strings.Builder
	page, err := w.install.API.Messages(w.Context(), apiclient.Filter{"waiting": "true", "limit": "3"})
	if err != nil {
		return err.Error()
	}
	for i := range page.Items {
		text.WriteString(w.story(page.Items[i].ID))
	}
	return text.String()
}

// story tells how a message stands, and what happened to it.
func (w *world) story(id string) string {
	m, err := w.install.API.Message(w.Context(), id)
	if err != nil {
		return err.Error()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s: %+v, hold %+v\n", m.ID, m.Status, m.Recipients, m.Hold)
	for i := range m.Timeline {
		e := &m.Timeline[i]
		fmt.Fprintf(&text, "   %s %s %s %+v\n", e.At.Format("15:04:05.000"), e.Kind, e.Detail, e.Results)
	}
	return text.String()
}

// drained waits until nothing is left in the queue.
func (w *world) drained() {
	w.Helper()
	w.await("an empty queue", func() bool {
		usage, err := w.install.API.Usage(w.Context())
		return err == nil && usage.Messages == 0
	})
}

// settle waits for an empty queue, judges, and shows the figures.
func (w *world) settle() *verdict {
	w.Helper()
	w.drained()
	e := &evidence{letters: w.letters, acked: w.ledger.read(w.T), arrivals: w.sink.Taken(), kept: w.kept(), unknown: w.unknown, story: w.story}
	v := judge(e)
	for i, problem := range v.problems {
		if i == 10 {
			w.Errorf("and %d more", len(v.problems)-i)
			break
		}
		w.Error(problem)
	}
	return v
}

// kept asks relayd for every message that it knows.
func (w *world) kept() map[string][]string {
	w.Helper()
	ids := map[string][]string{}
	filter := apiclient.Filter{"limit": "500"}
	for {
		page, err := w.install.API.Messages(w.Context(), filter)
		if err != nil {
			w.Fatal(err)
		}
		for i := range page.Items {
			m := &page.Items[i]
			ids[m.MessageID] = append(ids[m.MessageID], m.ID)
		}
		if page.Next == "" {
			return ids
		}
		filter["cursor"] = page.Next
	}
}

// unknown reads a timeline.
func (w *world) unknown(id string) int {
	w.Helper()
	m, err := w.install.API.Message(w.Context(), id)
	if err != nil {
		w.Errorf("the timeline of %s: %v", id, err)
		return 0
	}
	return unknownOutcomes(m.Timeline, w.starts)
}
