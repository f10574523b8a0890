package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/relayd/relayd/internal/ledger"
	"github.com/relayd/relayd/relay"
)

// noon is on the edge of a bucket of every window.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// perHour, perDay and so on are limits of one kind.
func perMinute(n int) relay.Limits        { return relay.Limits{MessagesPerMinute: n} }
func perHour(n int) relay.Limits          { return relay.Limits{MessagesPerHour: n} }
func perDay(n int) relay.Limits           { return relay.Limits{MessagesPerDay: n} }
func recipientsPerDay(n int) relay.Limits { return relay.Limits{RecipientsPerDay: n} }

// Each case is a list of messages of one account, and how long each of them waits.
func TestReserve(t *testing.T) {
	t.Parallel()
	type send struct {
		after time.Duration // since noon
		to    int
		wait  time.Duration // 0: it goes
	}
	for name, c := range map[string]struct {
		limits relay.Limits
		sends  []send
	}{
		"no limits":             {relay.Limits{}, []send{{0, 1, 0}, {0, 10000, 0}}},
		"two a minute":          {perMinute(2), []send{{0, 1, 0}, {7 * time.Second, 1, 0}, {10 * time.Second, 1, 55 * time.Second}, {65 * time.Second, 1, 0}, {66 * time.Second, 1, 4 * time.Second}}},
		"in the same second":    {perMinute(1), []send{{0, 1, 0}, {0, 1, 65 * time.Second}, {65*time.Second - 1, 1, 1}, {65 * time.Second, 1, 0}}},
		"two an hour":           {perHour(2), []send{{0, 1, 0}, {0, 1, 0}, {time.Minute, 1, 64 * time.Minute}, {65 * time.Minute, 1, 0}}},
		"one a day":             {perDay(1), []send{{30 * time.Minute, 1, 0}, {12 * time.Hour, 1, 13 * time.Hour}, {25*time.Hour - 1, 1, 1}, {25 * time.Hour, 1, 0}}},
		"ten recipients":        {recipientsPerDay(10), []send{{0, 6, 0}, {time.Hour, 5, 24 * time.Hour}, {time.Hour, 4, 0}, {2 * time.Hour, 1, 23 * time.Hour}}},
		"more than ever fit":    {recipientsPerDay(10), []send{{0, 11, 0}, {0, 1, 25 * time.Hour}, {25 * time.Hour, 20, 0}}},
		"the longer wait holds": {relay.Limits{MessagesPerMinute: 1, RecipientsPerHour: 3}, []send{{0, 2, 0}, {0, 2, 65 * time.Minute}, {0, 1, 65 * time.Second}, {65 * time.Second, 1, 0}}},
		"a negative limit":      {perDay(-1), []send{{0, 1, 0}}},
		"the clock is set back": {perHour(1), []send{{time.Hour, 1, 0}, {0, 1, 65 * time.Minute}, {65 * time.Minute, 1, 0}}},
		"the clock is years ahead, and set right": {perHour(1), []send{{87600 * time.Hour, 1, 0}, {0, 1, 65 * time.Minute}, {65 * time.Minute, 1, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l ledger.Ledger
			for i, s := range c.sends {
				if got := l.Reserve("jane", s.to, c.limits, noon.Add(s.after)); got != s.wait {
					t.Errorf("message %d waits %v, want %v", i, got, s.wait)
				}
			}
			if got := l.Reserve("bob", 1, c.limits, noon); got != 0 {
				t.Errorf("another account waits %v", got)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	var l ledger.Ledger
	limits := relay.Limits{MessagesPerHour: 1, RecipientsPerDay: 5}
	reserve := func(to int, at time.Time, want time.Duration) {
		t.Helper()
		if got := l.Reserve("jane", to, limits, at); got != want {
			t.Errorf("it waits %v, want %v", got, want)
		}
	}
	later := noon.Add(20 * time.Minute)
	reserve(4, noon, 0)
	l.Cancel("jane", 1, 4, noon, later)
	reserve(5, later, 0)
	l.Cancel("jane", 0, 3, later, later) // three were refused
	reserve(1, later, 65*time.Minute)
	end := later.Add(65 * time.Minute)
	reserve(3, end, 0)
	l.Cancel("jane", 5, 50, later, end) // no more than was counted
	l.Cancel("jane", 1, 1, noon.Add(-48*time.Hour), end)
	l.Cancel("bob", 1, 1, noon, end)
	r := l.Remaining("jane", limits, end)
	if r.Hour.Messages.Used != 1 || r.Day.Recipients.Used != 3 || r.Day.Recipients.Left != 2 {
		t.Errorf("%+v", r)
	}
}

// Each case is what was counted before a refusal, and what is learned from it.
func TestExhausted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sent, to int // messages, and recipients of each
		window   ledger.Window
		limits   relay.Limits
		wait     time.Duration // an hour after the first was sent
		want     relay.Limits  // what is learned
	}{
		"a limit that nobody knew":        {100, 2, ledger.Day, relay.Limits{}, 24 * time.Hour, relay.Limits{RecipientsPerDay: 200}},
		"one that is lower":               {100, 2, ledger.Day, perDay(300), 24 * time.Hour, perDay(100)},
		"just that one":                   {100, 1, ledger.Day, perDay(100), 24 * time.Hour, perDay(100)},
		"one that was passed":             {100, 1, ledger.Day, perDay(80), 24 * time.Hour, perDay(80)},
		"of both the nearer":              {100, 3, ledger.Day, relay.Limits{MessagesPerDay: 300, RecipientsPerDay: 500}, 24 * time.Hour, relay.Limits{MessagesPerDay: 300, RecipientsPerDay: 300}},
		"somebody else used it up":        {20, 1, ledger.Day, perDay(100), 0, perDay(100)},
		"too little, and nothing known":   {3, 3, ledger.Day, relay.Limits{}, 0, relay.Limits{}},
		"nothing sent":                    {0, 1, ledger.Day, perDay(1), 0, perDay(1)},
		"any window":                      {100, 1, ledger.Any, relay.Limits{MessagesPerMinute: 20, MessagesPerDay: 150}, 24 * time.Hour, relay.Limits{MessagesPerMinute: 20, MessagesPerDay: 100}},
		"any window, and nothing known":   {100, 1, ledger.Any, relay.Limits{}, 0, relay.Limits{}},
		"any window, and nothing near it": {100, 1, ledger.Any, perDay(1000), 0, perDay(1000)},
		"an hour of a known day":          {100, 1, ledger.Hour, perDay(1000), 5 * time.Minute, relay.Limits{MessagesPerDay: 1000, RecipientsPerHour: 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l ledger.Ledger
			for range c.sent {
				l.Count("jane", 1, c.to, noon)
			}
			now := noon.Add(time.Hour)
			if got := l.Exhausted("jane", c.window, c.limits, now); got != c.wait {
				t.Errorf("it waits %v, want %v", got, c.wait)
			}
			if got := limitsOf(l.Remaining("jane", c.limits, now)); got != c.want {
				t.Errorf("learned %+v, want %+v", got, c.want)
			}
		})
	}
}

// limitsOf reads the limits that hold.
func limitsOf(r ledger.Remaining) relay.Limits {
	return relay.Limits{
		MessagesPerMinute: r.Minute.Messages.Limit, RecipientsPerMinute: r.Minute.Recipients.Limit,
		MessagesPerHour: r.Hour.Messages.Limit, RecipientsPerHour: r.Hour.Recipients.Limit,
		MessagesPerDay: r.Day.Messages.Limit, RecipientsPerDay: r.Day.Recipients.Limit,
	}
}

// TestLearnedFades: a learned limit throttles, grows slowly, never above what is
// known, and is forgotten after a week.
func TestLearnedFades(t *testing.T) {
	t.Parallel()
	var l ledger.Ledger
	known := perDay(130)
	for range 100 {
		l.Count("jane", 1, 1, noon)
	}
	l.Exhausted("jane", ledger.Day, known, noon)
	if got := l.Reserve("jane", 1, known, noon); got != 25*time.Hour {
		t.Errorf("it waits %v", got)
	}
	for day, want := range []int{100, 110, 120, 130, 130, 130, 130, 130} {
		at := noon.Add(time.Duration(day) * 24 * time.Hour)
		q := l.Remaining("jane", known, at).Day.Messages
		if q.Limit != want || q.Learned != (want < 130) {
			t.Errorf("day %d: %+v, want %d", day, q, want)
		}
		if got := l.Remaining("jane", relay.Limits{}, at); got.Known != (day < 7) {
			t.Errorf("day %d: known %v", day, got.Known)
		}
	}
	if q := l.Remaining("jane", perDay(50), noon).Day.Messages; q.Limit != 50 || q.Learned || q.Left != 0 || q.Used != 100 {
		t.Errorf("the known limit is smaller now: %+v", q)
	}
}

// TestIdleAccountsAreDropped: the books after a day, a learned limit after its week.
func TestIdleAccountsAreDropped(t *testing.T) {
	t.Parallel()
	var l ledger.Ledger
	l.Count("idle", 1, 1, noon)
	l.Count("learned", 50, 50, noon)
	l.Exhausted("learned", ledger.Day, relay.Limits{}, noon)
	l.Count("deleted", 1, 1, noon)
	l.Forget("deleted")
	l.Forget("never seen")
	for after, want := range map[time.Duration]int{0: 3, 24 * time.Hour: 3, 25 * time.Hour: 2, 8 * 24 * time.Hour: 1} {
		var again ledger.Ledger
		copyTo(t, &l, &again)
		again.Reserve("busy", 1, relay.Limits{}, noon.Add(after))
		if got := again.Accounts(); got != want {
			t.Errorf("after %v %d accounts are left, want %d", after, got, want)
		}
	}
}

// model is the same as a Ledger, by the definition: a list of everything.
type model struct {
	sent []entry
}

type entry struct {
	at time.Time
	n  [2]int
}

// used counts what is not older than a window, or than the bucket at its edge.
func (m *model) used(now time.Time, span time.Duration, buckets, kind int) int {
	n, edge := 0, now.Truncate(span).Add(-time.Duration(buckets)*span)
	for _, e := range m.sent {
		if !e.at.Before(edge) {
			n += e.n[kind]
		}
	}
	return n
}

// wait tries every edge of a bucket.
func (m *model) wait(now time.Time, to int, limits relay.Limits) time.Duration {
	var longest time.Duration
	for _, w := range []struct {
		span    time.Duration
		buckets int
		limit   [2]int
	}{
		{5 * time.Second, 12, [2]int{limits.MessagesPerMinute, limits.RecipientsPerMinute}},
		{5 * time.Minute, 12, [2]int{limits.MessagesPerHour, limits.RecipientsPerHour}},
		{time.Hour, 24, [2]int{limits.MessagesPerDay, limits.RecipientsPerDay}},
	} {
		for kind, n := range [2]int{1, to} {
			if w.limit[kind] == 0 {
				continue
			}
			at := now
			for m.used(at, w.span, w.buckets, kind)+min(n, w.limit[kind]) > w.limit[kind] {
				at = at.Truncate(w.span).Add(w.span)
			}
			longest = max(longest, at.Sub(now))
		}
	}
	return longest
}

// TestAgainstModel: whatever is sent and taken back at whatever times, the ledger says
// what the list of everything says, and no true window ever holds more than allowed.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			limits := relay.Limits{
				MessagesPerMinute: r.IntN(8), RecipientsPerMinute: r.IntN(30), MessagesPerHour: r.IntN(60),
				RecipientsPerHour: r.IntN(200), MessagesPerDay: r.IntN(300), RecipientsPerDay: r.IntN(1000),
			}
			var l ledger.Ledger
			var m model
			now := noon.Add(time.Duration(r.Int64N(int64(24 * time.Hour))))
			for range 600 {
				now = now.Add(step(r))
				if n := len(m.sent); n > 0 && r.IntN(8) == 0 {
					e := &m.sent[n-1-r.IntN(min(n, 20))]
					taken := [2]int{r.IntN(e.n[0] + 1), r.IntN(e.n[1] + 1)}
					l.Cancel("jane", taken[0], taken[1], e.at, now)
					e.n[0], e.n[1] = e.n[0]-taken[0], e.n[1]-taken[1]
					continue
				}
				to := 1 + r.IntN(6)
				want := m.wait(now, to, limits)
				if got := l.Reserve("jane", to, limits, now); got != want {
					t.Fatalf("at %v: it waits %v, want %v (%+v)", now, got, want, limits)
				}
				if want == 0 {
					m.sent = append(m.sent, entry{now, [2]int{1, to}})
				} else if r.IntN(3) == 0 {
					now = now.Add(want)
				}
				m.check(t, now, limits)
			}
		})
	}
}

