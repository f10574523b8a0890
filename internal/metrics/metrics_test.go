package metrics

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/relay"
)

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// cases is one call of every method, and lines that a scrape must hold after it.
var cases = map[string]struct {
	call func(*Metrics)
	want []string
}{
	"ConnectionOpened":  {func(m *Metrics) { m.ConnectionOpened("main") }, []string{`relayd_smtp_connections_total{listener="main"} 1`, `relayd_smtp_connections_open{listener="main"} 1`}},
	"ConnectionClosed":  {func(m *Metrics) { m.ConnectionOpened("main"); m.ConnectionClosed("main") }, []string{`relayd_smtp_connections_total{listener="main"} 1`, `relayd_smtp_connections_open{listener="main"} 0`}},
	"ConnectionRefused": {func(m *Metrics) { m.ConnectionRefused("connections") }, []string{`relayd_smtp_connections_refused_total{reason="connections"} 1`}},
	"SignedIn":          {func(m *Metrics) { m.SignedIn() }, []string{`relayd_smtp_sign_ins_total{result="ok"} 1`}},
	"SignInFailed":      {func(m *Metrics) { m.SignInFailed() }, []string{`relayd_smtp_sign_ins_total{result="failed"} 1`}},
	"Accepted":          {func(m *Metrics) { m.Accepted(4096, 3*time.Millisecond) }, []string{`relayd_messages_accepted_total 1`, `relayd_messages_accepted_bytes_total 4096`, `relayd_accept_seconds_bucket{le="0.005"} 1`, `relayd_accept_seconds_bucket{le="0.0025"} 0`}},
	"Refused":           {func(m *Metrics) { m.Refused(451); m.Refused(550); m.Refused(0) }, []string{`relayd_smtp_refused_total{class="4yz"} 1`, `relayd_smtp_refused_total{class="5yz"} 1`, `relayd_smtp_refused_total{class="other"} 1`}},
	"Attempted":         {attempted, []string{`relayd_attempts_total{outcome="delivered",route="account"} 2`, `relayd_attempts_total{outcome="deferred",route="account"} 1`, `relayd_attempt_seconds_sum{route="account"} 2`, `relayd_trouble_total{kind="lane rests"} 1`}},
	"Held":              {func(m *Metrics) { m.Held(nil, nil) }, []string{`relayd_message_steps_total{step="held"} 1`}},
	"Released":          {func(m *Metrics) { m.Released(nil, "") }, []string{`relayd_message_steps_total{step="released"} 1`}},
	"Cancelled":         {func(m *Metrics) { m.Cancelled(nil, "") }, []string{`relayd_message_steps_total{step="cancelled"} 1`}},
	"Copied":            {func(m *Metrics) { m.Copied(nil, &relay.Copy{Status: relay.CopyByProvider}) }, []string{`relayd_sent_copies_total{status="filed by provider"} 1`}},
	"Reported":          {func(m *Metrics) { m.Reported(nil, relay.ReportDelay, relay.ID{}) }, []string{`relayd_reports_total{kind="delay"} 1`}},
	"Done":              {func(m *Metrics) { m.Done(&relay.Message{Accepted: time.Now().Add(-2 * time.Minute)}, nil) }, []string{`relayd_message_steps_total{step="done"} 1`, `relayd_message_age_seconds_bucket{le="60"} 0`, `relayd_message_age_seconds_bucket{le="300"} 1`}},
	"Fault":             {func(m *Metrics) { m.Fault("Spool", relay.ID{}, errors.New("x")) }, []string{`relayd_faults_total{step="spool"} 1`}},
	"Connection":        {func(m *Metrics) { m.Connection(relay.RouteAccount, true); m.Connection(relay.RouteAccount, false) }, []string{`relayd_connections_used_total{kind="reused",route="account"} 1`, `relayd_connections_used_total{kind="new",route="account"} 1`}},
	"DialRefused":       {func(m *Metrics) { m.DialRefused() }, []string{`relayd_dials_refused_total 1`}},
	"Flushed":           {func(m *Metrics) { m.Flushed(20, time.Millisecond) }, []string{`relayd_journal_flushes_total 1`, `relayd_journal_group_records_bucket{le="16"} 0`, `relayd_journal_group_records_bucket{le="32"} 1`, `relayd_journal_flush_seconds_sum 0.001`}},
	"WatchCertificate": {func(m *Metrics) {
		m.WatchCertificate(func() time.Time { return time.Unix(1_800_000_000, 0) })
	}, []string{`relayd_certificate_expires_seconds 1.8e+09`}},
	"WatchQueue": {func(m *Metrics) {
		m.WatchQueue(func() QueueState { return QueueState{Messages: 7, Bytes: 700, Held: 2, Oldest: 60} })
	}, []string{`relayd_queue_messages 7`, `relayd_queue_bytes 700`, `relayd_queue_held 2`, `relayd_queue_oldest_seconds 60`}},
	"WatchAccounts": {func(m *Metrics) {
		m.WatchAccounts(func() map[relay.AccountState]int { return map[relay.AccountState]int{relay.AccountParked: 3} })
	}, []string{`relayd_accounts{state="parked"} 3`, `relayd_accounts{state="verified"} 0`}},
	"WatchQuotas": {func(m *Metrics) {
		m.WatchQuotas(func() Quotas { return Quotas{UsedUp: 1, Low: 2, Enough: 3, Unknown: 4} })
	}, []string{`relayd_accounts_quota{left="nothing"} 1`, `relayd_accounts_quota{left="little"} 2`, `relayd_accounts_quota{left="enough"} 3`, `relayd_accounts_quota{left="unknown"} 4`}},
	"Handler": {func(*Metrics) {}, []string{`relayd_build_info{version="v1.2.3"} 1`}},
}

