package webhook

import (
	"container/heap"
	"sync"
	"time"
)

// item is a waiting call, without its body.
type item struct {
	id       string
	webhook  string
	event    string
	created  time.Time
	next     time.Time
	attempts int
	done     bool // it was taken, and only its record is still there
}

// lane is what waits for one webhook: the next one first.
type lane struct {
	items  []*item
	busy   bool   // a call of it is under way
	served uint64 // when it had its last turn
}

func (l *lane) Len() int { return len(l.items) }
func (l *lane) Less(i, j int) bool {
	a, b := l.items[i], l.items[j]
	if !a.next.Equal(b.next) {
		return a.next.Before(b.next)
	}
	return a.created.Before(b.created)
}
func (l *lane) Swap(i, j int) { l.items[i], l.items[j] = l.items[j], l.items[i] }

// Push and Pop are for container/heap.
func (l *lane) Push(x any) { l.items = append(l.items, x.(*item)) } //nolint:errcheck // only items are pushed

// Pop gives the last one.
func (l *lane) Pop() any {
	last := l.items[len(l.items)-1]
	l.items[len(l.items)-1] = nil
	l.items = l.items[:len(l.items)-1]
	return last
}

// lanes is everything that waits.
type lanes struct {
	workers int // calls under way at one time
	most    int // that wait

	mu      sync.Mutex
	by      map[string]*lane
	known   map[string]bool // by id: what waits or is under way
	waiting int             // in the lanes, without those under way
	running int
	turn    uint64
	wake    chan struct{}
}

func newLanes(workers, most int) *lanes {
	return &lanes{workers: workers, most: most, by: map[string]*lane{}, known: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// add takes a new call in, and gives the one that has to go for it, if any.
func (l *lanes) add(i *item) (dropped *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[i.id] {
		return nil
	}
	l.known[i.id] = true
	l.push(i)
	if l.waiting > l.most {
		dropped = l.oldestOfFullest()
	}
	l.signal()
	return dropped
}

func (l *lanes) push(i *item) {
	to := l.by[i.webhook]
	if to == nil {
		to = &lane{served: l.turn} // a new lane does not go before all others
		l.by[i.webhook] = to
	}
	heap.Push(to, i)
	l.waiting++
}

func (l *lanes) oldestOfFullest() *item {
	var full *lane
	for _, candidate := range l.by {
		if full == nil || len(candidate.items) > len(full.items) {
			full = candidate
		}
	}
	at := 0
	for n, i := range full.items {
		if i.created.Before(full.items[at].created) {
			at = n
		}
	}
	i, _ := heap.Remove(full, at).(*item)
	l.waiting--
	delete(l.known, i.id)
	l.tidy(i.webhook, full)
	return i
}

// next claims the call that is to be made now: of the lanes that are due and not busy
// that of the one served longest ago. If there is none, wait says how long that stays
// so by itself; 0 means until wake.
func (l *lanes) next(now time.Time) (i *item, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running >= l.workers {
		return nil, 0
	}
	var best *lane
	for _, candidate := range l.by {
		if candidate.busy || len(candidate.items) == 0 {
			continue
		}
		if in := candidate.items[0].next.Sub(now); in > 0 {
			if wait == 0 || in < wait {
				wait = in
			}
		} else if best == nil || candidate.served < best.served {
			best = candidate
		}
	}
	if best == nil {
		return nil, wait
	}
	i, _ = heap.Pop(best).(*item)
	l.turn++
	best.busy, best.served = true, l.turn
	l.waiting--
	l.running++
	return i, 0
}

// release ends what next began. With again the call waits for its next time.
func (l *lanes) release(i *item, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	from := l.by[i.webhook]
	from.busy = false
	l.running--
	if again {
		l.push(i)
	} else {
		delete(l.known, i.id)
	}
	l.tidy(i.webhook, from)
	l.signal()
}

// tidy forgets a lane in which nothing waits.
func (l *lanes) tidy(webhook string, of *lane) {
	if len(of.items) == 0 && !of.busy {
		delete(l.by, webhook)
	}
}

func (l *lanes) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
