package embedded

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
	"github.com/relayd/relayd/store"
)

// BenchmarkWaiting shows cost against size: how fast mail is accepted while so much
// waits, how long a start takes, how much memory a message costs, and how long a list
// with a filter takes.
func BenchmarkWaiting(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 300_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				waiting(b, n)
			}
		})
	}
}

func waiting(b *testing.B, n int) {
	o := QueueOptions{Dir: b.TempDir()}
	fillQueue(b, o, n)
	before := heap()
	started := time.Now()
	q := reopened(b, o)
	b.ReportMetric(time.Since(started).Seconds(), "s-open")
	b.ReportMetric((heap()-before)/float64(q.Usage().Messages), "B/msg")
	started = time.Now()
	err := q.Waiting(context.Background(), func(*relay.Message, *relay.State) bool { return true })
	b.ReportMetric(time.Since(started).Seconds(), "s-waiting")
	started = time.Now()
	p, listErr := q.List(context.Background(), store.Filter{Recipient: "bob@b.example", Waiting: true})
	b.ReportMetric(float64(time.Since(started).Milliseconds()), "ms-list")
	if err != nil || listErr != nil || len(p.Records) != store.DefaultPage {
		b.Fatal(err, listErr, len(p.Records))
	}
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}

// fillQueue lets so much wait, and tells how fast a tenth of it is accepted at first
// and at last.
func fillQueue(b *testing.B, o QueueOptions, n int) {
	q := reopened(b, o)
	b.ReportMetric(acceptRate(b, q, n/10), "puts/s-first")
	acceptRate(b, q, n*8/10)
	b.ReportMetric(acceptRate(b, q, n/10), "puts/s-last")
	if err := q.Close(); err != nil {
		b.Fatal(err)
	}
}

func acceptRate(b *testing.B, q *Queue, n int) float64 {
	body := make([]byte, 1024)
	started := time.Now()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for range n / 64 {
				put(b, q, body)
			}
		})
	}
	wg.Wait()
	return float64(n) / time.Since(started).Seconds()
}

func reopened(b *testing.B, o QueueOptions) *Queue {
	q, err := OpenQueue(o)
	if err != nil {
		b.Fatal(err)
	}
	return q
}

func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
