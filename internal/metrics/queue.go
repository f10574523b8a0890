package metrics

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/relayd/relayd/relay"
)

func (m *Metrics) makeQueue() {
	m.attempts = m.counters("relayd_attempts_total", "Attempts to deliver, one for each recipient.", "route", "outcome")
	m.attemptTime = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "relayd_attempt_seconds", Help: "How long attempts took.",
		Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 600},
	}, []string{"route"})
	m.registry.MustRegister(m.attemptTime)
	m.trouble = m.counters("relayd_trouble_total", "Attempts that ended because of the account or the destination, not the message.", "kind")
	m.steps = m.counters("relayd_message_steps_total", "Steps in the life of messages.", "step")
	m.copies = m.counters("relayd_sent_copies_total", "Attempts to file a Sent copy, by what came of them.", "status")
	m.reports = m.counters("relayd_reports_total", "Delivery status notifications that were made.", "kind")
	m.age = m.histogram("relayd_message_age_seconds", "Age of messages when nothing was left to do for them.",
		[]float64{.1, .5, 1, 5, 30, 60, 300, 900, 3600, 14400, 86400, 432000})
	m.faults = m.counters("relayd_faults_total", "Faults of relayd itself. Each one wants to be looked at.", "step")
}

// Attempted counts an attempt.
func (m *Metrics) Attempted(_ *relay.Message, route relay.Route, a *relay.Attempt) {
	kind := route.Kind.String()
	for i := range a.Results {
		m.attempts.WithLabelValues(kind, a.Results[i].Outcome.String()).Inc()
	}
	m.attemptTime.WithLabelValues(kind).Observe(a.Ended.Sub(a.Started).Seconds())
	if a.Trouble != nil {
		m.trouble.WithLabelValues(troubleName(a.Trouble.Kind)).Inc()
	}
}

func troubleName(k relay.TroubleKind) string {
	switch k {
	case relay.TroublePark:
		return "account parked"
	case relay.TroubleSlow:
		return "lane rests"
	case relay.TroubleAborted:
		return "broken off"
	}
	return "other"
}

// Held counts a message that waits as a whole.
func (m *Metrics) Held(*relay.Message, *relay.Hold) { m.steps.WithLabelValues("held").Inc() }

// Released counts a held message that goes on.
func (m *Metrics) Released(*relay.Message, string) { m.steps.WithLabelValues("released").Inc() }

// Cancelled counts a message that a person ended.
func (m *Metrics) Cancelled(*relay.Message, string) { m.steps.WithLabelValues("cancelled").Inc() }

// Copied counts an attempt to file a Sent copy.
func (m *Metrics) Copied(_ *relay.Message, c *relay.Copy) {
	m.copies.WithLabelValues(c.Status.String()).Inc()
}

// Reported counts a DSN or notice.
func (m *Metrics) Reported(_ *relay.Message, kind relay.ReportKind, _ relay.ID) {
	m.reports.WithLabelValues(kind.String()).Inc()
}

// Done counts a message for which nothing is left to do.
func (m *Metrics) Done(msg *relay.Message, _ *relay.State) {
	m.steps.WithLabelValues("done").Inc()
	m.age.Observe(time.Since(msg.Accepted).Seconds())
}

// Fault counts a fault of our own.
func (m *Metrics) Fault(step string, _ relay.ID, _ error) {
	m.faults.WithLabelValues(m.sources.value(strings.ToLower(step))).Inc()
}
