package embedded

import "sync"

// directoryCache remembers look-ups of one kind. It holds at most size entries in
// two halves: when the young half is full it becomes the old one and the old one is
// dropped, so that what was not asked for lately goes, at no cost for a look-up.
//
// Records in it never change: who gets one makes a copy.
type directoryCache[T any] struct {
	mu         sync.RWMutex
	half       int
	epoch      uint64 // counts the changes of records
	young, old map[directoryValue]*T
}

func (c *directoryCache[T]) init(size int) {
	c.half = max(size/2, 1)
	c.young, c.old = make(map[directoryValue]*T), nil
}

// get gives the record, and the epoch to hand to add after reading it from the file.
// known with a nil record means that there is none.
func (c *directoryCache[T]) get(key directoryValue) (rec *T, known bool, epoch uint64) {
	c.mu.RLock()
	rec, isYoung := c.young[key]
	known = isYoung
	if !isYoung {
		rec, known = c.old[key]
	}
	epoch = c.epoch
	c.mu.RUnlock()
	if known && !isYoung {
		c.add(key, rec, epoch)
	}
	return rec, known, epoch
}

// add remembers a record that was read in the given epoch, or with nil that there is
// none. If a record was changed
// since, what was read may be the past, and staying in the cache it would be so for
// ever: then it is not added.
func (c *directoryCache[T]) add(key directoryValue, rec *T, epoch uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != epoch {
		return
	}
	if len(c.young) >= c.half {
		c.young, c.old = make(map[directoryValue]*T, c.half), c.young
	}
	c.young[key] = rec
	delete(c.old, key)
}

// forget is called when a change is on disk, with every value by which the record
// could be found before or after.
func (c *directoryCache[T]) forget(keys []directoryValue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, key := range keys {
		delete(c.young, key)
		delete(c.old, key)
	}
}
