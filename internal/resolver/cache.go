package resolver

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps answers until their time is over, the least recently used leaving
// first when it is full. Its size is bounded in entries and in bytes, because the
// zones of strangers fill it.
type cache struct {
	maxEntries, maxBytes int

	mu      sync.Mutex
	bytes   int
	entries map[cacheKey]*list.Element // of *cacheEntry
	recent  *list.List                 // most recently used in front
}

type cacheKey struct {
	fqdn  string
	qtype uint16
}

type cacheEntry struct {
	key   cacheKey
	found *found
	until time.Time
	size  int
}

func newCache(maxEntries, maxBytes int) *cache {
	return &cache{maxEntries: maxEntries, maxBytes: maxBytes, entries: make(map[cacheKey]*list.Element), recent: list.New()}
}

// get gives an answer that is still good, or nil.
func (c *cache) get(key cacheKey) *found {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.entries[key]
	if !ok {
		return nil
	}
	entry := el.Value.(*cacheEntry)
	if !time.Now().Before(entry.until) {
		c.drop(el)
		return nil
	}
	c.recent.MoveToFront(el)
	return entry.found
}

// put keeps an answer for ttl. The answer must not be changed afterwards.
func (c *cache) put(key cacheKey, f *found, ttl time.Duration) {
	entry := &cacheEntry{key: key, found: f, until: time.Now().Add(ttl), size: 256 + len(key.fqdn) + len(f.name)}
	for i := range f.records {
		entry.size += f.records[i].size()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries[key]; ok {
		c.drop(old)
	}
	if ttl <= 0 || entry.size > c.maxBytes {
		return
	}
	c.entries[key] = c.recent.PushFront(entry)
	c.bytes += entry.size
	for len(c.entries) > c.maxEntries || c.bytes > c.maxBytes {
		c.drop(c.recent.Back())
	}
}

// drop forgets one entry. The caller holds the lock.
func (c *cache) drop(el *list.Element) {
	entry := c.recent.Remove(el).(*cacheEntry)
	delete(c.entries, entry.key)
	c.bytes -= entry.size
}
