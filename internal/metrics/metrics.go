// Package metrics counts what the program does, for Prometheus. It is the only
// importer of the client library: every other package counts through a small
// interface of its own, which cmd/relayd fills with a [Metrics].
//
// All names begin with relayd_. Label values come from closed sets, or are bounded
// to a few dozen: nothing that a client, a peer or a user says ever becomes a label
// (promise G7). docs/operations.md says which ones to watch.
//
//	metrics.go  the registry, and the instruments that it holds
//	smtp.go     clients
//	queue.go    messages; a Metrics hears of every step of the conductor
//	state.go    gauges that are read when somebody asks
package metrics

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxValues is how many values a label may take that is not a closed set, such as
// the configured names of listeners. Others are counted as "other".
const maxValues = 32

// Metrics is every instrument of the program. Its methods may be called
// concurrently and return at once.
type Metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	connections        *prometheus.CounterVec
	open               *prometheus.GaugeVec
	connectionsRefused *prometheus.CounterVec
	signIns            *prometheus.CounterVec
	accepted           prometheus.Counter
	acceptedBytes      prometheus.Counter
	acceptWait         prometheus.Histogram
	refused            *prometheus.CounterVec

	attempts    *prometheus.CounterVec
	attemptTime *prometheus.HistogramVec
	trouble     *prometheus.CounterVec
	steps       *prometheus.CounterVec
	copies      *prometheus.CounterVec
	reports     *prometheus.CounterVec
	age         prometheus.Histogram
	faults      *prometheus.CounterVec

	used      *prometheus.CounterVec
	dialled   prometheus.Counter
	flushes   prometheus.Counter
	flushTime prometheus.Histogram
	group     prometheus.Histogram

	listeners, reasons, sources *bounded
}

// New makes a Metrics with a registry of its own. version is that of relayd.
func New(version string) *Metrics {
	m := &Metrics{
		registry:  prometheus.NewRegistry(),
		listeners: newBounded(), reasons: newBounded(), sources: newBounded(),
	}
	m.makeSMTP()
	m.makeQueue()
	m.makeTransport()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "relayd_build_info", Help: "Always 1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return m
}

// Handler serves the metrics. Who may read them is decided by who mounts it.
func (m *Metrics) Handler() http.Handler { return m.handler }

func (m *Metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h
}

// bounded keeps a label from taking more than maxValues values.
type bounded struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newBounded() *bounded { return &bounded{seen: map[string]bool{}} }

func (b *bounded) value(v string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[v] {
		return v
	}
	if len(b.seen) >= maxValues || len(v) > 64 {
		return "other"
	}
	b.seen[v] = true
	return v
}
