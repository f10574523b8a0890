package embedded

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/store"
	"github.com/relayd/relayd/store/storetest"
)

// simHost keeps a queue on a disk that forgets: at a crash any subset of the sectors
// and names that were not flushed is gone. The index is on the real disk.
type simHost struct {
	dir  string
	disk *simdisk.Disk
	rng  *rand.Rand
	q    *Queue
}

func newSimHost(t testing.TB) storetest.QueueHost {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &simHost{dir: t.TempDir(), disk: simdisk.New(), rng: rand.New(rand.NewPCG(seed, 0))}
}

func (h *simHost) Open(t testing.TB) store.Queue {
	o := smallQueue(h.dir)
	o.FS = h.disk
	o.Journal.SegmentSize, o.Journal.MaxGroup = 128<<10, 32<<10
	o.Log = testLog(t)
	q, err := OpenQueue(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.q = q
	return q
}

func (h *simHost) Crash(t testing.TB) {
	odds := h.rng.Float64()
	var mu sync.Mutex
	h.disk = h.disk.Crash(func() bool {
		mu.Lock()
		defer mu.Unlock()
		return h.rng.Float64() < odds
	})
	h.q.Close() //nolint:errcheck // it has no disk any more
}

func TestQueueConformance(t *testing.T) {
	t.Parallel()
	storetest.RunQueue(t, newSimHost)
}

// realHost keeps a queue on the disk of the temporary directory, where a crash is no
// worse than an end.
type realHost struct {
	dir string
	q   *Queue
}

func (h *realHost) Open(t testing.TB) store.Queue {
	q, err := OpenQueue(smallQueue(h.dir))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	h.q = q
	return q
}

func (h *realHost) Crash(t testing.TB) { h.q.Close() } //nolint:errcheck // as after a kill

func TestQueueConformanceOnRealDisk(t *testing.T) {
	t.Parallel()
	storetest.RunQueue(t, func(t testing.TB) storetest.QueueHost { return &realHost{dir: t.TempDir()} })
}
