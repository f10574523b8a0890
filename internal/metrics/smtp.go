package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func (m *Metrics) makeSMTP() {
	m.connections = m.counters("relayd_smtp_connections_total", "Client connections that were taken.", "listener")
	m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "relayd_smtp_connections_open", Help: "Client connections that are open now.",
	}, []string{"listener"})
	m.registry.MustRegister(m.open)
	m.connectionsRefused = m.counters("relayd_smtp_connections_refused_total", "Client connections that were sent away, by the limit they met.", "reason")
	m.signIns = m.counters("relayd_smtp_sign_ins_total", "Sign-ins of clients.", "result")
	m.accepted = m.counter("relayd_messages_accepted_total", "Messages that were answered 250.")
	m.acceptedBytes = m.counter("relayd_messages_accepted_bytes_total", "Octets of the messages that were answered 250.")
	m.acceptWait = m.histogram("relayd_accept_seconds", "Time from the last octet of a message to its 250.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5})
	m.refused = m.counters("relayd_smtp_refused_total", "Commands and messages that were answered with an error, by the class of the reply.", "class")
}

// ConnectionOpened counts a client connection. Each is followed by one
// ConnectionClosed.
func (m *Metrics) ConnectionOpened(listener string) {
	listener = m.listeners.value(listener)
	m.connections.WithLabelValues(listener).Inc()
	m.open.WithLabelValues(listener).Inc()
}

// ConnectionClosed counts the end of a client connection.
func (m *Metrics) ConnectionClosed(listener string) {
	m.open.WithLabelValues(m.listeners.value(listener)).Dec()
}

// ConnectionRefused counts a client that was sent away. reason is a limit's name.
func (m *Metrics) ConnectionRefused(reason string) {
	m.connectionsRefused.WithLabelValues(m.reasons.value(reason)).Inc()
}

// SignedIn counts a sign-in.
func (m *Metrics) SignedIn() { m.signIns.WithLabelValues("ok").Inc() }

// SignInFailed counts a sign-in that failed.
func (m *Metrics) SignInFailed() { m.signIns.WithLabelValues("failed").Inc() }

// Accepted counts a message and the time from its last octet to the answer.
func (m *Metrics) Accepted(size int64, wait time.Duration) {
	m.accepted.Inc()
	m.acceptedBytes.Add(float64(size))
	m.acceptWait.Observe(wait.Seconds())
}

// Refused counts an answer that was an error.
func (m *Metrics) Refused(code int) {
	class := "other"
	switch {
	case code >= 400 && code < 500:
		class = "4yz"
	case code >= 500 && code < 600:
		class = "5yz"
	}
	m.refused.WithLabelValues(class).Inc()
}
