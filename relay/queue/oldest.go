package queue

import (
	"bytes"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// ages knows the oldest message that waits. Messages end in any order: one that is
// not the oldest is only marked as gone, and leaves the heap when its turn comes, or
// when the marks outnumber the messages (promise G7: one that is held for months must
// not make the heap keep all that came after it).
type ages struct {
	mu      sync.Mutex
	waiting minHeap[byAge]
	gone    map[relay.ID]struct{}
}

type byAge relay.ID

func (a byAge) before(b byAge) bool { return bytes.Compare(a[:], b[:]) < 0 }

func (x *ages) add(id relay.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.waiting.push(byAge(id))
}

func (x *ages) remove(id relay.ID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone == nil {
		x.gone = make(map[relay.ID]struct{})
	}
	x.gone[id] = struct{}{}
	for len(x.waiting) > 0 {
		first := relay.ID(x.waiting[0])
		if _, ok := x.gone[first]; !ok {
			break
		}
		delete(x.gone, first)
		x.waiting.pop()
	}
	if len(x.gone) > manyGone && len(x.gone) > len(x.waiting)/2 {
		x.sweep()
	}
}

// manyGone is how many marks are not worth a sweep.
const manyGone = 1024

// sweep makes the heap anew from what waits.
func (x *ages) sweep() {
	var left minHeap[byAge]
	for _, id := range x.waiting {
		if _, ok := x.gone[relay.ID(id)]; !ok {
			left.push(id)
		}
	}
	x.waiting = left
	clear(x.gone)
}

// oldest is when the oldest waiting message was accepted; the zero time if none
// waits.
func (x *ages) oldest() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.waiting) == 0 {
		return time.Time{}
	}
	return relay.ID(x.waiting[0]).Time()
}
