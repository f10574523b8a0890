package queue

import (
	"bytes"
	"slices"
	"sync"

	"github.com/relayd/relayd/relay"
)

// heldIndex finds held messages by what can release them. Those that only a person
// releases stand under the empty key.
type heldIndex struct {
	mu     sync.Mutex
	groups map[string]*heldGroup
}

// heldGroup is the messages under one key. A million of them cost no more than a look
// at the oldest, whenever it is asked whether time or a change lets some go.
type heldGroup struct {
	free map[relay.ID]bool // whether it can still go any way: no final dot was sent
	// open is those that can, oldest first, with some that are gone: they leave when
	// their turn comes, or when they are many.
	open minHeap[byAge]
}

func (x *heldIndex) add(m *relay.Message, s *relay.State) {
	key := heldKey(m, s.Hold)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.groups == nil {
		x.groups = make(map[string]*heldGroup)
	}
	g := x.groups[key]
	if g == nil {
		g = &heldGroup{free: make(map[relay.ID]bool)}
		x.groups[key] = g
	}
	g.free[m.ID] = !s.RouteFixed
	if !s.RouteFixed && key != "" {
		g.open.push(byAge(m.ID))
	}
}

func (x *heldIndex) remove(m *relay.Message, h *relay.Hold) {
	key := heldKey(m, h)
	x.mu.Lock()
	defer x.mu.Unlock()
	g := x.groups[key]
	if g == nil {
		return
	}
	delete(g.free, m.ID)
	if len(g.free) == 0 {
		delete(x.groups, key)
		return
	}
	if gone := len(g.open) - len(g.free); gone > manyGone && gone > len(g.free) {
		g.sweep()
	}
}

// sweep makes the heap anew from what is held.
func (g *heldGroup) sweep() {
	g.open = nil
	for id, free := range g.free {
		if free {
			g.open.push(byAge(id))
		}
	}
}

// keys gives what can release messages: an account's return, a change of policy.
func (x *heldIndex) keys() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	keys := make([]string, 0, len(x.groups))
	for key := range x.groups {
		if key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// count is how many messages are held, for whatever reason.
func (x *heldIndex) count() (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, g := range x.groups {
		n += len(g.free)
	}
	return n
}

// countOf is how many messages are held under a key.
func (x *heldIndex) countOf(key string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if g := x.groups[key]; g != nil {
		return len(g.free)
	}
	return 0
}

// oldest gives at most n messages under a key that can still go any way, oldest first.
func (x *heldIndex) oldest(key string, n int) []relay.ID {
	x.mu.Lock()
	defer x.mu.Unlock()
	g := x.groups[key]
	if g == nil {
		return nil
	}
	ids := make([]relay.ID, 0, n)
	for len(ids) < n && len(g.open) > 0 {
		id := relay.ID(g.open.pop())
		if g.free[id] && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
	}
	for _, id := range ids {
		g.open.push(byAge(id))
	}
	return ids
}

// of gives all messages under a key, oldest first.
func (x *heldIndex) of(key string) []relay.ID {
	return x.list(key, func(bool) bool { return true })
}

// fixed gives those under a key whose way is fixed, oldest first.
func (x *heldIndex) fixed(key string) []relay.ID {
	return x.list(key, func(free bool) bool { return !free })
}

func (x *heldIndex) list(key string, wanted func(free bool) bool) (ids []relay.ID) {
	x.mu.Lock()
	if g := x.groups[key]; g != nil {
		for id, free := range g.free {
			if wanted(free) {
				ids = append(ids, id)
			}
		}
	}
	x.mu.Unlock()
	slices.SortFunc(ids, func(a, b relay.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
