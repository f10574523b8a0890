package direct

import (
	"context"
	"errors"
	"net/netip"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// talk has one conversation with one address about all open recipients. met tells
// whether the peer got as far as being ready for mail; err is why not.
func (t *tour) talk(host string, addr netip.AddrPort) (met bool, err error) {
	key := poolKey{host, addr}
	place, err := t.d.pool.enter(t.ctx, key)
	switch {
	case errors.Is(err, errBusy):
		t.peer = relay.Peer{Host: host, Addr: addr.String()}
		t.settle(t.open(t.recipients), busy())
		return false, err
	case err != nil:
		t.answer(t.open(t.recipients), smtpwire.DialError(err))
		return false, err
	}
	defer place.leave()
	s := place.idle()
	for {
		reused := s != nil
		if s == nil {
			end := t.del.StartConnecting()
			s, err = t.d.connect(t.ctx, key)
			end()
			if err != nil {
				t.peer = relay.Peer{Host: host, Addr: addr.String()}
				t.answer(t.open(t.recipients), err)
				return false, err
			}
		}
		t.use(s, reused)
		stale := t.converse(s)
		if !stale || !reused || t.ctx.Err() != nil {
			place.put(s)
			return true, nil
		}
		// The peer closed the connection while it was idle: that says nothing about
		// this message.
		s.drop()
		s, t.trouble = nil, nil
	}
}

func (t *tour) use(s *session, reused bool) {
	t.peer = s.peer
	if t.d.opts.Connected != nil {
		t.d.opts.Connected(reused, s.peer.TLS)
	}
}

// answer settles recipients by a failure of the connection.
func (t *tour) answer(recipients []int, err error) {
	t.settle(recipients, ofAnswer(t.d.opts.Classifier, clientError(err).Answer("")))
}

// converse takes all open recipients through transactions. stale means that the
// connection was gone before anything was said on it.
func (t *tour) converse(s *session) (stale bool) {
	queue := t.open(t.recipients)
	for first := true; len(queue) > 0; first = false {
		batch := queue[:min(len(queue), t.d.opts.MaxRecipients)]
		queue = queue[len(batch):]
		again, err := t.transact(s, batch)
		if err != nil {
			if first && isStale(err, t.open(batch), batch) {
				return true
			}
			t.answer(queue, err)
			return false
		}
		if t.trouble != nil || t.recordFailed != nil {
			t.wait(queue)
			return false
		}
		if len(again) < len(batch) { // else nobody was taken, and fewer would not help
			queue = append(again, queue...)
		}
	}
	return false
}

// wait settles recipients whose turn did not come, as the last one was answered.
func (t *tour) wait(recipients []int) {
	if t.trouble != nil {
		t.settle(recipients, verdict{Result: relay.Result{
			Outcome: relay.Deferred, Reply: t.trouble.Reply, Rule: t.trouble.Rule, Hint: t.trouble.Hint, Pause: t.trouble.Pause,
		}})
	}
}

// isStale recognises a connection that the peer had closed: it failed, or said 421,
// before it answered to MAIL, and nothing of the content left.
func isStale(err error, open, batch []int) bool {
	e := clientError(err)
	return e.Where == relay.AtMail && (e.Reply.Code == 0 || e.Reply.Code == 421) && !e.DotSent && len(open) == len(batch)
}

// transact sends the message to some recipients in one transaction and settles
// them. again are those that the peer wants to be named in another transaction;
// an error means that the connection is of no use any more.
func (t *tour) transact(s *session, batch []int) (again []int, err error) {
	receipt, err := s.client.Send(t.ctx, t.transaction(batch))
	t.life.Answered()
	s.used++
	reports := s.client.Extensions().DSN
	for at, i := range batch {
		v := t.judge(receipt.Answers[at], reports)
		t.settle([]int{i}, v)
		if v.split {
			again = append(again, i)
		}
	}
	return again, err
}

func (t *tour) transaction(batch []int) *smtpwire.Transaction {
	e := &t.del.Message.Envelope
	tx := &smtpwire.Transaction{
		From: e.ReturnPath, Body: t.body, SMTPUTF8: e.SMTPUTF8, EightBit: e.EightBit, Ret: e.Ret, EnvID: e.EnvID,
		BeforeDot: func(ctx context.Context, accepted []int) error {
			recipients := make([]int, len(accepted))
			for at, j := range accepted {
				recipients[at] = batch[j]
			}
			if t.recordFailed = t.life.Commit(); t.recordFailed == nil {
				t.recordFailed = t.del.BeforeDot(ctx, recipients)
			}
			return t.recordFailed
		},
	}
	for _, i := range batch {
		tx.Recipients = append(tx.Recipients, e.Recipients[i])
	}
	return tx
}

// judge gives the verdict over one answer. What the client found out before it sent
// anything is final: the exchangers of a domain are of one kind.
func (t *tour) judge(answer smtpwire.Answer, reports bool) verdict {
	switch {
	case answer.Accepted:
		v := verdict{Result: relay.Result{Outcome: relay.Delivered, Reply: answer.Reply}}
		v.PeerReports = reports
		return v
	case answer.Final:
		return own(RulePeerCannot, relay.Failed, answer.Reply)
	}
	return ofAnswer(t.d.opts.Classifier, relay.Answer{Where: answer.Where, Reply: answer.Reply})
}
