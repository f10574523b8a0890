package embedded

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/safeio"
	"github.com/relayd/relayd/internal/safeio/simdisk"
	"github.com/relayd/relayd/relay"
)

// BenchmarkPut is acceptance alone; BenchmarkLife is the whole life of a message: Put,
// Open, Record of the dot, Record of the result, in the steady state in which
// the index follows and segments are used again.
func BenchmarkPut(b *testing.B) { benchQueues(b, benchPut) }

func BenchmarkLife(b *testing.B) { benchQueues(b, benchLife) }

func benchQueues(b *testing.B, run func(*testing.B, *Queue, []byte)) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchQueue(b, 0, size, run) })
	}
	for _, delay := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond} {
		b.Run(fmt.Sprintf("4KiB flush+%v", delay), func(b *testing.B) { benchQueue(b, delay, 4<<10, run) })
	}
}

func benchQueue(b *testing.B, delay time.Duration, size int, run func(*testing.B, *Queue, []byte)) {
	o := QueueOptions{Dir: b.TempDir(), MaxMessages: 1 << 30}
	if delay > 0 {
		root, err := safeio.OpenRoot(o.Dir)
		if err != nil {
			b.Fatal(err)
		}
		o.FS = simdisk.Slow{FS: root, Delay: delay}
	}
	q := openSmall(b, o)
	body := bytes.Repeat([]byte("0123456789abcde\n"), size/16)
	b.SetBytes(int64(size))
	b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
	b.ReportAllocs()
	b.ResetTimer()
	run(b, q, body)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchPut(b *testing.B, q *Queue, body []byte) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			put(b, q, body)
		}
	})
}

func put(b *testing.B, q *Queue, body []byte) *relay.Message {
	m := newMessage("bob")
	m.Size = int64(len(body))
	if _, err := q.Put(context.Background(), m, nil, bytes.NewReader(body)); err != nil {
		b.Error(err)
	}
	return m
}

func benchLife(b *testing.B, q *Queue, body []byte) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m := put(b, q, body)
			s := relay.NewState(m)
			s.Revision, s.RouteFixed, s.Recipients[0].DotSent = 1, true, true
			if err := q.Record(context.Background(), m.ID, s, relay.Event{At: time.Now(), Kind: relay.EventDotSent}); err != nil {
				b.Error(err)
			}
			s = s.Clone()
			s.Revision, s.Recipients[0].Outcome, s.Recipients[0].Reported = 2, relay.Delivered, true
			if err := q.Record(context.Background(), m.ID, s, relay.Event{At: time.Now(), Kind: relay.EventAttempt}); err != nil {
				b.Error(err)
			}
		}
	})
}
