package accounts

import (
	"testing"

	"github.com/relayd/relayd/internal/relaytest"
	"github.com/relayd/relayd/test/programtest"
)

// applications --SMTP--> relayd --SMTP--> a sink that works          (700 accounts)
//
//	--SMTP--> twelve providers in trouble  (25 accounts each)
//
// Mail of a thousand people flows. What is sent through the 700 accounts that work
// arrives while the 300 others are broken, all of them, and waits no longer than when
// nobody was (G6). What is sent through those is kept and shown with the reason, and
// nothing of it bounces (G3). When the providers work again and people have done what
// is theirs, everything arrives: once, but where nobody could know whether it had, and
// in order.
func TestBrokenAccountsDelayNoOthers(t *testing.T) {
	t.Parallel()
	size := scale{well: 700, each: 25, before: 2, beside: 5, each1s: 250, clients: 10}
	if testing.Short() {
		size.well, size.each, size.beside = 140, 5, 3
	}
	authority := relaytest.NewAuthority(t)
	w := newWorld(t, size, authority, ways(authority.Issue(host)), "")
	var before, beside, others []*letter
	for i := range w.before {
		before = append(before, w.round(i, w.well)...)
	}
	w.submit(before, w.each1s*w.scale.well/len(w.everybody()))
	alone := w.arrived(w.sink, before)
	first := w.install.Usage(w.process)

	for i := range w.beside {
		others = append(others, w.round(w.before+i, w.everybody())...)
	}
	for _, l := range others {
		if w.isWell(l) {
			beside = append(beside, l)
		}
	}
	w.submit(others, w.each1s)
	disturbed := w.arrived(w.sink, beside)
	t.Logf("from 250 to arrival, %d messages of %d accounts while all were well: %v", len(before), len(w.well), alone)
	t.Logf("%d messages of the same while %d were broken: %v", len(beside), len(w.everybody())-len(w.well), disturbed)
	w.shown()
	w.nothingBounced()
	most := w.install.Usage(w.process)

	w.mendAll(w.scale.each)
	w.goOn()
	w.nothingBounced()
	again := w.judge()
	w.inOrder()
	last := w.install.Usage(w.process)
	t.Logf("%d letters, %d arrived again after an unknown outcome", len(w.letters), again)
	for _, u := range []struct {
		when string
		programtest.Usage
	}{{"all well", first}, {"some broken", most}, {"all mended", last}} {
		t.Logf("%s: %d goroutines, %d files, %d MiB, at most %d MiB", u.when, u.Goroutines, u.Files, u.Memory>>20, u.Peak>>20)
	}
	if err := w.process.Stop(); err != nil {
		t.Errorf("after all that relayd does not end in good order: %v", err)
	}
}
