package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/relayd/relayd/internal/metrics"
	"github.com/relayd/relayd/relay"
)

// quotaWatch hears of attempts that met a used-up quota, and tells people's programs of
// it once for each time that the account sleeps.
type quotaWatch struct {
	quiet
	p *program

	mu     sync.Mutex
	asleep map[string]time.Time // account, until when it was told
}

// maxAsleep bounds what quotaWatch remembers; an account too many is told of again.
const maxAsleep = 10_000

// Attempted looks for quotas among the troubles of accounts.
func (q *quotaWatch) Attempted(_ *relay.Message, r relay.Route, a *relay.Attempt) {
	if a.Trouble == nil || a.Trouble.Kind != relay.TroubleSlow || r.Account == "" || !usedUp(a.Trouble.Rule) {
		return
	}
	if !q.first(r.Account, a.Ended, a.Ended.Add(a.Trouble.Pause)) {
		return
	}
	rec, err := q.p.directory.Accounts().Get(context.Background(), r.Account)
	if err != nil {
		return // it was deleted
	}
	q.p.mail.AccountQuota(rec, a.Trouble.Rule, a.Trouble.Pause)
	q.p.webhooks.Tell(relay.AccountEvent{
		Kind: relay.AccountEventQuota, At: a.Ended, Account: rec.ID, Organisation: rec.Organisation, Address: rec.Address,
		State: rec.State, Rule: a.Trouble.Rule, Reason: a.Trouble.Hint,
	})
}

// usedUp reports whether a reply rule means that a window is used up, and not that
// sending goes too fast at the moment.
func usedUp(rule string) bool {
	return strings.HasPrefix(rule, "quota.daily") || strings.HasPrefix(rule, "quota.hourly") || rule == "quota.word" || rule == "ews.quota"
}

func (q *quotaWatch) first(account string, now, until time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if told, known := q.asleep[account]; known && now.Before(told) {
		return false
	}
	if len(q.asleep) >= maxAsleep {
		clear(q.asleep)
	}
	q.asleep[account] = until
	return true
}

// quiet is a queue.Observer that nothing interests.
type quiet struct{}

func (quiet) Attempted(*relay.Message, relay.Route, *relay.Attempt) {}
func (quiet) Held(*relay.Message, *relay.Hold)                      {}
func (quiet) Released(*relay.Message, string)                       {}
func (quiet) Copied(*relay.Message, *relay.Copy)                    {}
func (quiet) Reported(*relay.Message, relay.ReportKind, relay.ID)   {}
func (quiet) Cancelled(*relay.Message, string)                      {}
func (quiet) Done(*relay.Message, *relay.State)                     {}
func (quiet) Fault(string, relay.ID, error)                         {}

// maxBooks is how many accounts the metrics look at.
const maxBooks = 100_000

// lowShare is the share of a day's limit below which little is left.
const lowShare = 10 // percent

// quotas counts the accounts that sent lately by what their providers still let them
// send today.
func (p *program) quotas() metrics.Quotas {
	var q metrics.Quotas
	now := time.Now()
	for _, id := range p.ledger.Active(maxBooks) {
		a, err := p.directory.Accounts().Get(context.Background(), id)
		if err != nil {
			continue
		}
		day := p.ledger.Remaining(id, p.limits(a), now).Day
		least := 100
		for _, limit := range []struct{ left, of int }{{day.Messages.Left, day.Messages.Limit}, {day.Recipients.Left, day.Recipients.Limit}} {
			if limit.of > 0 {
				least = min(least, limit.left*100/limit.of)
			}
		}
		switch {
		case day.Messages.Limit == 0 && day.Recipients.Limit == 0:
			q.Unknown++
		case least == 0:
			q.UsedUp++
		case least < lowShare:
			q.Low++
		default:
			q.Enough++
		}
	}
	return q
}
