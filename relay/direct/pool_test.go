package direct

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/relay"
)

func (m *mx) counts() (met, quits int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.met, m.quits
}

// hears notes every connection that is used.
func hears(heard *[]string) func(*Options) {
	return func(o *Options) {
		o.Connected = func(reused bool, tls string) { *heard = append(*heard, fmt.Sprintf("%t %.7s", reused, tls)) }
	}
}

func TestConnectionIsReused(t *testing.T) {
	t.Parallel()
	var heard []string
	f := setUp(t, hears(&heard))
	mx := f.exchanger("192.0.2.1:25", tlsPart+inTLS+toBob+kept+toBob+kept+toBob+"S: 451 later\n"+toBob+kept)
	for i, want := range []string{"delivered 250 2.0.0 kept", "delivered 250 2.0.0 kept", "deferred 451 later", "delivered 250 2.0.0 kept"} {
		// Another destination at the same exchanger shares its connections.
		del := delivery(nil, []string{"bob@one.example", "bob@backup.example"}[i%2])
		if got := results(t, del, f.d.Deliver(t.Context(), del)); got != want {
			t.Errorf("message %d: %s", i, got)
		}
	}
	_ = f.d.Close()
	if met, quits := mx.counts(); met != 1 || quits != 1 {
		t.Errorf("%d connections, %d ended by QUIT", met, quits)
	}
	if got := strings.Join(heard, ", "); got != "false TLS 1.3, true TLS 1.3, true TLS 1.3, true TLS 1.3" {
		t.Errorf("heard %s", got)
	}
}

func TestStaleConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]string{
		"closed while idle":       "DROP\n",
		"421 to the next MAIL":    "C: MAIL\nS: 421 4.4.2 too slow\nDROP\n",
		"421 while it was idle":   "S: 421 4.4.2 bye\nDROP\n",
		"hang-up instead of MAIL": "C: MAIL\nDROP\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setUp(t)
			mx := f.exchanger("192.0.2.1:25", hello+toBob+kept+end, hello+toBob+kept)
			for range 2 {
				del := delivery(nil, "bob@world.example")
				a := f.d.Deliver(t.Context(), del)
				if got := results(t, del, a); got != "delivered 250 2.0.0 kept" || a.Trouble != nil {
					t.Errorf("got %s, trouble %+v", got, a.Trouble)
				}
			}
			if met, _ := mx.counts(); met != 2 {
				t.Errorf("%d connections", met)
			}
		})
	}
}

func TestLimitsOfReuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pool PoolOptions
		want int // connections for three messages
	}{
		"two uses each":      {PoolOptions{MaxUses: 2}, 2},
		"none may grow old":  {PoolOptions{MaxAge: time.Nanosecond}, 3},
		"all for one":        {PoolOptions{}, 1},
		"idle for no time":   {PoolOptions{IdleTimeout: time.Nanosecond}, 3},
		"old after a minute": {PoolOptions{MaxAge: time.Minute}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setUp(t, func(o *Options) { o.Pool = c.pool })
			scripts := make([]string, c.want)
			for i := range 3 {
				scripts[i*c.want/3] += toBob + kept
			}
			if c.want == 2 {
				scripts = []string{toBob + kept + toBob + kept, toBob + kept}
			}
			for i := range scripts {
				scripts[i] = hello + scripts[i]
			}
			mx := f.exchanger("192.0.2.1:25", scripts...)
			for range 3 {
				f.d.Deliver(t.Context(), delivery(nil, "bob@world.example"))
				f.idleRest(t, c.pool.IdleTimeout == time.Nanosecond)
			}
			if got := len(mx.received()); got != 3 {
				t.Errorf("%d messages arrived", got)
			}
			_ = f.d.Close()
			if f.d.pool.idle != 0 || len(f.d.pool.slots) != 0 {
				t.Errorf("the pool keeps %d idle connections in %d slots", f.d.pool.idle, len(f.d.pool.slots))
			}
		})
	}
}

