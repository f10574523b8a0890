package journal_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/store/journal"
)

// BenchmarkAppend is the log alone: 64 writers, 4 KiB, each acknowledged only when
// durable, with old segments released, on the disk of the temporary directory.
func BenchmarkAppend(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
		b.Run(fmt.Sprintf("flush+%v", delay), func(b *testing.B) { benchAppend(b, delay, 64) })
	}
	b.Run("two writers", func(b *testing.B) { benchAppend(b, 0, 2) })
}

func benchAppend(b *testing.B, delay time.Duration, writers int) {
	root, err := safeio.OpenRoot(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer root.Close()
	var fs safeio.FS = root
	if delay > 0 {
		fs = simdisk.Slow{FS: root, Delay: delay}
	}
	j, err := journal.Open(journal.Options{FS: fs})
	if err != nil {
		b.Fatal(err)
	}
	stop := make(chan struct{})
	go release(j, stop)
	defer close(stop)
	payload := make([]byte, 4096)
	b.SetBytes(int64(len(payload)))
	var n atomic.Uint64
	b.SetParallelism(max(1, writers/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := journal.Record{ID: [16]byte{1}, Revision: n.Add(1), Type: 1, Payload: [][]byte{payload}}
			if _, err := j.Append(r); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}

// release gives up old segments, as the owner of the log does.
func release(j *journal.Journal, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-j.Rotated():
		}
		if oldest, head := j.Oldest(); head > oldest+2 {
			if j.Release(oldest) != nil {
				return
			}
		}
	}
}
