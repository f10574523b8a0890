package account_test

import (
	"testing"
	"time"

	"github.com/relayd/relayd/internal/simulator"
	"github.com/relayd/relayd/relay"
)

// A search of the mailbox corrects the card of a proved account, and writes nothing
// that the card says already.
func TestLearnWhoFilesSent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ proved, knew, saw, want bool }{
		{true, false, true, true}, {true, true, false, false}, {true, true, true, true}, {false, false, true, false},
	} {
		w := newWorld(t, simulator.Personality{})
		w.save(w.record(), password)
		w.table.change("a1", func(a *relay.Account) {
			a.Card.FilesSent = test.knew
			if test.proved {
				a.Card.VerifiedAt = time.Now()
			}
		})
		before := w.stored()
		if err := w.service.Learn(t.Context(), "a1", test.saw); err != nil {
			t.Fatal(err)
		}
		after := w.stored()
		if after.Card.FilesSent != test.want || (after.Revision != before.Revision) != (test.knew != test.want) || after.Version != before.Version {
			t.Errorf("%+v: files %v, revision %d after %d", test, after.Card.FilesSent, after.Revision, before.Revision)
		}
	}
	w := newWorld(t, simulator.Personality{})
	if err := w.service.Learn(t.Context(), "nobody", true); err == nil {
		t.Error("learned about an account that does not exist")
	}
}
