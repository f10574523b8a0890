package embedded

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// Whatever is under way when the queue is closed is either answered and kept, or ends
// with ErrClosed; content that is open stays readable.
func TestCloseUnderFire(t *testing.T) {
	t.Parallel()
	for range 5 {
		o := smallQueue(t.TempDir())
		q := openSmall(t, o)
		kept, gone := &sync.Map{}, &sync.Map{}
		busy := make(chan struct{}, 8)
		var wg sync.WaitGroup
		for range cap(busy) {
			wg.Go(func() {
				for n := 0; liveAndDie(t, q, n, kept, gone); n++ {
					if n == 20 {
						busy <- struct{}{}
					}
				}
			})
		}
		<-busy
		if err := q.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		q = openSmall(t, o)
		kept.Range(func(id, body any) bool {
			if got := contentOf(t, q, id.(relay.ID)); got != body {
				t.Errorf("content of %v has %d octets", id, len(got))
			}
			return true
		})
		gone.Range(func(id, _ any) bool {
			if _, _, err := q.Get(t.Context(), id.(relay.ID)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%v was retired: %v", id, err)
			}
			return true
		})
	}
}

// liveAndDie puts a message, reads it, and retires every second one; false when the
// queue is closed.
func liveAndDie(t *testing.T, q *Queue, n int, kept, gone *sync.Map) bool {
	m, body := newMessage("bob"), strings.Repeat("x", 1+n%7*3000)
	m.Size = int64(len(body))
	if _, err := q.Put(context.Background(), m, nil, strings.NewReader(body)); err != nil {
		return endedWell(t, "put", err)
	}
	kept.Store(m.ID, body)
	c, err := q.Open(context.Background(), m.ID)
	if err != nil {
		return endedWell(t, "open", err)
	}
	defer c.Close()
	if n%2 == 0 {
		s := relay.NewState(m)
		s.Revision, s.Recipients[0].Outcome, s.Recipients[0].Reported = 1, relay.Delivered, true
		kept.Delete(m.ID)
		if err := q.Record(context.Background(), m.ID, s, relay.Event{Kind: relay.EventAttempt}); err != nil {
			kept.Store(m.ID, body)
			return endedWell(t, "record", err)
		}
		gone.Store(m.ID, nil)
	}
	if got, err := io.ReadAll(c.Reader()); err != nil || len(got) != len(body) {
		t.Errorf("read of what is open: %d octets, %v", len(got), err)
	}
	return true
}

func endedWell(t *testing.T, step string, err error) bool {
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("%s: %v", step, err)
	}
	return false
}
