package upstream

import (
	"context"
	"errors"

	"github.com/relayd/relayd/internal/smtpwire"
	"github.com/relayd/relayd/relay"
)

// send takes a connection and sends one transaction. A connection that died while
// it lay idle, before MAIL was answered, is replaced by a new one once: that says
// nothing about the message.
func (a *attempt) send(ctx context.Context, batch []int) (smtpwire.Receipt, error) {
	for fresh := false; ; fresh = true {
		s, err := a.connection(ctx, fresh)
		if err != nil {
			return a.notConnected(batch, err)
		}
		a.out.Peer = s.peer
		reused := s.messages > 0
		receipt, err := s.client.Send(ctx, a.buildTransaction(batch))
		a.job.Answered()
		a.d.pool.give(s)
		if err == nil || !reused || a.recordErr != nil || a.job.BrokenOff() || !diedIdle(receipt) {
			return receipt, err
		}
	}
}

// connection takes one from the pool. Where the server refuses the token, it tries
// again with a new one.
func (a *attempt) connection(ctx context.Context, fresh bool) (*session, error) {
	for {
		s, err := a.d.pool.take(ctx, want{a.cred, a.limits, fresh, a.del.StartConnecting})
		var refusal *smtpwire.ClientError
		if err == nil || !errors.As(err, &refusal) {
			return s, err
		}
		answer := smtpwire.Answer{Where: refusal.Where, Reply: refusal.Reply}
		if !a.renew(ctx, &answer) {
			refusal.Where, refusal.Reply = answer.Where, answer.Reply
			return nil, err
		}
	}
}

// diedIdle reports whether a connection came to its end before this transaction
// began: no answer to MAIL, or a 421 instead of one (RFC 5321 §3.8).
func diedIdle(r smtpwire.Receipt) bool {
	for _, answer := range r.Answers {
		if answer.Final {
			continue
		}
		if answer.Where != relay.AtMail || (answer.Reply.Code != 0 && answer.Reply.Code != 421) {
			return false
		}
	}
	return true
}

// notConnected gives the failure to connect as everybody's answer.
func (a *attempt) notConnected(batch []int, err error) (smtpwire.Receipt, error) {
	var failure *peerError
	if errors.As(err, &failure) {
		a.out.Peer = failure.peer
	}
	if errors.Is(err, errClosed) {
		a.job.BreakOff(errClosed)
	}
	e := asClientError(err)
	answers := make([]smtpwire.Answer, len(batch))
	for i := range answers {
		answers[i] = smtpwire.Answer{Where: e.Where, Reply: e.Reply}
	}
	return smtpwire.Receipt{Answers: answers}, e
}

// buildTransaction makes the SMTP transaction for a batch. The envelope sender is
// the account's own address: providers let no other pass, and their reports about
// it come back to the person.
func (a *attempt) buildTransaction(batch []int) *smtpwire.Transaction {
	e := &a.del.Message.Envelope
	tx := &smtpwire.Transaction{
		From:     a.cred.Account.Address,
		Body:     a.del.Body,
		SMTPUTF8: e.SMTPUTF8,
		EightBit: e.EightBit,
		Ret:      e.Ret,
		EnvID:    e.EnvID,
	}
	for _, i := range batch {
		tx.Recipients = append(tx.Recipients, e.Recipients[a.del.Recipients[i]])
	}
	tx.BeforeDot = func(ctx context.Context, accepted []int) error {
		return a.beforeDot(ctx, batch, accepted)
	}
	return tx
}

// beforeDot makes durable that the dot is about to leave. From here on the attempt
// is not broken off until the answer is here.
func (a *attempt) beforeDot(ctx context.Context, batch, accepted []int) error {
	if a.recordErr = a.job.Commit(); a.recordErr != nil {
		return a.recordErr
	}
	recipients := make([]int, 0, len(accepted))
	for _, n := range accepted {
		recipients = append(recipients, a.del.Recipients[batch[n]])
	}
	a.recordErr = a.del.BeforeDot(ctx, recipients)
	a.dotSent = a.dotSent || a.recordErr == nil
	return a.recordErr
}