// idleRest waits until no connection is idle any more.
func (f *fixture) idleRest(t *testing.T, wait bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.After(5 * time.Second); wait; {
		f.d.pool.mu.Lock()
		wait = f.d.pool.idle > 0
		f.d.pool.mu.Unlock()
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("a connection stays idle")
		}
	}
}

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.Pool.PerAddress = 1 })
	const messages = 8
	mx := f.exchanger("192.0.2.1:25", hello+strings.Repeat(toBob+kept, messages))
	var all sync.WaitGroup
	for range messages {
		all.Go(func() {
			del := delivery(nil, "bob@world.example")
			if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "delivered 250 2.0.0 kept" {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
	if met, _ := mx.counts(); met != 1 {
		t.Errorf("%d connections at one time", met)
	}
}

func TestWaitingForAConnectionEndsWithTheContext(t *testing.T) {
	t.Parallel()
	p := newPool(PoolOptions{PerAddress: 1})
	first, err := p.enter(t.Context(), poolKey{host: "mx"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.enter(ctx, poolKey{host: "mx"}); err == nil {
		t.Error("entered beyond the limit")
	}
	first.leave()
	if len(p.slots) != 0 {
		t.Error("an unused slot stays")
	}
	p.close()
	if _, err := p.enter(t.Context(), poolKey{host: "mx"}); err == nil {
		t.Error("entered after the end")
	}
}

// Promise G6: many destinations share an exchanger. While it says nothing their messages
// do not wait for each other's connections, but for their next attempt.
func TestBusyExchangerKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.Pool.PerAddress, o.Pool.Patience = 1, 50*time.Millisecond })
	f.exchanger("192.0.2.1:25", "WAIT\n")
	ctx, cancel := context.WithCancel(t.Context())
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		f.d.Deliver(ctx, delivery(nil, "bob@one.example"))
	}()
	for f.calls() == "" {
		runtime.Gosched()
	}
	del := delivery(nil, "eve@one.example")
	a := f.d.Deliver(t.Context(), del)
	if got := results(t, del, a); got != "deferred local: busy all connections to the server are in use" || a.Trouble != nil {
		t.Errorf("got %s, trouble %+v", got, a.Trouble)
	}
	cancel()
	<-stuck
}

// TestBrokenOff ends the context while the exchanger keeps us waiting.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, dialog, want string
		dots               string
		trouble            relay.TroubleKind
	}{
		{"before the greeting", "WAIT\n", "deferred local: aborted", "[]", relay.TroubleAborted},
		{"before the dot", hello + "C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nWAIT\n", "deferred local: aborted", "[]", relay.TroubleAborted},
		{"after the dot, for too long", hello + toBob + "WAIT\n", "unknown local: timeout after the final dot", "[[0]]", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := setUp(t, func(o *Options) { o.AnswerGrace = 50 * time.Millisecond })
			f.exchanger("192.0.2.1:25", c.dialog)
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(300*time.Millisecond, cancel).Stop()
			dots := []string{}
			del := delivery(&dots, "bob@world.example")
			a := f.d.Deliver(ctx, del)
			if got := results(t, del, a); got != c.want || fmt.Sprint(dots) != c.dots {
				t.Errorf("got %s, recorded %v", got, dots)
			}
			if (a.Trouble == nil) != (c.trouble == 0) || a.Trouble != nil && a.Trouble.Kind != c.trouble {
				t.Errorf("trouble %+v", a.Trouble)
			}
		})
	}
}

// Promise G4: what has sent its dot waits for the answer, whoever ends the attempt: the
// outcome stays known, and the next transaction does not begin.
func TestAnswerToTheDotIsWaitedFor(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.MaxRecipients = 1 })
	f.exchanger("192.0.2.1:25", hello+toBob+kept)
	ctx, cancel := context.WithCancel(t.Context())
	del := delivery(nil, "bob@world.example", "eve@world.example")
	del.BeforeDot = func(context.Context, []int) error {
		cancel()
		return nil
	}
	a := f.d.Deliver(ctx, del)
	if got := results(t, del, a); got != "delivered 250 2.0.0 kept; deferred local: aborted" {
		t.Errorf("got %s", got)
	}
	if a.Trouble == nil || a.Trouble.Kind != relay.TroubleAborted {
		t.Errorf("trouble %+v", a.Trouble)
	}
}

