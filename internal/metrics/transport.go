package metrics

import (
	"time"

	"github.com/relayd/relayd/relay"
)

func (m *Metrics) makeTransport() {
	m.used = m.counters("relayd_connections_used_total", "Connections to other servers that an attempt used.", "route", "kind")
	m.dialled = m.counter("relayd_dials_refused_total", "Connections that relayd was asked for and must not make.")
	m.flushes = m.counter("relayd_journal_flushes_total", "Flushes of the journal to the disk.")
	m.flushTime = m.histogram("relayd_journal_flush_seconds", "How long a flush took. Every 250 waits for one.",
		[]float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5})
	m.group = m.histogram("relayd_journal_group_records", "Records that shared one flush.",
		[]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})
}

// Connection counts a connection that an attempt used: a new one, or one that was
// open already.
func (m *Metrics) Connection(route relay.RouteKind, reused bool) {
	kind := "new"
	if reused {
		kind = "reused"
	}
	m.used.WithLabelValues(route.String(), kind).Inc()
}

// DialRefused counts a connection that netguard did not make.
func (m *Metrics) DialRefused() { m.dialled.Inc() }

// Flushed counts a flush of the journal, and the records that shared it.
func (m *Metrics) Flushed(records int, took time.Duration) {
	m.flushes.Inc()
	m.flushTime.Observe(took.Seconds())
	m.group.Observe(float64(records))
}
