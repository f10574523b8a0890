package load

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rounds    = flag.Int("load.rounds", 3, "how often each cell of the table is measured; the median counts")
	length    = flag.Duration("load.length", 4*time.Second, "how long each measurement puts load on a server")
	sizes     = flag.String("load.sizes", "4096,65536,1048576", "octets of a message")
	sessions  = flag.String("load.sessions", "1,10,50", "connections of the generator")
	flowDelay = flag.Bool("load.flowdelay", true, "leave Postfix its in_flow_delay of one second")
)

// drainLimit is how long what was accepted may take to reach the sink.
const drainLimit = 5 * time.Minute

// figures are what one measurement gives.
type figures struct {
	accept, relay float64 // messages a second
	p50, p99      time.Duration
	cpu           float64 // seconds for 1,000 messages
	memory        int64   // octets
	connections   int64   // that the sink saw
}

// measure puts one load on a server and waits until everything is relayed.
func measure(tb testing.TB, s server, k *sink, l load) figures {
	tb.Helper()
	runtime.GC() // the generator's rubbish of the last measurement is not this one's
	got, conns, used := k.got.Load(), k.conns.Load(), cpu(s.pid)
	r := l.run(tb)
	memory := pss(s.pid)
	awaitSink(tb, k, got+int64(r.accepted))
	n := float64(r.accepted)
	return figures{
		accept: n / r.ended.Sub(r.started).Seconds(),
		relay:  n / time.Unix(0, k.last.Load()).Sub(r.started).Seconds(),
		p50:    r.quantile(0.50), p99: r.quantile(0.99),
		cpu: (cpu(s.pid) - used).Seconds() / n * 1000, memory: memory, connections: k.conns.Load() - conns,
	}
}

func awaitSink(tb testing.TB, k *sink, want int64) {
	tb.Helper()
	deadline := time.After(drainLimit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for k.got.Load() < want {
		select {
		case <-deadline:
			tb.Fatalf("%d of %d messages were relayed after %v", k.got.Load(), want, drainLimit)
		case <-tick.C:
		}
	}
}

// BenchmarkRelay prints the table of docs/performance.md. It runs once, however
// often the benchmark is asked to.
func BenchmarkRelay(b *testing.B) {
	const host = "127.0.0.61"
	k := startSink(b, host)
	servers := []server{startRelayd(b, host, k), startPostfix(b, host, k, *flowDelay)}
	fmt.Printf("\n%d rounds of %v, interleaved; medians. %d CPUs.\n\n", *rounds, *length, runtime.NumCPU())
	fmt.Println("| size | sessions | server | accepted/s | relayed/s | p50 | p99 | CPU s/1000 | PSS MiB | connections |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|---|")
	for _, size := range numbers(b, *sizes) {
		for _, n := range numbers(b, *sessions) {
			all := make([][]figures, len(servers))
			for range *rounds {
				for i, s := range servers {
					all[i] = append(all[i], measure(b, s, k, load{address: s.address, from: sender.String(), size: size, sessions: n, length: *length}))
				}
			}
			report(size, n, servers, all)
		}
	}
	_ = os.Stdout.Sync()
}

func report(size, sessions int, servers []server, all [][]figures) {
	var medians []figures
	for i, s := range servers {
		m := median(all[i])
		medians = append(medians, m)
		fmt.Printf("| %s | %d | %s | %.0f | %.0f | %.1f ms | %.1f ms | %.3f | %d | %d |\n",
			octets(size), sessions, s.name, m.accept, m.relay, ms(m.p50), ms(m.p99), m.cpu, m.memory>>20, m.connections)
	}
	r, p := medians[0], medians[1]
	fmt.Printf("| %s | %d | *ratio* | %.1f× | %.1f× | %.2f | %.2f | 1/%.1f | | |\n",
		octets(size), sessions, r.accept/p.accept, r.relay/p.relay, ms(r.p50)/ms(p.p50), ms(r.p99)/ms(p.p99), p.cpu/r.cpu)
}

// median takes each figure's own median.
func median(all []figures) figures {
	return figures{
		accept: mid(all, func(f figures) float64 { return f.accept }), relay: mid(all, func(f figures) float64 { return f.relay }),
		p50: mid(all, func(f figures) time.Duration { return f.p50 }), p99: mid(all, func(f figures) time.Duration { return f.p99 }),
		cpu: mid(all, func(f figures) float64 { return f.cpu }), memory: mid(all, func(f figures) int64 { return f.memory }),
		connections: mid(all, func(f figures) int64 { return f.connections }),
	}
}

func mid[T float64 | int64 | time.Duration](all []figures, field func(figures) T) T {
	values := make([]T, len(all))
	for i, f := range all {
		values[i] = field(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func octets(n int) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

func numbers(tb testing.TB, list string) (out []int) {
	tb.Helper()
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// generator --SMTP--> relayd --SMTP--> sink: what the benchmark measures is real, in
// a small sample.
func TestLoadArrivesWhole(t *testing.T) {
	t.Parallel()
	const host = "127.0.0.62"
	k := startSink(t, host)
	s := startRelayd(t, host, k)
	for _, size := range []int{4 << 10, 600 << 10} {
		f := measure(t, s, k, load{address: s.address, from: sender.String(), size: size, sessions: 5, length: 300 * time.Millisecond})
		t.Logf("%d octets: %+v", size, f)
		if f.accept <= 0 || f.relay <= 0 || f.cpu <= 0 || f.memory <= 0 || f.p99 < f.p50 {
			t.Errorf("%d octets: figures %+v", size, f)
		}
	}
}