// check holds what was sent against the limits, by the very second.
func (m *model) check(t *testing.T, now time.Time, l relay.Limits) {
	t.Helper()
	for window, limit := range map[time.Duration][2]int{
		time.Minute:    {l.MessagesPerMinute, l.RecipientsPerMinute},
		time.Hour:      {l.MessagesPerHour, l.RecipientsPerHour},
		24 * time.Hour: {l.MessagesPerDay, l.RecipientsPerDay},
	} {
		var n [2]int
		single := false // one message alone may have more recipients than the limit
		for _, e := range m.sent {
			if now.Sub(e.at) < window {
				n[0], n[1] = n[0]+e.n[0], n[1]+e.n[1]
				single = n[1] == e.n[1]
			}
		}
		if limit[0] > 0 && n[0] > limit[0] || limit[1] > 0 && n[1] > limit[1] && !single {
			t.Fatalf("%v within %v, allowed are %v", n, window, limit)
		}
	}
}

// step is how long it is to the next message: mostly seconds, at times a day.
func step(r *rand.Rand) time.Duration {
	switch r.IntN(20) {
	case 0:
		return time.Duration(r.Int64N(int64(3 * time.Hour)))
	case 1, 2:
		return time.Duration(r.Int64N(int64(10 * time.Minute)))
	}
	return time.Duration(r.Int64N(int64(10 * time.Second)))
}

