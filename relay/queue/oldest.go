package queue

import (
	"bytes"
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// ages knows the oldest message that waits. Messages end in any order: one that is
// not the oldest is only marked as gone, and leaves the heap when its turn comes.
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
			return
		}
		delete(x.gone, first)
		x.waiting.pop()
	}
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