// A peer that is always just in time is its own trouble: the attempt ends, and counts.
func TestAttemptEndsInTheEnd(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.AttemptTimeout = 100 * time.Millisecond })
	f.exchanger("192.0.2.1:25", hello+"C: MAIL\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nWAIT\n")
	del := delivery(nil, "bob@one.example")
	a := f.d.Deliver(t.Context(), del)
	if got := results(t, del, a); !strings.HasPrefix(got, "deferred local: timeout") || a.Trouble != nil {
		t.Errorf("got %s, trouble %+v", got, a.Trouble)
	}
}

func TestSlowPeerMakesTheLaneRest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ one, two string }{
		"421 in both greetings":                               {"S: 421 busy\n", "S: 421 4.7.0 slow down\n"},
		"421 to a command: the second exchanger is not asked": {hello + "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 421 4.7.0 slow down\nDROP\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setUp(t)
			f.exchanger("192.0.2.1:25", c.one)
			calls := "192.0.2.1:25"
			if c.two != "" {
				f.exchanger("192.0.2.2:25", c.two)
				calls += " 192.0.2.2:25"
			}
			del := delivery(nil, "bob@world.example", "eve@world.example")
			a := f.d.Deliver(t.Context(), del)
			if got := results(t, del, a); got != "deferred 421 4.7.0 slow down; deferred 421 4.7.0 slow down" || f.calls() != calls {
				t.Errorf("got %s after %s", got, f.calls())
			}
			if a.Trouble == nil || a.Trouble.Kind != relay.TroubleSlow || a.Trouble.Pause != 5*time.Minute || a.Trouble.Reply.Text != "slow down" {
				t.Errorf("trouble %+v", a.Trouble)
			}
		})
	}
}

func TestManyRecipientsGoInBatches(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) { o.MaxRecipients = 2 })
	two := "C: MAIL\nC: RCPT\nC: RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nBODY\n" + kept
	f.exchanger("192.0.2.1:25", hello+two+two+toBob+kept)
	var dots []string
	del := delivery(&dots, "a@world.example", "b@world.example", "c@world.example", "d@world.example", "bob@world.example")
	got := results(t, del, f.d.Deliver(t.Context(), del))
	if strings.Count(got, "delivered") != 5 || strings.Join(dots, "") != "[0 1][2 3][4]" {
		t.Errorf("%s, recorded %v", got, dots)
	}
}

// A7 of the attack list, with the real guard: an MX that points to this machine or
// to a private network is never dialled, and its domain fails for good.
func TestA7HopsThatAreNotPublicAreRefused(t *testing.T) {
	t.Parallel()
	f := setUp(t, func(o *Options) {
		o.Dialer, o.Literals = netguard.New(netguard.Options{}), true
	})
	f.dns.Add(t, `
		loopback.example.  MX 10 localhost.example.
		localhost.example. A 127.0.0.1
		localhost.example. AAAA ::1
		zero.example.      A 0.0.0.0
		metadata.example.  A 169.254.169.254
		mapped.example.    AAAA ::ffff:10.0.0.1
	`)
	for _, domain := range []string{
		"loopback.example", "zero.example", "metadata.example", "mapped.example",
		"[127.0.0.1]", "[169.254.169.254]", "[IPv6:::1]",
	} {
		del := delivery(nil, "bob@"+domain)
		if got := results(t, del, f.d.Deliver(t.Context(), del)); got != "failed 5.4.4 local: address refused" {
			t.Errorf("%s: %s", domain, got)
		}
	}
}
