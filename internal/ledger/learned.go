package ledger

import (
	"time"

	"github.com/relayd/relayd/relay"
)

const (
	// memory is how long a learned limit holds. Providers raise limits as an account
	// gets older, and take them down and up with its standing.
	memory = 7 * 24 * time.Hour
	// raise is how much it grows each day, as a part of it.
	raise = 10
	// leastShare and least bound what can be learned: where less was counted than this
	// part of the known limit, or than this number where none is known, the books do
	// not explain the refusal. Then somebody else has used the account, such as the
	// person in another program, and our own count says nothing about the limit.
	leastShare = 4
	least      = 10
)

// learned is a limit that a refusal taught. The zero learned is none.
type learned struct {
	at    int64 // seconds since 1970
	value uint32
	kind  kind
}

// limit is the learned limit as it is at now; 0 if it is none of that kind, or was too
// long ago.
func (l *learned) limit(k kind, now time.Time) int {
	age := max(now.Sub(time.Unix(l.at, 0)), 0) // a clock may have been set back
	if l.value == 0 || l.kind != k || age >= memory {
		return 0
	}
	days := int(age / (24 * time.Hour))
	return int(l.value) + int(l.value)*days/raise
}

// limit is what holds for an account in a window: the limit that is known, or a
// learned one if that is smaller. 0 is none.
func (a *account) limit(known *relay.Limits, w Window, k kind, now time.Time) int {
	limit, own := limitOf(known, w, k), a.learned[w].limit(k, now)
	if limit == 0 || own > 0 && own < limit {
		return own
	}
	return limit
}

// explain finds what a refusal was about: the window, unless it is known, and what is
// counted there. It reports false if the books do not explain the refusal.
func (a *account) explain(w Window, known *relay.Limits, now time.Time) (Window, kind, bool) {
	candidates := []Window{w}
	if w == Any {
		candidates = []Window{Minute, Hour, Day}
	}
	found, best := false, 0.0
	var window Window
	var what kind
	for _, c := range candidates {
		for k := range kind(kinds) {
			used, limit := a.books.used(c, k), a.limit(known, c, k, now)
			if limit == 0 || used < max(limit/leastShare, 1) {
				continue
			}
			if share := float64(used) / float64(limit); share > best {
				found, best, window, what = true, share, c, k
			}
		}
	}
	if found || w == Any || a.limit(known, w, messages, now)+a.limit(known, w, recipients, now) > 0 {
		return window, what, found
	}
	// Nothing is known about the window. Most providers that count at all count
	// recipients, so that is what is learned.
	return w, recipients, a.books.used(w, recipients) >= least
}

// learn keeps what was counted as the limit.
func (a *account) learn(w Window, k kind, known *relay.Limits, now time.Time) {
	value := a.books.used(w, k)
	if limit := limitOf(known, w, k); limit > 0 {
		value = min(value, limit)
	}
	a.learned[w] = learned{at: now.Unix(), value: uint32(max(value, 1)), kind: k} //nolint:gosec // counted as uint32
}
