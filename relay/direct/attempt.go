package direct

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/relayd/relayd/internal/netguard"
	"github.com/relayd/relayd/internal/patience"
	"github.com/relayd/relayd/relay"
)

// attempt is one Deliver. It belongs to one goroutine.
type attempt struct {
	ctx     context.Context
	life    *patience.Attempt // the owner of ctx
	d       *Deliverer
	del     *relay.Delivery
	body    relay.Body
	started time.Time
	peer    relay.Peer
	trouble *relay.Trouble
	results map[int]relay.Result

	recordFailed error // BeforeDot failed: nothing more is tried
}

func newAttempt(ctx context.Context, d *Deliverer, del *relay.Delivery) *attempt {
	return &attempt{ctx: ctx, d: d, del: del, body: del.Body, started: time.Now(), results: make(map[int]relay.Result, len(del.Recipients))}
}

// finish gives every recipient of the Delivery exactly one Result.
func (a *attempt) finish() relay.Attempt {
	done := relay.Attempt{Started: a.started, Ended: time.Now(), Peer: a.peer, Trouble: a.trouble}
	for _, i := range a.del.Recipients {
		r := a.results[i]
		r.Recipient = i
		done.Results = append(done.Results, r)
	}
	return done
}

// settle gives the same verdict to some recipients.
func (a *attempt) settle(recipients []int, v verdict) {
	for _, i := range recipients {
		a.results[i] = v.Result
	}
	if v.slow != nil && a.trouble == nil {
		a.trouble = v.slow
	}
}

// open gives those of some recipients whose outcome a further try may change.
func (a *attempt) open(recipients []int) []int {
	return slices.DeleteFunc(slices.Clone(recipients), func(i int) bool {
		r, ok := a.results[i]
		return ok && r.Outcome != relay.Deferred
	})
}

// deliver brings the message to one destination.
func (a *attempt) deliver(domain string, recipients []int) {
	if a.over(recipients) {
		return
	}
	hosts, end := a.d.exchangers(a.ctx, domain)
	if end != nil {
		a.settle(recipients, *end)
		a.over(recipients)
		return
	}
	t := &tour{attempt: a, domain: domain, recipients: recipients, nowhere: noAddress()}
	for _, host := range hosts {
		if !t.visit(host) {
			break
		}
	}
	if !t.reachable {
		a.settle(recipients, t.nowhere)
	}
	a.over(recipients)
}

// over ends the attempt for some recipients if we ourselves broke it off, or could
// not record it: what is not final counts as not tried. It reports whether that is
// so.
func (a *attempt) over(recipients []int) bool {
	open := a.open(recipients)
	switch {
	case a.life.BrokenOff():
		if len(open) > 0 {
			a.settle(open, aborted())
			a.trouble = &relay.Trouble{Kind: relay.TroubleAborted, Rule: RuleAborted}
		}
	case a.recordFailed != nil:
		a.settle(open, notRecorded())
	default:
		return false
	}
	return true
}

// tour is the way from exchanger to exchanger of one destination.
type tour struct {
	*attempt
	domain     string
	recipients []int
	tried      int     // addresses
	sessions   int     // peers that answered
	reachable  bool    // what stood in the way may be gone later
	nowhere    verdict // if it was never reachable
}

// visit tries the addresses of one exchanger. It reports whether the next one is
// to be tried.
func (t *tour) visit(host string) bool {
	addrs, err := t.d.addresses(t.ctx, host)
	if err != nil {
		v := ofLookup(err)
		t.reachable = t.reachable || v.Outcome == relay.Deferred
		if host == t.domain {
			t.nowhere = v // neither exchanger nor address: no domain for mail
		}
		t.settle(t.open(t.recipients), deferred(v))
		return t.ctx.Err() == nil
	}
	for _, addr := range addrs {
		if !t.try(host, addr) {
			return false
		}
	}
	return true
}

// deferred softens the verdict over one exchanger: another one may still take the
// message.
func deferred(v verdict) verdict {
	v.Outcome = relay.Deferred
	return v
}

// try delivers to one address. It reports whether another one is to be tried.
func (t *tour) try(host string, addr netip.Addr) bool {
	if t.tried == t.d.opts.MaxAddresses {
		return false
	}
	t.tried++
	t.trouble = nil // what one peer said is not true of the next one
	before := len(t.open(t.recipients))
	met, err := t.talk(host, netip.AddrPortFrom(addr, t.d.opts.Port))
	if err != nil && errors.Is(err, netguard.ErrRefused) {
		return t.ctx.Err() == nil
	}
	t.reachable = true
	if !met {
		return t.ctx.Err() == nil
	}
	t.sessions++
	after := len(t.open(t.recipients))
	// Once somebody's outcome is settled, the others are answered for as well: they
	// wait for the next attempt.
	return after == before && after > 0 && t.trouble == nil && t.recordFailed == nil &&
		t.sessions < t.d.opts.MaxSessions && t.ctx.Err() == nil
}
