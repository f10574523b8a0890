package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/relayd/relayd/relay"
)

// QueueState is how the queue stands.
type QueueState struct {
	Messages, Bytes int64
	Held            int64   // of Messages
	Oldest          float64 // age in seconds of the oldest message; 0 if there is none
}

// WatchQueue shows the queue as read tells it whenever somebody asks. It may be
// called once; read must be quick.
func (m *Metrics) WatchQueue(read func() QueueState) {
	m.registry.MustRegister(&queueCollector{
		read:     read,
		messages: prometheus.NewDesc("relayd_queue_messages", "Messages that wait.", nil, nil),
		bytes:    prometheus.NewDesc("relayd_queue_bytes", "Octets of the messages that wait.", nil, nil),
		held:     prometheus.NewDesc("relayd_queue_held", "Messages that are held, each with a reason.", nil, nil),
		oldest:   prometheus.NewDesc("relayd_queue_oldest_seconds", "Age of the oldest message that waits.", nil, nil),
	})
}

type queueCollector struct {
	read                          func() QueueState
	messages, bytes, held, oldest *prometheus.Desc
}

func (c *queueCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.messages
	out <- c.bytes
	out <- c.held
	out <- c.oldest
}

func (c *queueCollector) Collect(out chan<- prometheus.Metric) {
	s := c.read()
	out <- prometheus.MustNewConstMetric(c.messages, prometheus.GaugeValue, float64(s.Messages))
	out <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(s.Bytes))
	out <- prometheus.MustNewConstMetric(c.held, prometheus.GaugeValue, float64(s.Held))
	out <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, s.Oldest)
}

// WatchCertificate shows when the certificate of the listeners ends, as read tells it
// whenever somebody asks. It may be called once; read must be quick.
func (m *Metrics) WatchCertificate(read func() time.Time) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "relayd_certificate_expires_seconds",
		Help: "When the certificate of the listeners ends, in seconds since 1970.",
	}, func() float64 { return float64(read().Unix()) }))
}

// WatchAccounts shows how many accounts are in each state, as read tells it
// whenever somebody asks. It may be called once; read must be quick.
func (m *Metrics) WatchAccounts(read func() map[relay.AccountState]int) {
	m.registry.MustRegister(&accountCollector{
		read:     read,
		accounts: prometheus.NewDesc("relayd_accounts", "Accounts by state. A parked one needs a person.", []string{"state"}, nil),
	})
}

type accountCollector struct {
	read     func() map[relay.AccountState]int
	accounts *prometheus.Desc
}

func (c *accountCollector) Describe(out chan<- *prometheus.Desc) { out <- c.accounts }

func (c *accountCollector) Collect(out chan<- prometheus.Metric) {
	counts := c.read()
	for _, state := range []relay.AccountState{relay.AccountUnverified, relay.AccountVerified, relay.AccountDegraded, relay.AccountParked} {
		out <- prometheus.MustNewConstMetric(c.accounts, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}

// Quotas counts the accounts that sent lately by what is left of a day's limit.
type Quotas struct {
	UsedUp  int // nothing
	Low     int // less than a tenth
	Enough  int
	Unknown int // no limit is known
}

// WatchQuotas shows how much accounts may still send today, as read tells it whenever
// somebody asks. It may be called once; read must be quick.
func (m *Metrics) WatchQuotas(read func() Quotas) {
	m.registry.MustRegister(&quotaCollector{
		read: read,
		accounts: prometheus.NewDesc("relayd_accounts_quota",
			"Accounts that sent in the last day, by what their provider still lets them send.", []string{"left"}, nil),
	})
}

type quotaCollector struct {
	read     func() Quotas
	accounts *prometheus.Desc
}

func (c *quotaCollector) Describe(out chan<- *prometheus.Desc) { out <- c.accounts }

func (c *quotaCollector) Collect(out chan<- prometheus.Metric) {
	q := c.read()
	for _, n := range []struct {
		left  string
		count int
	}{{"nothing", q.UsedUp}, {"little", q.Low}, {"enough", q.Enough}, {"unknown", q.Unknown}} {
		out <- prometheus.MustNewConstMetric(c.accounts, prometheus.GaugeValue, float64(n.count), n.left)
	}
}