// TestConcurrent: many at one time get no more than there is.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	var l ledger.Ledger
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted := map[string]int{}
	for range 8 {
		wg.Go(func() {
			for i := range 400 {
				id := fmt.Sprint("account ", i%4)
				if l.Reserve(id, 1, perDay(100), noon.Add(time.Duration(i)*time.Second)) == 0 {
					mu.Lock()
					granted[id]++
					mu.Unlock()
				}
				l.Remaining(id, perDay(100), noon)
			}
		})
	}
	wg.Wait()
	for id, n := range granted {
		if n != 100 {
			t.Errorf("%s sent %d", id, n)
		}
	}
}

// TestMemory: an active account takes well under 1 KB.
func TestMemory(t *testing.T) { //nolint:paralleltest // it measures the heap
	const n = 20_000
	var l ledger.Ledger
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		for hour := range 3 {
			l.Count(fmt.Sprintf("acc_%020d", i), 1, 1, noon.Add(time.Duration(hour)*time.Minute))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 900 {
		t.Errorf("an account takes %d octets", each)
	} else {
		t.Logf("an account takes %d octets", each)
	}
	runtime.KeepAlive(&l)
}

func BenchmarkReserve(b *testing.B) {
	var l ledger.Ledger
	limits := relay.Limits{MessagesPerMinute: 1 << 30, MessagesPerHour: 1 << 30, RecipientsPerDay: 1 << 30}
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprintf("acc_%020d", i)
	}
	i := 0
	for b.Loop() {
		i++
		l.Reserve(ids[i%len(ids)], 2, limits, noon.Add(time.Duration(i)*time.Millisecond))
	}
}
