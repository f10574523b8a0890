package ledger

import (
	"time"

	"github.com/relayd/relayd/relay"
)

// Window is one of the times over which providers count.
type Window int

// The windows.
const (
	Any Window = iota - 1 // of a refusal: it is not known which one
	Minute
	Hour
	Day

	windows = iota - 1
)

// kind is what providers count.
type kind uint8

const (
	messages kind = iota
	recipients

	kinds = 2
)

// The shapes of the rings. A window of n buckets needs one more: the one at its edge
// counts as well.
const (
	minuteBuckets = 12
	hourBuckets   = 12
	dayBuckets    = 24

	allBuckets = minuteBuckets + hourBuckets + dayBuckets + windows
)

// shape is how a window is divided.
type shape struct {
	span    int64 // seconds of one bucket
	buckets int   // of the window itself
	offset  int   // of its ring in books.buckets
}

func shapeOf(w Window) shape {
	switch w {
	case Minute:
		return shape{span: 60 / minuteBuckets, buckets: minuteBuckets}
	case Hour:
		return shape{span: 3600 / hourBuckets, buckets: hourBuckets, offset: minuteBuckets + 1}
	}
	return shape{span: 86400 / dayBuckets, buckets: dayBuckets, offset: minuteBuckets + hourBuckets + 2}
}

// limitOf is what the limits say about a window; 0 is nothing.
func limitOf(l *relay.Limits, w Window, k kind) int {
	table := [windows][kinds]int{
		{l.MessagesPerMinute, l.RecipientsPerMinute},
		{l.MessagesPerHour, l.RecipientsPerHour},
		{l.MessagesPerDay, l.RecipientsPerDay},
	}
	return max(table[w][k], 0)
}

// bucket counts by kind.
type bucket [kinds]uint32

// books are the rings of one account.
type books struct {
	newest  [windows]int64 // the number of the newest bucket: seconds since 1970 by span
	at      [windows]uint8 // where in its ring it lies
	buckets [allBuckets]bucket
}

// bucketOf gives the bucket of a window that is back buckets older than the newest.
func (b *books) bucketOf(w Window, back int) *bucket {
	s := shapeOf(w)
	size := s.buckets + 1
	return &b.buckets[s.offset+(int(b.at[w])+size-back)%size]
}

// advance lets every window end at now.
func (b *books) advance(now time.Time) {
	for w := range Window(windows) {
		s := shapeOf(w)
		number := now.Unix() / s.span
		// A clock that was set back makes what was counted as new as can be, and no
		// newer: else it would count until that time comes again.
		steps := min(max(number-b.newest[w], 0), int64(s.buckets+1))
		for range steps {
			b.at[w] = uint8((int(b.at[w]) + 1) % (s.buckets + 1)) //nolint:gosec // at most 24
			*b.bucketOf(w, 0) = bucket{}
		}
		b.newest[w] = number
	}
}

// used is what was counted in a window.
func (b *books) used(w Window, k kind) int {
	n := 0
	for back := range shapeOf(w).buckets + 1 {
		n += int(b.bucketOf(w, back)[k])
	}
	return n
}

// free is how long it takes until no more than most are counted in a window.
func (b *books) free(w Window, k kind, most int, now time.Time) time.Duration {
	s := shapeOf(w)
	over := b.used(w, k) - most
	for back := s.buckets; over > 0 && back >= 0; back-- {
		if over -= int(b.bucketOf(w, back)[k]); over <= 0 {
			// This bucket is too old when as many as the window has have followed it.
			leaves := (b.newest[w] - int64(back) + int64(s.buckets) + 1) * s.span
			return time.Unix(leaves, 0).Sub(now)
		}
	}
	return 0
}

// oldest is how long it takes until the oldest that is counted in a window counts no
// more; 0 if nothing is.
func (b *books) oldest(w Window, k kind, now time.Time) time.Duration {
	return b.free(w, k, b.used(w, k)-1, now)
}

// count adds to the newest bucket of every window.
func (b *books) count(n bucket) {
	for w := range Window(windows) {
		newest := b.bucketOf(w, 0)
		for k := range newest {
			newest[k] += n[k]
		}
	}
}

// uncount takes back what was counted at a time, as far as it still counts.
func (b *books) uncount(n bucket, at time.Time) {
	for w := range Window(windows) {
		s := shapeOf(w)
		back := max(b.newest[w]-at.Unix()/s.span, 0)
		if back > int64(s.buckets) {
			continue
		}
		old := b.bucketOf(w, int(back))
		for k := range old {
			old[k] -= min(n[k], old[k])
		}
	}
}
