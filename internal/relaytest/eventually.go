package relaytest

import (
	"testing"
	"time"
)

// Eventually asks again and again until look finds something, and fails the test
// when the time is over. It is for what another process does in its own time.
func Eventually[T any](tb testing.TB, limit time.Duration, look func() []T) []T {
	tb.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if found := look(); len(found) > 0 {
			return found
		}
		select {
		case <-deadline.C:
			tb.Fatalf("nothing came within %v", limit)
		case <-tick.C:
		}
	}
}
