package auth

import "time"

// trustFor is how long a pair of address and name is spared the delays of others
// after its last success: an application that sends once a week stays spared.
const trustFor = 8 * 24 * time.Hour

// counters keeps a bounded number of counters in two halves: when the young half is
// full it becomes the old one and the old one is dropped, so that those used least
// recently go. A guesser who floods one kind of counter does not reach the others.
type counters struct {
	half       int
	forget     time.Duration
	young, old map[uint64]*counter
}

func newCounters(size int, forget time.Duration) counters {
	return counters{half: max(size/2, 1), forget: forget, young: make(map[uint64]*counter)}
}

// at gives the counter of a key, a fresh one if there is none, with what is too old
// taken off it.
func (c *counters) at(key uint64, now time.Time) *counter {
	found, ok := c.young[key]
	if !ok {
		if found = c.old[key]; found == nil {
			found = &counter{}
		}
		c.keep(key, found)
	}
	if now.Sub(found.failed) >= c.forget {
		found.failures = 0
	}
	if now.Sub(found.success) >= trustFor {
		found.success = time.Time{}
	}
	return found
}

func (c *counters) keep(key uint64, found *counter) {
	if len(c.young) >= c.half {
		c.young, c.old = make(map[uint64]*counter), c.young
	}
	c.young[key] = found
	delete(c.old, key)
}
