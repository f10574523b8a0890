package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// B2: each failure doubles the delay up to the limit, and nobody is locked out.
func TestDelayGrows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, Options{FirstDelay: time.Second, MaxDelay: 6 * time.Second, Forget: time.Hour})
		for i, want := range []int{1, 2, 4, 6, 6} {
			if took, err := s.try(t, "192.0.2.1", "crm", wrong); took != seconds(want) || err == nil {
				t.Errorf("failure %d took %v, %v, want %ds", i+1, took, err, want)
			}
		}
		if took, err := s.try(t, "192.0.2.1", "crm", s.password); took != 6*time.Second || err != nil {
			t.Errorf("the owner at the same address: %v after %v, want nil after 6s", err, took)
		}
		if took, err := s.try(t, "192.0.2.1", "crm", s.password); took != 0 || err != nil {
			t.Errorf("the owner again: %v after %v, want at once", err, took)
		}
		<-time.After(time.Hour)
		if took, _ := s.try(t, "192.0.2.1", "crm", wrong); took != time.Second {
			t.Errorf("after an hour of quiet: %v, want 1s", took)
		}
	})
}

// One script for each way to guess, and for what the real owner feels meanwhile.
func TestWhoIsSlowed(t *testing.T) {
	t.Parallel()
	const good, bad = true, false
	type step struct {
		addr, login string
		right       bool
		want        int // seconds; the first delay is one
	}
	for name, script := range map[string][]step{
		"one address, many names": {
			{"192.0.2.1", "a", bad, 1}, {"192.0.2.1", "b", bad, 2}, {"192.0.2.1", "c", bad, 4},
		},
		"many addresses, one name": {
			{"192.0.2.1", "crm", bad, 1}, {"192.0.2.2", "crm", bad, 2}, {"192.0.2.3", "crm", bad, 4},
		},
		"many addresses of one IPv6 network": {
			{"2001:db8::1", "a", bad, 1}, {"2001:db8::2", "b", bad, 2}, {"2001:db8:0:0:ffff::", "c", bad, 4}, {"2001:db8:0:1::1", "d", bad, 1},
		},
		"IPv4 in IPv6 is the same address": {
			{"192.0.2.1", "a", bad, 1}, {"::ffff:192.0.2.1", "b", bad, 2},
		},
		"a success elsewhere clears nothing": {
			{"192.0.2.1", "crm", bad, 1}, {"192.0.2.1", "crm", bad, 2}, {"198.51.100.1", "crm", good, 2}, {"192.0.2.1", "crm", bad, 4},
		},
		"a login of one's own clears neither address nor other names": {
			{"192.0.2.1", "other", good, 0}, {"192.0.2.1", "crm", bad, 1}, {"192.0.2.1", "other", good, 0}, {"192.0.2.1", "crm", bad, 2},
			{"192.0.2.1", "other", good, 0}, {"192.0.2.1", "crm", bad, 4},
		},
		"the owner at the usual address feels no guesser elsewhere": {
			{"198.51.100.1", "crm", good, 0}, {"192.0.2.1", "crm", bad, 1}, {"192.0.2.2", "crm", bad, 2}, {"198.51.100.1", "crm", good, 0},
		},
		"the owner at a new address waits and gets in": {
			{"192.0.2.1", "crm", bad, 1}, {"192.0.2.1", "crm", bad, 2}, {"192.0.2.1", "crm", bad, 4}, {"203.0.113.9", "crm", good, 4}, {"203.0.113.9", "crm", good, 0},
		},
		"a neighbour with a broken device slows no usual sign-in": {
			{"192.0.2.1", "crm", good, 0}, {"192.0.2.1", "scanner", bad, 1}, {"192.0.2.1", "scanner", bad, 2}, {"192.0.2.1", "crm", good, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, Options{FirstDelay: time.Second, MaxDelay: time.Minute})
				for i, step := range script {
					password := wrong
					if step.right {
						password = s.password
					}
					took, err := s.try(t, step.addr, step.login, password)
					if took != seconds(step.want) || (err == nil) != step.right {
						t.Errorf("step %d, %s at %s: %v after %v, want %ds", i+1, step.login, step.addr, err, took, step.want)
					}
				}
			})
		})
	}
}

// The memory of the counters has a limit, and flooding one kind clears no other.
func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{Tracked: 100})
	g, now := s.guard, time.Unix(1, 0)
	attacker := netip.MustParseAddr("192.0.2.1")
	for i := range 10_000 {
		wait := g.delay(attacker, fmt.Sprint("name", i), false, now)
		if i > 10 && wait != g.max {
			t.Fatalf("name %d: %v, the address was forgotten", i, wait)
		}
		for kind, c := range map[string]counters{"addresses": g.addresses, "names": g.names, "pairs": g.pairs} {
			if n := len(c.young) + len(c.old); n > 100 {
				t.Fatalf("%d %s, the limit is 100", n, kind)
			}
		}
	}
}

func TestTrustEnds(t *testing.T) {
	t.Parallel()
	s := newScene(t, Options{})
	g, now := s.guard, time.Unix(1, 0)
	home, away := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	g.delay(home, "crm", true, now)
	now = now.Add(trustFor)
	g.delay(away, "crm", false, now)
	if wait := g.delay(home, "crm", true, now); wait != DefaultFirstDelay {
		t.Errorf("after %v without a sign-in: %v, want %v", trustFor, wait, DefaultFirstDelay)
	}
}

func BenchmarkPassword(b *testing.B) {
	s := newScene(b, Options{})
	client := from("192.0.2.1")
	for b.Loop() {
		if _, err := s.Password(b.Context(), client, "crm", s.password); err != nil {
			b.Fatal(err)
		}
	}
}
