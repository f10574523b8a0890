package accounts

import (
	"slices"
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
)

// applications --SMTP--> relayd, 50 deliveries at one time --SMTP--> a sink that works (40 accounts)
//
//	--SMTP--> three providers that never get to the end of their first words (60 accounts)
//
// Every account whose server is silent would keep a place for minutes, and there are
// three times as many as places for accounts of which nothing is known. They give way: the mail of the others arrives while all
// of those are still silent (G6), and theirs is kept and arrives at last (G3).
func TestMoreSilentAccountsThanPlaces(t *testing.T) {
	t.Parallel()
	size := scale{well: 40, each: 20, beside: 3, each1s: 50, clients: 4}
	authority := relaytest.NewAuthority(t)
	silent := slices.DeleteFunc(ways(authority.Issue(host)), func(w way) bool { return w.line == nil })
	for i := range silent {
		silent[i].byTheClock = true
		silent[i].shows = "under way|local: timeout|waits for its turn"
	}
	w := newWorld(t, size, authority, silent, ", workers: 50")
	for i := range w.beside {
		all := w.round(i, w.everybody())
		w.submit(all, w.each1s)
		well := slices.DeleteFunc(slices.Clone(all), func(l *letter) bool { return !w.isWell(l) })
		t.Logf("round %d: from 250 to arrival, %d messages while %d accounts were silent: %v", i+1, len(well), len(all)-len(well), w.arrived(w.sink, well))
	}
	w.shown()
	w.nothingBounced()
	w.mendAll(0)
	w.goOn()
	w.nothingBounced()
	if again := w.judge(); again > 0 {
		t.Errorf("%d letters arrived again, and no outcome was unknown", again)
	}
}
