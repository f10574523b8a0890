package accounts

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/test/programtest"
)

// letter is a message, and what the application knows of it.
type letter struct {
	*programtest.Letter
	local string
	round int
	id    string    // under which relayd keeps it
	acked time.Time // when its 250 came
}

// round writes one letter of each person, in any order.
func (w *world) round(number int, locals []string) []*letter {
	order := slices.Clone(locals)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	letters := make([]*letter, 0, len(order))
	for i, local := range order {
		from := relay.Address{Local: local, Domain: programtest.Domain}
		seed := uint64(number*len(order) + i) //nolint:gosec // small numbers
		letters = append(letters, &letter{
			Letter: programtest.NewLetter(fmt.Sprintf("%s.%d", local, number), from, "bob@world.example", seed, 600),
			local:  local, round: number,
		})
	}
	w.letters = append(w.letters, letters...)
	return letters
}

// everybody is those who are well and those who are not.
func (w *world) everybody() []string {
	all := slices.Clone(w.well)
	for _, p := range w.broken {
		all = append(all, p.locals...)
	}
	return all
}

// submit gets letters acknowledged, evenly spread over time. Each person's letters are
// acknowledged in their order.
func (w *world) submit(letters []*letter, each1s int) {
	w.Helper()
	next := make(chan *letter)
	var clients sync.WaitGroup
	for range w.clients {
		clients.Go(func() { w.application(next) })
	}
	tick := time.NewTicker(time.Second / time.Duration(each1s))
	defer tick.Stop()
	for _, l := range letters {
		<-tick.C
		next <- l
	}
	close(next)
	clients.Wait()
	if w.Failed() {
		w.FailNow()
	}
}

// application submits what it is given over one connection.
func (w *world) application(letters <-chan *letter) {
	s, err := programtest.Dial(w.Context(), w.process.Addr())
	if err != nil {
		w.Errorf("connect to relayd: %v", err)
	}
	for l := range letters {
		if err != nil {
			continue // it was told, and the others go on
		}
		if l.id, err = s.Submit(l.Letter); err != nil {
			w.Errorf("submit %s: %v", l.HeaderID, err)
			continue
		}
		l.acked = time.Now()
	}
	if s != nil {
		s.Close()
	}
}

// arrived waits until all of the letters have come to a sink, and tells how long each
// was under way from its 250.
func (w *world) arrived(sink *programtest.Sink, letters []*letter) times {
	w.Helper()
	var at map[string]time.Time
	w.await("all mail of those who are well arrives", func() bool {
		taken := sink.Taken()
		at = make(map[string]time.Time, len(taken))
		for i := range taken {
			at[taken[i].HeaderID] = taken[i].At
		}
		return !slices.ContainsFunc(letters, func(l *letter) bool { _, came := at[l.HeaderID]; return !came })
	})
	all := make(times, 0, len(letters))
	for _, l := range letters {
		// It may arrive before the application has read the answer.
		all = append(all, max(at[l.HeaderID].Sub(l.acked), 0))
	}
	slices.Sort(all)
	return all
}

// times are in ascending order.
type times []time.Duration

func (t times) part(percent int) time.Duration { return t[(len(t)-1)*percent/100] }

// String tells the median, the 99th of a hundred, and the longest.
func (t times) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("median %v, p99 %v, longest %v", round(t.part(50)), round(t.part(99)), round(t.part(100)))
}

// isWell reports whether a letter goes through an account that works.
func (w *world) isWell(l *letter) bool { return slices.Contains(w.well, l.local) }
