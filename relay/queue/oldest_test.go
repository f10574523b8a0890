package queue

import (
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// Promise G7: one message that stays for ever does not make the others stay in memory.
func TestAgesForgetWhatIsGone(t *testing.T) {
	t.Parallel()
	var x ages
	held := relay.NewID(time.UnixMilli(1))
	x.add(held)
	for i := range 100_000 {
		id := relay.NewID(time.UnixMilli(int64(i + 2)))
		x.add(id)
		x.remove(id)
		if n := len(x.waiting) + len(x.gone); n > 4*manyGone {
			t.Fatalf("%d entries for one message that waits", n)
		}
	}
	if !x.oldest().Equal(held.Time()) {
		t.Errorf("oldest is of %v", x.oldest())
	}
	x.remove(held)
	if !x.oldest().IsZero() || len(x.waiting)+len(x.gone) != 0 {
		t.Errorf("%d wait and %d are gone after the last one", len(x.waiting), len(x.gone))
	}
}
