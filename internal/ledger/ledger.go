package ledger

import (
	"sync"
	"time"

	"github.com/relayd/relayd/relay"
)

// idle is how long an account is kept after its last message: the day, and the bucket
// at its edge.
const idle = 25 * time.Hour

// sweepEvery is how often accounts that nothing is known of any more are looked for.
const sweepEvery = 10 * time.Minute

// Ledger keeps the books of all accounts. It may be used concurrently. The zero Ledger
// is empty and ready.
type Ledger struct {
	mu       sync.Mutex
	accounts map[string]*account
	swept    time.Time
	changes  uint64 // counts everything that a snapshot would show
}

// account is one account.
type account struct {
	books   *books // nil: nothing was sent lately
	last    int64  // when something was counted, in seconds since 1970
	learned [windows]learned
}

// of gives an account with its windows ending at now.
func (l *Ledger) of(id string, now time.Time) *account {
	if now.Sub(l.swept).Abs() >= sweepEvery {
		l.sweep(now)
	}
	if l.accounts == nil {
		l.accounts = make(map[string]*account)
	}
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		l.accounts[id] = a
	}
	if a.books == nil {
		a.books = &books{}
	}
	a.books.advance(now)
	return a
}

// sweep forgets what nobody will miss.
func (l *Ledger) sweep(now time.Time) {
	l.swept = now
	for id, a := range l.accounts {
		if a.books != nil && now.Sub(time.Unix(a.last, 0)) >= idle {
			a.books = nil
		}
		if a.books == nil && !a.knows(now) {
			delete(l.accounts, id)
		}
	}
}

// knows reports whether a learned limit still holds.
func (a *account) knows(now time.Time) bool {
	for w := range a.learned {
		if l := &a.learned[w]; l.limit(l.kind, now) > 0 {
			return true
		}
	}
	return false
}

// Reserve asks whether one message to so many recipients may go now. 0 means that it
// may, and that it is counted; else it may be asked again after that time. A message
// to more recipients than a window ever has room for goes when the window is empty.
func (l *Ledger) Reserve(id string, to int, limits relay.Limits, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(id, now)
	var wait time.Duration
	for w := range Window(windows) {
		for k, n := range [kinds]int{1, to} {
			if limit := a.limit(&limits, w, kind(k), now); limit > 0 { //nolint:gosec // two kinds
				wait = max(wait, a.books.free(w, kind(k), max(limit-n, 0), now)) //nolint:gosec // two kinds
			}
		}
	}
	if wait == 0 {
		l.count(a, 1, to, now)
	}
	return wait
}

// Count adds what was sent without asking.
func (l *Ledger) Count(id string, sent, to int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(l.of(id, now), sent, to, now)
}

func (l *Ledger) count(a *account, sent, to int, now time.Time) {
	a.books.count(counted(sent, to))
	a.last = now.Unix()
	l.changes++
}

// Cancel takes back what was counted at a time and was not sent after all: the message
// and its recipients, or with sent 0 recipients only.
func (l *Ledger) Cancel(id string, sent, to int, at, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(id, now).books.uncount(counted(sent, to), at)
	l.changes++
}

// counted keeps numbers that no message has out of the books.
func counted(sent, to int) bucket {
	const most = 1 << 20
	return bucket{uint32(min(max(sent, 0), most)), uint32(min(max(to, 0), most))} //nolint:gosec // bounded here
}

// Exhausted is told that the provider finds a limit reached: that of a window, or of
// Any. What was refused must have been cancelled before. If the books explain it, what
// they count is from now on the limit, and the answer is how long it takes until the
// window moves. 0 means that they do not: who asks must know how long to wait.
func (l *Ledger) Exhausted(id string, w Window, limits relay.Limits, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.of(id, now)
	w, k, explained := a.explain(w, &limits, now)
	if !explained {
		return 0
	}
	a.learn(w, k, &limits, now)
	l.changes++
	return a.books.oldest(w, k, now)
}

// Quota is how one limit stands.
type Quota struct {
	Used  int
	Limit int // 0: none is known
	Left  int // 0 as well if no limit is known
	// Learned is set if the provider has taught the limit by refusing.
	Learned bool
}

// Usage is how things stand in one window.
type Usage struct{ Messages, Recipients Quota }

// Remaining is how things stand for one account.
type Remaining struct {
	Minute, Hour, Day Usage
	Known             bool // some limit is known
}

// Remaining tells what an account may still send. It changes nothing.
func (l *Ledger) Remaining(id string, limits relay.Limits, now time.Time) Remaining {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := account{}
	if kept := l.accounts[id]; kept != nil {
		a = *kept
	}
	b := books{}
	if a.books != nil {
		b = *a.books
		b.advance(now)
	}
	a.books = &b
	var r Remaining
	for w, usage := range [windows]*Usage{&r.Minute, &r.Hour, &r.Day} {
		for k, q := range [kinds]*Quota{&usage.Messages, &usage.Recipients} {
			*q = a.quota(&limits, Window(w), kind(k), now) //nolint:gosec // two kinds
			r.Known = r.Known || q.Limit > 0
		}
	}
	return r
}

func (a *account) quota(known *relay.Limits, w Window, k kind, now time.Time) Quota {
	q := Quota{Used: a.books.used(w, k), Limit: a.limit(known, w, k, now)}
	q.Left = max(q.Limit-q.Used, 0)
	q.Learned = q.Limit > 0 && q.Limit != limitOf(known, w, k)
	return q
}

// Forget drops an account that was deleted.
func (l *Ledger) Forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts[id] != nil {
		delete(l.accounts, id)
		l.changes++
	}
}

// Active gives the accounts of which something is known, at most so many, in no order.
func (l *Ledger) Active(most int) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, min(most, len(l.accounts)))
	for id := range l.accounts {
		if len(ids) == most {
			break
		}
		ids = append(ids, id)
	}
	return ids
}

// Accounts is how many accounts something is known of.
func (l *Ledger) Accounts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accounts)
}