func attempted(m *Metrics) {
	start := time.Unix(0, 0)
	m.Attempted(nil, relay.Route{Kind: relay.RouteAccount}, &relay.Attempt{
		Started: start, Ended: start.Add(2 * time.Second),
		Results: []relay.Result{{Outcome: relay.Delivered}, {Outcome: relay.Delivered}, {Outcome: relay.Deferred}},
		Trouble: &relay.Trouble{Kind: relay.TroubleSlow},
	})
}

func TestEveryMethodIsSeenByAScrape(t *testing.T) {
	t.Parallel()
	typ := reflect.TypeFor[*Metrics]()
	for i := range typ.NumMethod() {
		if name := typ.Method(i).Name; cases[name].call == nil {
			t.Errorf("method %s has no case", name)
		}
	}
	for name, c := range cases {
		m := New("v1.2.3")
		c.call(m)
		got := scrape(t, m)
		for _, line := range c.want {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("%s: no line %q", name, line)
			}
		}
	}
}

// Whatever names come in, the number of time series stays bounded (promise G7).
func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := New("v1")
	for i := range 10_000 {
		s := strconv.Itoa(i)
		m.ConnectionOpened(s)
		m.ConnectionRefused(s)
		m.Fault(strings.Repeat("x", i), relay.ID{}, nil)
	}
	got := scrape(t, m)
	for _, series := range []string{"relayd_smtp_connections_total{", "relayd_smtp_connections_refused_total{", "relayd_faults_total{"} {
		if n := strings.Count(got, series); n == 0 || n > maxValues+1 {
			t.Errorf("%d series of %s", n, series)
		}
	}
	if !strings.Contains(got, `relayd_smtp_connections_total{listener="other"} 9968`) {
		t.Error("what is beyond the bound must be counted as other")
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	m := New("v1")
	m.WatchQueue(func() QueueState { return QueueState{} })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for name, c := range cases {
				if !strings.HasPrefix(name, "Watch") {
					c.call(m)
				}
			}
			scrape(t, m)
		})
	}
	wg.Wait()
	if got := scrape(t, m); !strings.Contains(got, "relayd_messages_accepted_total 4\n") {
		t.Error("counts were lost")
	}
}
