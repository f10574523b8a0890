package storetest

import (
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/relay"
)

// submit puts a message under a key and returns under which ID it is kept.
func (b *bench) submit(m *relay.Message, key byte) relay.ID {
	b.Helper()
	id, err := b.Put(b.Context(), m, func() relay.SubmissionKey { return relay.SubmissionKey{key} }, strings.NewReader("body"))
	if err != nil {
		b.Fatalf("put: %v", err)
	}
	return id
}

func testRepeated(t *testing.T, b *bench) {
	m := b.newMessage("bob")
	if id := b.submit(m, 1); id != m.ID {
		t.Fatalf("first submission became %s", id)
	}
	again := b.newMessage("bob")
	if id := b.submit(again, 1); id != m.ID {
		t.Fatalf("the repetition became %s, want %s", id, m.ID)
	}
	b.gone(again.ID)
	if u := b.Usage(); u.Messages != 1 {
		t.Fatalf("usage %+v", u)
	}
	other := b.newMessage("bob")
	if id := b.submit(other, 2); id != other.ID {
		t.Fatalf("another submission became %s", id)
	}
	b.change(m.ID, relay.EventAttempt, deliver)
	if id := b.submit(again, 1); id != m.ID {
		t.Fatalf("the repetition after the delivery became %s", id)
	}
	b.Acknowledged(m.ID)
	if id := b.submit(again, 1); id != again.ID {
		t.Fatalf("a new submission after the 250 became %s", id)
	}
}

func testRepeatedRestart(t *testing.T, b *bench) {
	lost, seen := b.newMessage("bob"), b.newMessage("bob")
	b.submit(lost, 1)
	b.submit(seen, 2)
	b.Acknowledged(seen.ID)
	b.change(lost.ID, relay.EventAttempt, deliver) // with a group of its own, which the note joins
	b.crash()
	if id := b.submit(b.newMessage("bob"), 1); id != lost.ID {
		t.Fatalf("the repetition after a crash became %s, want %s", id, lost.ID)
	}
	again := b.newMessage("bob")
	if id := b.submit(again, 2); id != again.ID {
		t.Fatalf("a new submission after 250 and crash became %s", id)
	}
	b.Acknowledged(again.ID)
	b.restart()
	third := b.newMessage("bob")
	if id := b.submit(third, 2); id != third.ID {
		t.Fatalf("a new submission after 250 and restart became %s", id)
	}
}

func testRepeatedConcurrent(t *testing.T, b *bench) {
	ids := make([]relay.ID, 16)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() { ids[i] = b.submit(b.newMessage("bob"), 1) })
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one submission became %s and %s", ids[0], id)
		}
	}
	if u := b.Usage(); u.Messages != 1 {
		t.Fatalf("usage %+v", u)
	}
}
