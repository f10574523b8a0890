package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// ledger is what the promises say of one message: what was answered, and what may
// have happened without an answer.
type ledger struct {
	message   *relay.Message
	body      string
	put       bool // Put returned nil
	revision  uint64
	attempted uint64 // the highest revision that was tried
	retired   bool   // the retirement returned nil
	maybe     bool   // a retirement was tried
}

// testCrashes lets writers work at random, cuts the power in the middle of it, and
// compares what is found with what was answered; several times over.
func testCrashes(t *testing.T, b *bench) {
	books := map[relay.ID]*ledger{}
	var mu sync.Mutex
	for round := range 6 {
		var wg sync.WaitGroup
		done := make(chan struct{})
		shares := [4][]*ledger{}
		for w := range shares {
			shares[w] = b.share(books, w)
		}
		for w, mine := range shares {
			rng := rand.New(rand.NewPCG(uint64(round), uint64(w)))
			wg.Go(func() {
				for n := 0; b.act(rng, &mine, &mu, books); n++ {
					if w == 0 && n == 60 {
						close(done)
					}
				}
			})
		}
		<-done
		b.host.Crash(t)
		wg.Wait()
		b.Queue = b.host.Open(t)
		b.audit(books)
	}
}

// share deals the messages that live out among the writers, so that each message has
// one writer as it has one conductor.
func (b *bench) share(books map[relay.ID]*ledger, w int) (mine []*ledger) {
	for id, l := range books {
		if int(id[15])%4 == w && l.put && !l.retired {
			mine = append(mine, l)
		}
	}
	return mine
}

// act does one thing; false when the queue is gone.
func (b *bench) act(rng *rand.Rand, mine *[]*ledger, mu *sync.Mutex, books map[relay.ID]*ledger) bool {
	if len(*mine) == 0 || rng.IntN(3) == 0 {
		l := b.newLedger(rng)
		mu.Lock()
		books[l.message.ID] = l
		mu.Unlock()
		_, err := b.Put(context.Background(), l.message, nil, strings.NewReader(l.body))
		if err == nil {
			l.put = true
			*mine = append(*mine, l)
		}
		return err == nil || errors.Is(err, store.ErrFull)
	}
	i := rng.IntN(len(*mine))
	l := (*mine)[i]
	s := relay.NewState(l.message)
	s.Revision = l.revision + 1
	retire := rng.IntN(3) > 0
	if retire {
		deliver(s)
		l.maybe = true
	}
	l.attempted = s.Revision
	if err := b.Record(context.Background(), l.message.ID, s, event(relay.EventAttempt)); err != nil {
		return false
	}
	if l.revision = s.Revision; retire {
		l.retired = true
		*mine = append((*mine)[:i], (*mine)[i+1:]...)
	}
	return true
}

func (b *bench) newLedger(rng *rand.Rand) *ledger {
	m := b.newMessage("bob")
	size := rng.IntN(4000)
	if rng.IntN(20) == 0 {
		size = LargeBody
	}
	l := &ledger{message: m, body: strings.Repeat(fmt.Sprintf("%d ", rng.IntN(1000)), size/4)}
	m.Size = int64(len(l.body))
	return l
}

// audit compares, and settles what was in doubt by what is found.
func (b *bench) audit(books map[relay.ID]*ledger) {
	b.Helper()
	waiting := map[relay.ID]bool{}
	all := func(m *relay.Message, s *relay.State) bool { waiting[m.ID] = true; return true }
	if err := b.Waiting(context.Background(), all); err != nil {
		b.Fatalf("waiting: %v", err)
	}
	for id, l := range books {
		_, s, err := b.Get(context.Background(), id)
		found := err == nil
		switch {
		case err != nil && !errors.Is(err, store.ErrNotFound):
			b.Fatalf("get %s: %v", id, err)
		case found != waiting[id]:
			b.Fatalf("%s: found %v, waiting %v", id, found, waiting[id])
		case !found && l.put && !l.maybe:
			b.Fatalf("%s was answered and is lost", id)
		case found && l.retired:
			b.Fatalf("%s was retired and came back", id)
		case found && (s.Revision < l.revision || s.Revision > l.attempted):
			b.Fatalf("%s has revision %d, of %d answered and %d tried", id, s.Revision, l.revision, l.attempted)
		case found && b.body(id) != l.body:
			b.Fatalf("%s has another content", id)
		}
		l.put, l.retired = found, !found
		if l.maybe = false; found {
			l.revision, l.attempted = s.Revision, s.Revision
		}
		delete(waiting, id)
	}
	if len(waiting) > 0 {
		b.Fatalf("%d messages were never put", len(waiting))
	}
}
